"""The public surface: other people's scripts call these names."""

import inspect

import pytest

import tfcompress


def test_all_lists_what_has_a_home():
    assert sorted(set(tfcompress.__all__) - {"__version__"}) == sorted([*tfcompress._HOMES, *tfcompress._ROOMS])


def test_all_is_sorted_so_that_merges_stay_simple():
    assert tfcompress.__all__ == sorted(tfcompress.__all__)


@pytest.mark.parametrize("name", tfcompress.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(tfcompress, name) is not None


@pytest.mark.parametrize("name", sorted(set(tfcompress.__all__) - {"__version__"}))
def test_every_public_name_explains_itself(name):
    assert inspect.getdoc(getattr(tfcompress, name))


@pytest.mark.parametrize("name", ["Recipe", "MagnitudePruning", "compress", "convert", "load", "measure", "profile"])
def test_the_signatures_that_scripts_rely_on(name):
    positional = {
        "Recipe": ["steps"],
        "MagnitudePruning": ["sparsity", "schedule"],
        "compress": ["model", "recipe", "fit", "directory"],
        "convert": ["model", "path"],
        "load": ["source"],
        "measure": ["path", "device"],
        "profile": ["model"],
    }
    given = list(inspect.signature(getattr(tfcompress, name)).parameters)
    assert given[: len(positional[name])] == positional[name]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = tfcompress.no_such_name


def test_dir_shows_the_public_names():
    assert dir(tfcompress) == sorted(tfcompress.__all__)
