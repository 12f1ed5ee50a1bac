package io.github.tfcompress.demo

import org.json.JSONException
import org.json.JSONObject
import org.json.JSONTokener

/** Reads the text of `demo.json`, and checks that its parts fit each other. */
object ContractReader {
    private val SHA256 = Regex("[0-9a-f]{64}")
    private val ID = Regex("[a-z0-9]+(-[a-z0-9]+)*")
    private val MODEL = Regex("models/[a-z0-9-]+\\.tflite")
    private val PACKED = Regex("models/[a-z0-9-]+\\.tfz")
    private val IMAGE = Regex("images/[a-z0-9-]+\\.png")

    /**
     * The demo that [text] describes.
     *
     * @throws UnknownSchema if it is of a schema that this app does not know
     * @throws UnreadableContract if it is no JSON, or a key is missing or wrong; the message names the key
     */
    fun read(text: String): Demo {
        val root = ContractNode(parse(text), "")
        root.requireSchema(Demo.SCHEMA)
        val images = root.nodes("images").map(::image)
        val models = root.nodes("models").map { model(it, images.size) }
        val versions = root.node("versions")
        requireDifferent(root, models)
        requireSharedLabels(root, models, images)
        return Demo(
            title = root.text("title"),
            credits = root.textOrEmpty("credits"),
            models = models,
            images = images,
            versions = versions.keys().associateWith { versions.textOrEmpty(it) },
        )
    }

    private fun parse(text: String): JSONObject {
        try {
            val tokens = JSONTokener(text)
            val root = tokens.nextValue() as? JSONObject ?: throw UnreadableContract("it is no JSON object")
            // org.json stops after the first value; '\u0000' is its end of text.
            if (tokens.nextClean() != '\u0000') throw UnreadableContract("something follows its JSON object")
            return root
        } catch (e: JSONException) {
            throw UnreadableContract("it is no JSON (${e.message})", e)
        }
    }

    private fun model(node: ContractNode, images: Int): DemoModel {
        val input = input(node.node("input"))
        val output = output(node.node("output"))
        val labels = node.texts("labels")
        if (labels.size != output.classes || labels.toSet().size != labels.size) {
            node.refuse("labels", "${output.classes} different texts")
        }
        return DemoModel(
            id = node.text("id", ID),
            name = node.text("name"),
            file = ModelBytes(node.text("file", MODEL), node.text("sha256", SHA256), node.count("size_bytes")),
            packed = ModelBytes(
                node.text("packed_file", PACKED),
                node.text("packed_sha256", SHA256),
                node.count("packed_bytes"),
            ),
            arithmetic = node.text("arithmetic"),
            accuracy = node.numberOrNull("accuracy"),
            input = input,
            output = output,
            labels = labels,
            golden = golden(node.node("golden"), images, output.classes),
        )
    }

    private fun input(node: ContractNode): ModelInput {
        node.text("type", Regex("float32"))
        val shape = node.sizes("shape")
        if (shape.size != 4 || shape[0] != 1 || shape[3] !in setOf(1, 3)) {
            node.refuse("shape", "[1, height, width, 1 or 3 channels]")
        }
        val mean = node.numbers("mean")
        val std = node.numbers("std")
        if (mean.size != shape[3]) node.refuse("mean", "${shape[3]} numbers, one a channel")
        if (std.size != shape[3] || std.any { it <= 0 }) node.refuse("std", "${shape[3]} numbers above 0, one a channel")
        return ModelInput(height = shape[1], width = shape[2], channels = shape[3], mean = mean, std = std)
    }

    private fun output(node: ContractNode): ModelOutput {
        node.text("type", Regex("float32"))
        val shape = node.sizes("shape")
        if (shape.size != 2 || shape[0] != 1 || shape[1] < 2) node.refuse("shape", "[1, 2 or more classes]")
        val scores = node.text("scores", Regex("probabilities|logits"))
        return ModelOutput(shape[1], if (scores == "logits") Scores.LOGITS else Scores.PROBABILITIES)
    }

    private fun golden(node: ContractNode, images: Int, classes: Int): Golden {
        val tolerance = node.number("tolerance")
        val inputs = node.texts("inputs_sha256", SHA256)
        val outputs = node.rowsOfNumbers("outputs")
        if (tolerance < 0) node.refuse("tolerance", "0 or more")
        if (inputs.size != images) node.refuse("inputs_sha256", "$images texts, one an image")
        if (outputs.size != images || outputs.any { it.size != classes }) {
            node.refuse("outputs", "$images lists of $classes numbers")
        }
        return Golden(tolerance, inputs, outputs.map { row -> row.map(Double::toFloat) })
    }

    private fun image(node: ContractNode) = BundledImage(
        path = node.text("file", IMAGE),
        sha256 = node.text("sha256", SHA256),
        width = node.size("width"),
        height = node.size("height"),
        label = node.text("label"),
    )

    private fun requireDifferent(root: ContractNode, models: List<DemoModel>) {
        if (models.distinctBy { it.id }.size != models.size || models.distinctBy { it.name }.size != models.size) {
            root.refuse("models", "models of different ids and names")
        }
    }

    private fun requireSharedLabels(root: ContractNode, models: List<DemoModel>, images: List<BundledImage>) {
        val labels = models.first().labels
        if (models.any { it.labels != labels }) root.refuse("models", "models of the same labels")
        if (images.any { it.label !in labels }) root.refuse("images", "images whose label is one of the models' labels")
    }
}
