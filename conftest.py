"""What every test and doctest stands on: a quiet TensorFlow, fixed seeds, and where the shared data lies."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

# Set before anything imports TensorFlow, which reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # a machine without a GPU would report its absence as an error
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.pop("TF_USE_LEGACY_KERAS", None)  # left over from a TFMOT session, it would turn `tf.keras` into tf_keras

# The search for doctests imports every file. This one, a script for its own process, imports TFMOT unguarded, which
# would turn Keras into tf_keras for all tests.
collect_ignore = ["tests/oracle/server.py"]

_SHARED_DATA = Path(__file__).resolve().parents[1] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `../shared/data` beside the repository, with published models and labelled images."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the folder ../shared/data is not beside this repository")
    return _SHARED_DATA


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Starts each test from the same random state; Keras is seeded only where something has imported it."""
    random.seed(0)
    np.random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
