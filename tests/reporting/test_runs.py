import json
from pathlib import Path

import pytest

from tests.reporting import made_runs
from tfcompress.card import card_path
from tfcompress.errors import FormatError
from tfcompress.reporting.conditions import notes
from tfcompress.reporting.runs import read_runs


def _changed(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_models_come_first_in_the_order_of_the_recipe(phone: Path) -> None:
    (run,) = read_runs([phone])
    assert [stage.name for stage in run.stages] == ["original", "1 MagnitudePruning", "before", "dense", "pruned"]
    assert [stage.ships for stage in run.stages] == [False, False, True, True, True]
    assert run.stages[0].state["seed"] == 7
    assert run.recipes == {"": made_runs.RECIPE}
    assert run.curves[0].losses == (0.01, 0.09)
    assert run.problems == ()


def test_the_tenth_step_comes_after_the_ninth(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        made_runs.file_card("m", "float32", 9, 9, 9).save_beside(_folder(tmp_path / f"step-{number}-X") / "model.keras")
    assert [stage.name for stage in read_runs([tmp_path])[0].stages] == ["1 X", "2 X", "10 X"]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "run").mkdir(parents=True)
        made_runs.small(tmp_path / parent / "run")
    assert [run.name for run in read_runs([tmp_path / "a" / "run", tmp_path / "b" / "run"])] == ["a/run", "b/run"]
    assert len({run.name for run in read_runs([tmp_path / "a"] * 2)}) == 2


def test_a_card_of_another_schema_is_left_out_and_named(phone: Path) -> None:
    _changed(card_path(phone / "dense.tflite"), schema=2)
    (run,) = read_runs([phone])
    assert "dense" not in [stage.name for stage in run.stages]
    assert run.problems == (
        "dense.tflite.card.json was left out: This card has schema 2; this version of tfcompress reads 1.",
    )


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_number_that_is_none_counts_as_not_measured(phone: Path, value: str) -> None:
    path = card_path(phone / "dense.tflite")
    path.write_text(path.read_text().replace('"accuracy": 0.99', f'"accuracy": {value}'))
    (run,) = read_runs([phone])
    stage = next(stage for stage in run.stages if stage.name == "dense")
    assert "accuracy" not in stage.figures
    assert "dense: its accuracy is" in notes(run)[-1]


def test_a_file_that_changed_after_its_card_is_noted(phone: Path) -> None:
    (phone / "dense.tflite").write_bytes(b"other bytes")
    assert "dense: the file beside this card has other bytes" in read_runs([phone])[0].problems[0]


def test_a_sensitivity_table_that_is_none_is_left_out(phone: Path) -> None:
    (phone / "sensitivity.json").write_text('{"layers": [{"name": "conv"}]}')
    (run,) = read_runs([phone])
    assert run.curves == ()
    assert run.problems[0].startswith("sensitivity.json was left out")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nowhere is no folder"):
        read_runs([tmp_path / "nowhere"])


def test_a_folder_without_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no card"):
        read_runs([tmp_path])


def test_a_folder_of_damaged_cards_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "m.tflite.card.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match=r"m\.tflite\.card\.json was left out: it cannot be read"):
        read_runs([tmp_path])
