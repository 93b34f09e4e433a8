"""The reference page: it says all that the magics know, and its examples run."""

from __future__ import annotations

import inspect

import pytest

from labkit.client import Lab
from labkit.notebook import grammar, reference

PAGE = reference.markdown()
ENTRIES = reference.entries()


def section(entry):
    start = PAGE.index(f"## {', '.join(f'`{spelling}`' for spelling in entry.spellings)}\n")
    return PAGE[start : PAGE.index("\n## ", start + 1)]


def test_the_magics_are_those_that_the_extension_registers(empty_shell):
    registered = empty_shell.ip.magics_manager.magics
    ours = {
        f"{'%%' if kind == 'cell' else '%'}{name}"
        for kind, magics in registered.items()
        for name, magic in magics.items()
        if (getattr(magic, "__module__", "") or "").startswith("labkit.notebook.")
    }
    assert {spelling for entry in ENTRIES for spelling in entry.spellings} <= ours


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_section_has_summary_usage_every_option_examples_and_the_python_twin(entry):
    shown = section(entry)
    assert entry.summary in shown
    for action in entry.actions:
        assert all(f"`{option}" in shown for option in action.option_strings or [action.dest])
        assert action.help
    assert entry.example
    assert entry.example in shown
    assert "In Python:" in shown


@pytest.mark.parametrize("name", reference.TWINS)
def test_a_twin_says_what_it_does(name):
    assert name in {entry.name for entry in ENTRIES}
    assert all(inspect.getdoc(twin) for twin in reference.TWINS[name])


def test_every_public_method_that_a_magic_could_be_is_a_twin():
    without = {"delete", "boto3", "connection", "endpoint", "running", "messages", "reset", "names", "function"}
    without |= {"function_url", "traces"}
    twins = {twin.__name__ for twins in reference.TWINS.values() for twin in twins}
    known = {name for name, _ in inspect.getmembers(Lab, inspect.isfunction) if not name.startswith("_")}
    assert known - without - {"watch"} <= twins


def test_one_flag_has_one_spelling_and_one_meaning():
    """The same name in two magics takes a value in both, or in none."""
    seen = {}
    for entry in ENTRIES:
        for action in entry.actions:
            for option in action.option_strings:
                assert seen.setdefault(option, action.nargs == 0) == (action.nargs == 0), option
                assert option == option.lower()
                assert "_" not in option


@pytest.mark.process
def test_every_example_runs_in_one_notebook(shell, tmp_path):
    shell.run("import numpy as np\nX = np.ones((2, 3))")
    for name in ("hello", "predict", "resize", "settle", "report", "notify"):
        shell.run(f"%%function {name}\ndef handler(event, context):\n    return str(event)\n")
    ran, last = set(), []
    for name, example in reference.examples():
        if name == "undeploy" or "--delete" in example:
            last.append((name, example))
            continue
        shell.run(quicker(example))
        ran.add(name)
    for name, example in last:
        shell.run(example)
        ran.add(name)
    assert ran == {entry.name for entry in ENTRIES}


def quicker(example):
    """A load of a moment, and nothing drawn: what is tested is the spelling."""
    if example.startswith("%loadtest"):
        example = example.replace("--for 30s", "--for 0.2s")
    example = example.replace("-n 10", "-n 1").replace("--memory 128,512,1769", "--memory 128,512 -n 1")
    return f"shown = {example}" if example.startswith("%") and not example.startswith("%%") else example


def test_a_payload_is_no_option():
    arguments, rest = grammar.parse_with_payload(reference.LabMagics.invoke, "f @events:sqs --body x")
    assert (arguments.name, rest) == ("f", "@events:sqs --body x")
