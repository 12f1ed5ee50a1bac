package io.github.tfcompress.demo

import org.json.JSONArray
import org.json.JSONObject

/**
 * An object of `demo.json` and its place there, so that a wrong key is named: `models[1].size_bytes`.
 *
 * `org.json` is part of Android. Its own getters turn `"7"` and `7.5` into 7; here a value has the right type or is refused.
 */
internal class ContractNode(private val values: JSONObject, private val place: String) {
    fun text(key: String, pattern: Regex = NOT_EMPTY): String =
        (value(key) as? String)?.takeIf(pattern::matches) ?: refuse(key, "a text like ${pattern.pattern}")

    fun textOrEmpty(key: String): String = value(key) as? String ?: refuse(key, "a text")

    fun number(key: String): Double = asNumber(value(key)) ?: refuse(key, "a number")

    fun numberOrNull(key: String): Double? = if (value(key) == JSONObject.NULL) null else number(key)

    fun count(key: String): Long = asCount(value(key)) ?: refuse(key, "a whole number from 1")

    fun size(key: String): Int = asSize(value(key)) ?: refuse(key, "a whole number from 1")

    fun texts(key: String, pattern: Regex = NOT_EMPTY): List<String> =
        list(key, "texts like ${pattern.pattern}") { (it as? String)?.takeIf(pattern::matches) }

    fun numbers(key: String): List<Double> = list(key, "numbers", ::asNumber)

    fun sizes(key: String): List<Int> = list(key, "whole numbers from 1", ::asSize)

    fun rowsOfNumbers(key: String): List<List<Double>> = list(key, "lists of numbers") { row ->
        (row as? JSONArray)?.let { numbers -> List(numbers.length()) { asNumber(numbers.opt(it)) ?: return@list null } }
    }

    fun node(key: String): ContractNode =
        ContractNode(value(key) as? JSONObject ?: refuse(key, "an object"), "$place$key.")

    fun nodes(key: String): List<ContractNode> =
        list(key, "objects") { it as? JSONObject }.mapIndexed { index, node -> ContractNode(node, "$place$key[$index].") }

    /** @throws UnknownSchema if the key `schema` has another value than [known] */
    fun requireSchema(known: Int) {
        val received = value("schema")
        if (received != known) throw UnknownSchema(received.toString().take(LONGEST_QUOTE))
    }

    fun keys(): List<String> = values.keys().asSequence().toList()

    /** Says that the value of [key] is not [what] it must be. */
    fun refuse(key: String, what: String): Nothing {
        val received = values.opt(key)?.toString()?.take(LONGEST_QUOTE) ?: "missing"
        throw UnreadableContract("$place$key must be $what and is $received")
    }

    private fun value(key: String): Any = values.opt(key) ?: refuse(key, "there")

    private fun <T : Any> list(key: String, what: String, convert: (Any?) -> T?): List<T> {
        val array = value(key) as? JSONArray
        if (array == null || array.length() == 0) refuse(key, "a list of $what, and not empty")
        return List(array.length()) { convert(array.opt(it)) ?: refuse(key, "a list of $what") }
    }

    private companion object {
        val NOT_EMPTY = Regex("[\\s\\S]+")
        const val LONGEST_QUOTE = 60

        fun asNumber(value: Any?): Double? = (value as? Number)?.toDouble()?.takeIf { it.isFinite() }

        fun asCount(value: Any?): Long? = when (value) {
            is Int -> value.toLong()
            is Long -> value
            else -> null
        }?.takeIf { it >= 1 }

        fun asSize(value: Any?): Int? = asCount(value)?.takeIf { it <= Int.MAX_VALUE }?.toInt()
    }
}
