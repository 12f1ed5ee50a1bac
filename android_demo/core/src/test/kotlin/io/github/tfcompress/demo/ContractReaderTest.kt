package io.github.tfcompress.demo

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ContractReaderTest {
    @Test
    fun `a demo is read as it was written`() {
        val demo = ContractReader.read(contract())
        val model = demo.models.single()
        assertEquals("Animals", demo.title)
        assertEquals(mapOf("tfcompress" to "0.9"), demo.versions)
        assertEquals(listOf(1, 2, 4, 1), model.input.shape)
        assertEquals(ModelBytes("models/small.tfz", "b".repeat(64), 70), model.packed)
        assertEquals(ModelOutput(classes = 3, scores = Scores.PROBABILITIES), model.output)
        assertEquals(Golden(0.0, listOf("c".repeat(64)), listOf(listOf(0.1f, 0.7f, 0.2f))), model.golden)
        assertEquals(BundledImage("images/0.png", "d".repeat(64), 8, 9, "dog"), demo.images.single())
    }

    @Test
    fun `an accuracy can be null, and unknown keys are ignored`() {
        val text = changed { put("news", 1).model().put("accuracy", JSONObject.NULL).put("more", JSONArray()) }
        assertEquals(null, ContractReader.read(text).models.single().accuracy)
    }

    @Test
    fun `another schema is refused by its number`() {
        val problem = assertThrows(UnknownSchema::class.java) { ContractReader.read(changed { put("schema", 2) }) }
        assertTrue(problem.message!!, problem.message!!.startsWith("demo.json has schema 2, and this app reads schema 1."))
        assertThrows(UnknownSchema::class.java) { ContractReader.read(changed { put("schema", "1") }) }
    }

    @Test
    fun `what is no JSON object is refused`() {
        for (text in listOf("", "[1]", "{\"schema\": ", contract() + "{}", "7")) {
            assertThrows(text, UnreadableContract::class.java) { ContractReader.read(text) }
        }
    }

    @Test
    fun `a missing key is named with its place`() {
        refuses("models[0].size_bytes must be there and is missing") { model().remove("size_bytes") }
        refuses("models[0].input.std must be there and is missing") { model().getJSONObject("input").remove("std") }
        refuses("images must be there and is missing") { remove("images") }
    }

    @Test
    fun `a value of another type is refused, not converted`() {
        refuses("models[0].size_bytes must be a whole number from 1 and is 70") { model().put("size_bytes", "70") }
        refuses("models[0].packed_bytes must be a whole number from 1 and is 7.5") { model().put("packed_bytes", 7.5) }
        refuses("images[0].width must be a whole number from 1 and is 0") { image().put("width", 0) }
        refuses("models[0].name must be a text") { model().put("name", 5) }
        refuses("models[0].input.mean must be a list of numbers") {
            model().getJSONObject("input").put("mean", JSONArray(listOf("0")))
        }
    }

    @Test
    fun `paths lead nowhere else`() {
        for (path in listOf("../models/a.tfz", "models/../a.tfz", "/models/a.tfz", "models/a.tfz\n", "models/A.tfz")) {
            refuses("models[0].packed_file must be a text like") { model().put("packed_file", path) }
        }
    }

    @Test
    fun `parts that do not fit each other are refused`() {
        refuses("models[0].labels must be 3 different texts") { model().put("labels", JSONArray(listOf("a", "b"))) }
        refuses("models[0].labels must be 3 different texts") { model().put("labels", JSONArray(listOf("a", "b", "a"))) }
        refuses("images must be images whose label") { image().put("label", "horse") }
        refuses("models must be models of different ids") { getJSONArray("models").put(model()) }
        refuses("models[0].golden.outputs must be 1 lists of 3 numbers") {
            model().getJSONObject("golden").put("outputs", JSONArray("[[1, 2]]"))
        }
        refuses("models[0].input.mean must be 1 numbers") {
            model().getJSONObject("input").put("mean", JSONArray("[0, 0, 0]"))
        }
        refuses("models[0].input.shape must be [1, height, width, 1 or 3 channels]") {
            model().getJSONObject("input").put("shape", JSONArray("[1, 2, 4, 2]"))
        }
    }

    private fun refuses(what: String, change: JSONObject.() -> Unit) {
        val problem = assertThrows(what, UnreadableContract::class.java) { ContractReader.read(changed(change)) }
        assertTrue(problem.detail, problem.detail.startsWith(what))
    }

    private fun changed(change: JSONObject.() -> Unit): String = JSONObject(contract()).apply(change).toString()

    private fun JSONObject.model(): JSONObject = getJSONArray("models").getJSONObject(0)

    private fun JSONObject.image(): JSONObject = getJSONArray("images").getJSONObject(0)
}
