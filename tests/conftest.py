"""What tests of several rooms share: a file that int8 has ruined, made once per session."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.spread import Spread


@pytest.fixture(scope="session")
def spread(tmp_path_factory: pytest.TempPathFactory) -> "Spread":
    """A model with spread channels, samples, and its int8 file."""
    from tests.spread import make_spread  # only here, so that tests without TensorFlow need not load it

    return make_spread(tmp_path_factory.mktemp("spread") / "spread.tflite")
