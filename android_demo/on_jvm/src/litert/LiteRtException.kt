package com.google.ai.edge.litert

/** What LiteRT reports. */
class LiteRtException(val code: Int, message: String) : Exception(message)
