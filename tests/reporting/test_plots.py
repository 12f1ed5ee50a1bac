from pathlib import Path

import pytest

from tests.reporting import made_runs
from tfcompress.reporting.layers import Bar, layer_bars
from tfcompress.reporting.plots import pareto_plots, sensitivity_plot
from tfcompress.reporting.runs import Curve, read_runs


def test_points_that_nothing_beats_are_on_the_front(phone: Path, small: Path) -> None:
    plots = pareto_plots(read_runs([phone, small]))
    assert [plot.x_title for plot in plots] == ["tfz bytes", "median ms on cortex-a55", "median ms on host"]
    marks = plots[0].marks
    assert [mark.tip.splitlines()[0] for mark in marks if mark.best] == [
        "phone: dense",
        "phone: pruned",
        "small: small",
    ]
    by_cost = sorted(marks, key=lambda mark: mark.x)
    assert [mark.series for mark in by_cost] == [1, 0, 0, 0]
    assert by_cost[0].y > by_cost[-1].y, "less accuracy stands lower, and SVG counts downwards"


def test_one_point_is_no_trade(small: Path) -> None:
    assert pareto_plots(read_runs([small])) == []


def test_without_files_the_models_between_the_steps_are_drawn(phone: Path) -> None:
    for path in phone.glob("*.tflite.card.json"):
        path.unlink()
    assert [plot.x_title for plot in pareto_plots(read_runs([phone]))] == ["zlib bytes"]


def test_the_most_sensitive_kernels_are_drawn() -> None:
    plot = sensitivity_plot([Curve(f"k{i}", (0.5, 0.9), (0.0, i / 100)) for i in range(12)])
    assert plot is not None
    assert plot.series == ("k11", "k10", "k9", "k8", "k7", "k6", "k5", "k4")
    assert plot.note == "The 8 most sensitive kernels; 4 more lose less."
    assert sensitivity_plot([]) is None


def test_bars_hold_layers_against_those_of_the_same_name(phone: Path) -> None:
    (run,) = read_runs([phone])
    before, pruned = run.files[0], run.files[-1]
    plots = {plot.title: plot for plot in layer_bars(pruned, before)}
    assert plots["MACs of each layer (exact)"].bars == (Bar("conv", 90_000, 90_000), Bar("dense", 600, 600))
    assert plots["Zeros in each kernel of the file (exact)"].bars == (Bar("dense/MatMul", 0.0, 0.5),)
    assert plots["Zeros in each kernel of the file (exact)"].largest == 1.0
    operators = plots["Milliseconds of each operator on cortex-a55 (estimated)"]
    assert operators.bars == (Bar("0 CONV_2D", 3.0, 1.5), Bar("1 FULLY_CONNECTED", 1.0, 0.5))


def test_only_the_longest_of_many_bars_are_drawn(tmp_path: Path) -> None:
    card = made_runs.file_card("m", "int8", 9, 9, 9)
    card.layers[:] = [{"name": f"l{i}", "macs": i + 1} for i in range(100)]
    card.save_beside(tmp_path / "m.tflite")
    plot = layer_bars(read_runs([tmp_path])[0].files[0], None)[0]
    assert (len(plot.bars), plot.left_out, plot.bars[0].name) == (60, 40, "l40")


@pytest.mark.parametrize("value", [float("nan"), -1.0, None, "many"])
def test_what_is_no_length_is_no_bar(tmp_path: Path, value: object) -> None:
    (tmp_path / "m.tflite.card.json").write_text(made_runs.file_card("m", "int8", 9, 9, 9).to_json())
    stage = read_runs([tmp_path])[0].files[0]
    stage.card.layers[0]["macs"] = value
    (bars,) = [plot for plot in layer_bars(stage, None) if plot.title.startswith("MACs")]
    assert [bar.name for bar in bars.bars] == ["dense"]
