"""What a step of distillation costs, beside a step of the student and a pass of the teacher, measured in turn."""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfcompress as tfc
from tools.distillation_images import dense

_CACHED_BATCHES = 40


def speed(network: str = "dense", batch: int = 128, rounds: int = 30) -> list[tuple[str, str, str]]:
    """Rows of what was measured, its median in ms with the quartiles, and its share of what it may cost at most.

    Args:
        network: "dense" (1200 units teach 800) or "mobilenet" (MobileNetV2 1.0 teaches 0.35 at 96 x 96).
        batch: Samples of a step; each is another one of the 40 batches that are cached.
        rounds: How many times each is timed, one after the other in each round.
    """
    teacher, student, images, labels = _networks(network, batch)
    with tempfile.TemporaryDirectory() as folder:
        cache = tfc.cache_logits(teacher, images.reshape(-1, *images.shape[2:]), Path(folder) / "teacher.logits")
        timed: dict[str, Callable[[], object]] = {
            "teacher forward": _forward(teacher, images),
            "student step": _step(keras.models.clone_model(student), images, labels),
            "distilled step": _step(tfc.Distillation(teacher).wrap(student), images, labels),
            "cached step": _step(tfc.Distillation(cache).wrap(student), images, labels),
        }
        seconds = _interleaved(timed, rounds)
    forward, alone = (statistics.median(seconds[name]) for name in ("teacher forward", "student step"))
    most = {"distilled step": 1.1 * (forward + alone), "cached step": 1.1 * alone}
    rows = []
    for name, times in seconds.items():
        low, middle, high = statistics.quantiles(times, n=4)
        share = f"{middle / most[name]:.2f} of the most" if name in most else ""
        rows.append((name, f"{1000 * middle:.2f} ({1000 * low:.2f} to {1000 * high:.2f})", share))
    return rows


def _networks(network: str, batch: int) -> tuple[keras.Model, keras.Model, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    if network == "dense":
        teacher, student = dense(1200), dense(800)
    else:
        teacher, student = (
            keras.applications.MobileNetV2((96, 96, 3), alpha, weights=None, classes=10, classifier_activation=None)
            for alpha in (1.0, 0.35)
        )
    images = generator.random((_CACHED_BATCHES, batch, *student.input_shape[1:]), "float32")
    return teacher, student, images, generator.integers(0, 10, batch)


def _forward(model: keras.Model, images: np.ndarray) -> Callable[[], object]:
    tensor = tf.constant(images[0])
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=False, autograph=False)
    return lambda: compiled(tensor).numpy()


def _step(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    # Without XLA, which cannot compile a step that reads a file: the same for all four.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, jit_compile=False)
    batches = itertools.cycle(images)
    return lambda: model.train_on_batch(next(batches), labels)


def _interleaved(timed: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 3):
        for name, run in timed.items():
            begun = time.perf_counter()
            run()
            if number >= 3:  # the first calls trace and warm up
                seconds[name].append(time.perf_counter() - begun)
    return seconds
