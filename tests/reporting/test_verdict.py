import json
from dataclasses import replace
from pathlib import Path

from tests.reporting import made_runs
from tfcompress.reporting.runs import read_runs
from tfcompress.reporting.tables import stage_tables
from tfcompress.reporting.verdict import speed_change, verdict


def test_the_verdict_says_what_was_gained_and_what_was_not(phone: Path) -> None:
    (run,) = read_runs([phone])
    assert verdict(run) == [
        "pruned against before: 86 % smaller download (tfz of 3,500 to 480 bytes), 75 % smaller on disk, 2.00 times as "
        "fast on cortex-a55 (estimated, 4 to 2 ms), 1.98 times as fast on host (measured, 2 to 1.01 ms), accuracy "
        "-0.30 points (0.9900 to 0.9870).",
        "50 % zeros (pruned against dense): 44 % smaller download (tfz of 850 to 480 bytes), 0 % smaller on disk, 0 % "
        "faster on cortex-a55 (estimated, 2 to 2 ms), no faster on host (measured, 1 to 1.01 ms, a change within the "
        "spread of single runs), accuracy -0.30 points (0.9900 to 0.9870).",
        "Step 1 MagnitudePruning: 50 % zeros, parameters as before, MACs as before, zip 37 % smaller, accuracy -0.20 "
        "points (0.9900 to 0.9880).",
    ]


def test_the_file_to_hold_against_can_be_named(phone: Path) -> None:
    (run,) = read_runs([phone])
    assert verdict(run, "dense")[0].startswith("pruned against dense: 44 % smaller download")


def test_a_single_file_is_held_against_nothing(small: Path) -> None:
    (run,) = read_runs([small])
    (sentence,) = verdict(run)
    assert sentence.startswith("small: 400 bytes to download (tfz), accuracy 0.9700; there is nothing else")


def test_a_metric_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for name, mode in (("a", "float32"), ("b", "int8")):
        made_runs.file_card(name, mode, 1000, 900, 800, accuracy=None).save_beside(tmp_path / f"{name}.tflite")
    (sentence,) = verdict(read_runs([tmp_path])[0])
    assert sentence.endswith("latency not compared: no device has both, accuracy not measured.")


def test_fewer_macs_that_did_not_become_less_time_are_said(tmp_path: Path) -> None:
    times = {"whole": (2.0, 4.0, 8.0), "half": (2.01, 4.4, 5.0)}
    for number, (name, (host, phone, board)) in enumerate(times.items(), 1):
        measurements = [made_runs.on_host(host, host * 1.1), made_runs.on_cortex(phone)]
        measurements.append(made_runs.on_cortex(board) | {"device": "board"})
        card = made_runs.file_card(name, "float32", 4000, 3600, 3500 // number, measurements=measurements)
        replace(card, macs=90_000 // number).save_beside(tmp_path / f"{name}.tflite")
    (sentence,) = verdict(read_runs([tmp_path])[0], "whole")
    assert "50 % fewer MACs" in sentence
    assert (
        "no faster on host (measured, 2 to 2.01 ms, a change within the spread of single runs), though it" in sentence
    )
    assert "takes 1.10 times as long on cortex-a55 (estimated, 4 to 4.4 ms), though it has fewer MACs" in sentence
    assert "1.60 times as fast on board (estimated, 8 to 5 ms), " in sentence
    assert sentence.count("though") == 2


def _budget(folder: Path, accuracy: float = 0.0, **costs: float) -> None:
    settings = {"budget": {"costs": costs, "accuracy": accuracy}}
    (folder / "search.json").write_text(json.dumps({"owner": "x", "settings": settings}))


def test_the_verdict_on_a_search_is_on_the_most_accurate_file_within_its_budget(phone: Path) -> None:
    _budget(phone, 0.98, **{"packed_bytes": 900, "latency_ms on host": 1.5})
    met, gained = verdict(read_runs([phone])[0])
    assert met == (
        "The budget (packed_bytes at most 900, latency_ms on host at most 1.5, accuracy at least 0.98) is met by 2 of "
        "2 files; the most accurate is dense."
    )
    assert gained.startswith("dense against before: 76 % smaller download")
    (phone / "search.json").write_text("{}")
    assert verdict(read_runs([phone])[0])[0].startswith("pruned against before")


def test_the_verdict_on_a_search_that_missed_its_budget_says_how_close_it_came(phone: Path) -> None:
    _budget(phone, 0.995, packed_bytes=400)
    met, gained = verdict(read_runs([phone])[0])
    assert met == (
        "The budget (packed_bytes at most 400, accuracy at least 0.995) is met by none of 2 files; the nearest is "
        "pruned: packed_bytes 480 of at most 400, accuracy 0.9870."
    )
    assert gained.startswith("pruned against before")
    _budget(phone, **{"latency_ms on cortex-a76": 1.0})
    assert verdict(read_runs([phone])[0])[0].endswith("is met by no file: none has all of these figures.")


def test_files_without_a_baseline_are_not_said_to_be_alone(tmp_path: Path) -> None:
    for name, zlib in (("a", 900), ("b", 800)):
        made_runs.file_card(name, "int8", 1000, zlib, zlib).save_beside(tmp_path / f"{name}.tflite")
    (sentence,) = verdict(read_runs([tmp_path])[0])
    assert sentence.endswith("no float32 file is here to hold it against (--against names another).")
    made_runs.file_card("c", "float32", 700, 600, 500).save_beside(tmp_path / "c.tflite")
    (sentence,) = verdict(read_runs([tmp_path])[0])
    assert sentence.startswith("c: 500 bytes to download")
    assert sentence.endswith("no other file here is a smaller download, and the others are held against it.")


def test_a_longer_name_makes_no_compressed_file_the_baseline(tmp_path: Path) -> None:
    for name, size, packed in (("reference", 4000, 3500), ("compressed", 4004, 500)):
        made_runs.file_card(name, "float32", size, 3600, packed).save_beside(tmp_path / f"{name}.tflite")
    assert verdict(read_runs([tmp_path])[0])[0].startswith("compressed against reference: 86 % smaller download")


def test_steps_of_many_recipes_stand_in_one_table(tmp_path: Path) -> None:
    for number in range(5):
        for step, name in enumerate(("A", "B"), 1):
            folder = tmp_path / f"trial-{number}" / f"step-{step}-{name}"
            folder.mkdir(parents=True)
            made_runs.file_card("m", "float32", 1000 // step, 900, 800).save_beside(folder / "model.keras")
    (table,) = stage_tables(read_runs([tmp_path])[0])
    assert [str(row[0]) for row in table.rows][:2] == ["trial-0: 1 A", "trial-0: 2 B"]
    assert str(table.rows[1][1]) == "500 (2.00x)"
    assert table.note.endswith("against the first of each recipe.")


def test_slower_is_said_to_be_slower() -> None:
    assert speed_change(1.0, 1.5) == "takes 1.50 times as long"
