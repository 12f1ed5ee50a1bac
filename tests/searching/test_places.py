from pathlib import Path

import pytest

from tfcompress.errors import OutputError, SearchError
from tfcompress.searching.places import check_same, held


def test_two_searches_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        held(tmp_path / "search"),
        pytest.raises(SearchError, match="Another search works in"),
        held(tmp_path / "search"),
    ):
        pass
    with held(tmp_path / "search"):
        pass


def test_a_folder_is_kept_to_what_it_was_begun_with(tmp_path: Path) -> None:
    owner = check_same(tmp_path, {"seed": 0, "budget": {"macs": 5.0}})
    assert check_same(tmp_path, {"seed": 0, "budget": {"macs": 5.0}}) == owner
    with pytest.raises(SearchError, match="begun with another budget"):
        check_same(tmp_path, {"seed": 0, "budget": {"macs": 6.0}})
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(SearchError, match="is damaged"):
        check_same(tmp_path, {})


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), held(tmp_path / "file" / "search"):
        pass
