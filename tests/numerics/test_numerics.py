"""The package as a whole: lazy names, runnable examples."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import labkit.numerics

MODULES = sorted(module.name for module in pkgutil.iter_modules(labkit.numerics.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs_and_prints_what_it_says(name):
    module = importlib.import_module(f"labkit.numerics.{name}")
    found = doctest.testmod(module, extraglobs={"np": np}, optionflags=doctest.ELLIPSIS)
    assert found.failed == 0
    assert found.attempted > 0 or name in {"errors", "fits", "inputs"}


@pytest.mark.parametrize("name", labkit.numerics.__all__)
def test_every_public_name_is_there_whichever_module_was_imported_first(name):
    for module in MODULES:
        importlib.import_module(f"labkit.numerics.{module}")
    assert callable(getattr(labkit.numerics, name))
    assert name in dir(labkit.numerics)


def test_importing_the_package_imports_neither_numpy_nor_scipy():
    code = "import sys, labkit.numerics; print(sorted({'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'labkit.numerics' has no attribute 'lasso'"):
        labkit.numerics.lasso  # noqa: B018
