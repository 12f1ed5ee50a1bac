"""The report as a whole: what each format says, and what is refused."""

import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import tfcompress as tfc
from tests.reporting import made_runs
from tfcompress.cli.main import group
from tfcompress.errors import FormatError, OutputError
from tfcompress.reporting.report import report

_GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("md", "md")])
def test_the_text_is_what_it_was(phone: Path, small: Path, form: str, suffix: str) -> None:
    assert report(phone).render(form) == (_GOLDEN / f"phone.{suffix}").read_text()
    assert report([phone, small]).render(form) == (_GOLDEN / f"side_by_side.{suffix}").read_text()


def test_json_has_every_figure_with_its_kind_and_rate(phone: Path) -> None:
    (run,) = json.loads(report(phone).render("json"))["runs"]
    stages = {stage["name"]: stage for stage in run["stages"]}
    assert stages["pruned"]["against"] == "before"
    assert stages["pruned"]["figures"]["size_bytes"] == {"value": 1000, "kind": "exact", "rate": 4.0}
    assert stages["pruned"]["figures"]["latency_ms on cortex-a55"]["kind"] == "estimated"
    assert stages["pruned"]["figures"]["instructions on cortex-a55"]["kind"] == "exact"
    assert stages["pruned"]["figures"]["accuracy"]["difference"] == pytest.approx(-0.003)
    assert stages["1 MagnitudePruning"]["against"] == "original"
    assert "rate" not in stages["before"]["figures"]["size_bytes"]
    assert run["sensitivity"][0]["name"] == "conv/kernel"


class _Page(HTMLParser):
    """Counts what stands open and collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(phone: Path, small: Path, tmp_path: Path) -> None:
    report([phone, small], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert all(target.startswith(("#", "data:")) for target in page.fetched)
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", text)
    assert text.count("<circle") == 4 + 3 + 4 + 2, "download, cortex-a55, host, and the sensitivity"


def test_names_in_cards_cannot_become_markup(tmp_path: Path) -> None:
    card = made_runs.file_card("<img src=x>", "int8", 9, 9, 9, notes=["</script><script>alert(1)</script> a|b"])
    card.save_beside(tmp_path / "x.tflite")
    found = report(tmp_path)
    assert "<script>alert" not in found.render("html")
    assert "a\\|b" in found.render("md")


def test_the_format_follows_the_name_of_the_file(phone: Path, tmp_path: Path) -> None:
    report(phone, tmp_path / "a.md")
    assert (tmp_path / "a.md").read_text().startswith("## What was gained")
    report(phone, tmp_path / "a.out", format="json")
    assert json.loads((tmp_path / "a.out").read_text())["runs"]
    with pytest.raises(OutputError, match="does not say a format"):
        report(phone, tmp_path / "a.pdf")
    with pytest.raises(OutputError, match=r"no format 'htm'\. Did you mean 'html'"):
        report(phone, format="html").render("htm")


def test_a_file_to_hold_against_must_be_there(phone: Path) -> None:
    with pytest.raises(FormatError, match=r"phone has no file 'befor' .*Did you mean 'before'"):
        report(phone, against="befor").render("text")


def test_the_command_prints_text_and_writes_a_page(phone: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(group, ["report", str(phone)], catch_exceptions=False)
    assert answer.stdout.startswith("What was gained\n")
    assert json.loads(CliRunner().invoke(group, ["report", str(phone), "--json"]).stdout)["runs"]
    target = tmp_path / "r.html"
    answer = CliRunner().invoke(group, ["report", str(phone), "-o", str(target)], catch_exceptions=False)
    assert answer.exit_code == 0
    assert target.read_text().startswith("<!DOCTYPE html>")
    answer = CliRunner().invoke(group, ["report", str(phone), "-o", str(target)])
    assert isinstance(answer.exception, OutputError)


def test_fifty_cards_need_no_tensorflow(tmp_path: Path) -> None:
    for number in range(50):
        card = made_runs.file_card("m", "int8", 1000 + number, 900 + number, 800 - number, accuracy=0.9 + number / 1000)
        card.save_beside(tmp_path / f"m{number}.tflite")
    script = (
        "import sys, tfcompress as tfc\n"
        f"tfc.report({str(tmp_path)!r}, {str(tmp_path / 'r.html')!r})\n"
        "print([name for name in ('tensorflow', 'keras', 'ai_edge_litert') if name in sys.modules])"
    )
    started = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=os.environ)
    print(f"50 cards: {time.perf_counter() - started:.2f} s")
    assert answer.stdout == "[]\n", answer.stderr


def test_the_public_name_is_the_function() -> None:
    assert tfc.report is report
