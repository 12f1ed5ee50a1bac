from pathlib import Path

import pytest

from tests.reporting import made_runs


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    (tmp_path / "phone").mkdir()
    return made_runs.phone(tmp_path / "phone")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small").mkdir()
    return made_runs.small(tmp_path / "small")
