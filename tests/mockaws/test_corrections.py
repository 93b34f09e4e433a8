"""Corrections: made when a module is loaded, whoever loads it, and undone."""

from __future__ import annotations

import importlib
import sys

import pytest

from labkit.mockaws.corrections import Corrections


@pytest.fixture
def thing(tmp_path, monkeypatch):
    """A module that nobody has imported yet."""
    (tmp_path / "a_thing_of_others.py").write_text("def f(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_thing_of_others"
    sys.modules.pop("a_thing_of_others", None)


def doubling(module, corrections):
    corrections.replace(module, "f", lambda before: lambda: before() * 2)


def test_a_module_is_corrected_when_it_is_imported(thing):
    corrections = Corrections({thing: doubling})
    corrections.apply()
    try:
        assert thing not in sys.modules
        assert importlib.import_module(thing).f() == 2
    finally:
        corrections.undo()
    assert sys.modules[thing].f() == 1
    assert corrections not in sys.meta_path


def test_one_that_is_there_already_is_corrected_at_once(thing):
    module = importlib.import_module(thing)
    corrections = Corrections({thing: doubling})
    corrections.apply()
    corrections.apply()
    assert module.f() == 2
    corrections.undo()
    corrections.undo()
    assert module.f() == 1


def test_after_the_end_an_import_is_as_it_was(thing):
    corrections = Corrections({thing: doubling})
    corrections.apply()
    corrections.undo()
    assert importlib.import_module(thing).f() == 1


def test_a_name_that_is_not_there_any_more_is_an_error(thing):
    importlib.import_module(thing)
    corrections = Corrections({thing: lambda module, these: these.replace(module, "gone", lambda before: before)})
    with pytest.raises(AttributeError, match="gone"):
        corrections.apply()
    corrections.undo()
