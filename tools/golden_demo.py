"""What the golden demo folder in tests/demo/golden was made of: patterns, drawn anew each time to the same bits.

The images have another size than the models want, and colours, so that cropping, resampling and greying count.
"""

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "demo" / "golden"
LABELS = ["rows", "columns", "diagonal", "dots"]
MEAN, STD = 127.5, 64.0
COUNT = 8
_HEIGHT, _WIDTH = 24, 30


def patterns(count: int = COUNT, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Coloured, noisy patterns: uint8 (count, 24, 30, 3), and their classes in turn."""
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % len(LABELS)
    down, across = np.mgrid[:_HEIGHT, :_WIDTH]
    images = np.empty((count, _HEIGHT, _WIDTH, 3), np.uint8)
    for at, kind in enumerate(classes):
        phase = generator.integers(0, 6)
        waves = [down, across, down + across, np.maximum(down // 3 % 2, across // 3 % 2) * 3]
        bright = (waves[kind] + (phase if kind < 3 else 0)) % 6 < 3
        colour, ground = generator.integers(140, 250, 3), generator.integers(0, 110, 3)
        noisy = np.where(bright[..., np.newaxis], colour, ground) + generator.normal(0, 12, (_HEIGHT, _WIDTH, 3))
        images[at] = np.clip(noisy, 0, 255)
    return images, classes
