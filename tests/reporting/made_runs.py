"""Folders of cards as runs leave them, with round numbers that can be checked by hand."""

import json
from pathlib import Path
from typing import Any

from tfcompress.card import Card

_VERSIONS = {"keras": "3.15.1", "tensorflow": "2.21.0", "tfcompress": "0.1.0"}
RECIPE = '[[step]]\ntechnique = "MagnitudePruning"\nsparsity = 0.5\n'


def on_host(median: float, p90: float) -> dict[str, Any]:
    return {
        "device": "host",
        "kind": "measured",
        "latency_ms": {"median": median, "p90": p90},
        "runs": 50,
        "warmup": 10,
        "threads": 1,
        "cpu": "a processor",
    }


def on_cortex(milliseconds: float) -> dict[str, Any]:
    operators = [
        {"name": name, "instructions": 100, "latency_ms": {"median": share * milliseconds, "p90": share * milliseconds}}
        for name, share in (("CONV_2D", 0.75), ("FULLY_CONNECTED", 0.25))
    ]
    return {
        "device": "cortex-a55",
        "kind": "estimated",
        "latency_ms": {"median": milliseconds, "p90": milliseconds},
        "instructions": round(1e6 * milliseconds),
        "kinds": {"instructions": "exact", "latency_ms": "estimated"},
        "clock_mhz": 2000,
        "threads": 1,
        "operators": operators,
    }


def kernel(name: str, size: int, sparsity: float) -> dict[str, Any]:
    return {
        "graph": 0,
        "name": f"net/{name}/MatMul;net/{name}/Relu",
        "kernel": True,
        "bytes": size,
        "sparsity": sparsity,
    }


def file_card(name: str, mode: str, size: int, zlib: int, packed: int, **settings: Any) -> Card:
    settings = {"accuracy": 0.99, "sparsity": 0.0, "measurements": [], "notes": []} | settings
    layers = [
        {"name": "conv", "type": "Conv2D", "parameters": 400, "macs": 90_000, "weight_bytes": 1600},
        {"name": "dense", "type": "Dense", "parameters": 600, "macs": 600, "weight_bytes": 2400},
    ]
    return Card(
        model={"name": name, "sha256": "0" * 64},
        size_bytes=size,
        zlib_bytes=zlib,
        packed_bytes=packed,
        parameters=1000,
        macs=90_600,
        distinct_values=100,
        conversion={"mode": mode, "arithmetic": f"{mode} throughout", "representative_samples": None},
        layers=layers,
        tensors=[kernel("conv", size * 2 // 5, 0.0), kernel("dense", size // 2, settings["sparsity"])],
        versions=_VERSIONS,
        **settings,
    )


def phone(folder: Path) -> Path:
    """A run of one step, then two int8 files and the float32 file they are held against."""
    cards = [
        file_card("before", "float32", 4000, 3600, 3500, measurements=[on_host(2.0, 2.1), on_cortex(4.0)]),
        file_card("dense", "int8", 1000, 900, 850, measurements=[on_host(1.0, 1.05), on_cortex(2.0)]),
        file_card(
            "pruned",
            "int8",
            1000,
            567,
            480,
            sparsity=0.5,
            accuracy=0.987,
            measurements=[on_host(1.01, 1.06), on_cortex(2.0)],
            notes=["Tested on 10,000 images"],
        ),
    ]
    for card in cards:
        card.save_beside(folder / f"{card.model['name']}.tflite")
    keras_card = {"parameters": 1000, "macs": 90_600, "versions": {"keras": "3.15.1"}}
    steps = (("original", 4500, 4000, 0.0, 0.99), ("step-1-MagnitudePruning", 4500, 2520, 0.5, 0.988))
    for place, size, zlib, sparsity, accuracy in steps:
        (folder / place).mkdir(parents=True)
        model = {"name": "model.keras", "sha256": "0" * 64}
        card = Card(model, size, zlib, sparsity=sparsity, accuracy=accuracy, **keras_card)
        card.save_beside(folder / place / "model.keras")
        (folder / place / "step.json").write_text(json.dumps({"key": "k", "seconds": 1.0, "seed": 7}))
    (folder / "recipe.toml").write_text(RECIPE)
    curve = {
        "name": "conv/kernel",
        "parameters": 400,
        "sparsity": [0.5, 0.9],
        "score": [0.98, 0.9],
        "loss": [0.01, 0.09],
    }
    (folder / "sensitivity.json").write_text(json.dumps({"score": 0.99, "layers": [curve]}))
    return folder


def small(folder: Path) -> Path:
    """A second run with one file."""
    card = file_card("small", "int8", 600, 500, 400, accuracy=0.97, measurements=[on_host(0.5, 0.55)])
    card.save_beside(folder / "small.tflite")
    return folder
