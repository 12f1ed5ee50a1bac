"""What the benchmark of structural techniques says of its rows, on made outcomes."""

import tfcompress as tfc
from tools.bench_structure import LENET_BRIEFLY, Outcome, Row, table


def _card(accuracy: float, macs: int, parameters: int, median: float) -> tfc.Card:
    return tfc.Card(
        model={"name": "m.tflite", "sha256": "0" * 64},
        size_bytes=1,
        zlib_bytes=2 * parameters + 200,
        accuracy=accuracy,
        macs=macs,
        parameters=parameters,
        latency_ms={"median": median, "p90": median},
    )


def test_the_table_has_costs_and_time_side_by_side():
    whole = _card(0.99, 1000, 400, 0.2)
    outcomes = [
        Outcome(0.99, 0.5, whole, _card(0.986, 500, 100, 0.15)),
        Outcome(0.99, 0.7, whole, _card(0.984, 500, 100, 0.17)),
    ]
    row = Row("half", LENET_BRIEFLY, (tfc.ChannelPruning(),), 0.5)
    heading, line = table([(row, outcomes)]).splitlines()
    assert heading.split()[-7:] == ["lose", "MACs", "parameters", "zlib", "bytes", "time,", "host"]
    assert line.split()[-10:] == ["0.9850", "0.50", "(0.40", "to", "0.60)", "0.5", "0.500", "0.250", "0.400", "0.800"]
    assert "0.6000" in line
