"""The page of the benchmark of mixed precision, on made rows."""

from tools.bench_mixed_precision import Row, page


def test_each_way_has_its_table() -> None:
    rows = [Row(0, 10, 90_000, 24.0, 23.5, 1.0, 2), Row(10, 10, 51_000, 1.0, 0.5, 0.625, 11)]
    text = page({"dynamic": rows, "weights only": rows[:1]})
    assert text.count("| layers in int4 |") == 2
    assert "| 0 of 10 | 90,000 | 24.00 | 23.50 | 1.000 | 2 |\n| 10 of 10 | 51,000 | 1.00 | 0.50 | 0.625 | 11 |" in text
    assert "## Weights only" in text
