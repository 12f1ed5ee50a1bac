"""`tfcompress diagnose`: the table, JSON, and the mended file."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.spread import Spread
from tfcompress.cli.main import group


def _saved(spread: Spread, folder: Path) -> list[str]:
    """The arguments that name the model, the file and the samples."""
    spread.model.save(folder / "model.keras")
    np.savez(folder / "x.npz", x=spread.x)
    return ["diagnose", str(folder / "model.keras"), str(spread.path), "--data", str(folder / "x.npz")]


def test_the_layers_are_told_worst_first(spread: Spread, tmp_path: Path) -> None:
    answer = CliRunner().invoke(group, [*_saved(spread, tmp_path), "--json"], catch_exceptions=False)
    facts = json.loads(answer.stdout)
    assert facts["layers"][0]["layer"] == "stem_relu"
    assert facts["layers"][0]["remedy"] == "equalization"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::tfcompress.errors.TfCompressWarning")
def test_fix_writes_the_mended_file_with_its_card(spread: Spread, tmp_path: Path) -> None:
    arguments = [*_saved(spread, tmp_path), "--fix", "-o", str(tmp_path / "mended.tflite")]
    answer = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert "as it was" in answer.stdout
    assert (tmp_path / "mended.tflite.card.json").is_file()


def test_fix_and_output_go_together() -> None:
    for extra in (["--fix"], ["-o", "m.tflite"], ["--metric", "a:b"]):
        answer = CliRunner().invoke(group, ["diagnose", "m.keras", "m.tflite", "--data", "x.npz", *extra])
        assert answer.exit_code == 2
        assert "--fix" in answer.stderr
