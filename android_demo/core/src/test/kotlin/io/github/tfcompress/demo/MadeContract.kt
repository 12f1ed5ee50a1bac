package io.github.tfcompress.demo

/** A `demo.json` of one model and one image, as docs/demo_contract.md has it. */
internal fun contract(): String = """
    {
      "schema": 1, "title": "Animals", "credits": "", "versions": {"tfcompress": "0.9"},
      "models": [{
        "id": "small-int8", "name": "Small", "arithmetic": "int8 throughout", "accuracy": 0.875,
        "file": "models/small.tflite", "sha256": "${"a".repeat(64)}", "size_bytes": 100,
        "packed_file": "models/small.tfz", "packed_sha256": "${"b".repeat(64)}", "packed_bytes": 70,
        "input": {"shape": [1, 2, 4, 1], "type": "float32", "mean": [0], "std": [255.0]},
        "output": {"shape": [1, 3], "type": "float32", "scores": "probabilities"},
        "labels": ["cat", "dog", "owl"],
        "golden": {
          "tolerance": 0, "inputs_sha256": ["${"c".repeat(64)}"],
          "outputs": [[0.10000000149011612, 0.699999988079071, 0.20000000298023224]]
        }
      }],
      "images": [{"file": "images/0.png", "sha256": "${"d".repeat(64)}", "width": 8, "height": 9, "label": "dog"}]
    }
"""
