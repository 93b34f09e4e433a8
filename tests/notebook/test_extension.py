"""Loading, unloading, help and completion."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labkit.notebook.completion import candidates

MAGICS = {
    "line": ["invoke", "coldstart", "simulate", "loadtest", "power", "functions", "logs", "lab"],
    "cell": ["function"],
}
HEAVY = ["sklearn", "scipy", "moto", "boto3", "botocore", "ipywidgets", "matplotlib", "numpy", "requests"]


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_labkit_loads_nothing_else():
    added = modules_after("import labkit") - modules_after("import typing, importlib")
    assert added == {"labkit"}


def test_loading_the_extension_loads_nothing_heavy():
    loaded = modules_after(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'labkit')"
    )
    assert not loaded.intersection(HEAVY)
    assert not {name for name in loaded if name.startswith(("labkit.emulator", "labkit.mockaws"))}


def test_loading_twice_is_harmless(empty_shell):
    empty_shell.ip.extension_manager.loaded.discard("labkit")
    empty_shell.ip.run_line_magic("load_ext", "labkit")
    assert len(empty_shell.ip.Completer.custom_matchers) == 1


def test_unloading_leaves_nothing_behind_and_loading_again_works(empty_shell):
    ip = empty_shell.ip
    formatters = set(ip.display_formatter.formatters)
    ip.run_line_magic("unload_ext", "labkit")
    assert not [n for kind, names in MAGICS.items() for n in names if n in ip.magics_manager.magics[kind]]
    assert ip.Completer.custom_matchers == []
    assert "application/vnd.labkit.v1+json" not in ip.display_formatter.formatters
    ip.run_line_magic("load_ext", "labkit")
    assert set(ip.display_formatter.formatters) == formatters


@pytest.mark.process
def test_unloading_ends_the_labs_processes(empty_shell):
    import psutil

    empty_shell.run("%%function f\ndef handler(event, context): return 1")
    emulator = psutil.Process(empty_shell.run("%lab").value["pid"])
    empty_shell.ip.run_line_magic("unload_ext", "labkit")
    assert not emulator.is_running()
    empty_shell.ip.run_line_magic("load_ext", "labkit")


@pytest.mark.parametrize("kind", list(MAGICS))
def test_help_shows_every_option_and_an_example(empty_shell, kind):
    for name in MAGICS[kind]:
        magic = empty_shell.ip.find_magic(name, magic_kind=kind)
        for option in magic.parser._option_string_actions:
            assert option in magic.__doc__
        if magic.parser._actions:
            assert magic.__doc__.strip()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%invoke pre", ["predict"]),
        ("r = %invoke pre", ["predict"]),
        ("%coldstart predict tr", ["train"]),
        ("%simulate pre", ["predict"]),
        ("%simulate predict --ra", ["--rate"]),
        ("%loadtest pre", ["predict"]),
        ("result = %loadtest predict --pay", ["--payload"]),
        ("%power pre", ["predict"]),
        ("%power predict --st", ["--strategy"]),
        ("%logs ", ["predict", "train"]),
        ("%invoke predict {", []),
        ("%%function new --me", ["--memory"]),
        ("%invoke --ch", ["--check"]),
        ("%lab st", ["status", "stop"]),
        ("%lab a", ["advance"]),
        ("%lab advance ", ["1h", "1m", "2m"]),
        ("%lab stop ", []),
        ("print('%invoke pre", []),
    ],
)
def test_completion_knows_names_options_and_actions(empty_shell, line, expected):
    magics = empty_shell.ip._labkit[0][0]
    magics.names = lambda: ["predict", "train"]
    assert candidates(magics, line) == expected


def test_the_completer_of_the_shell_offers_names(empty_shell):
    from IPython.core.completer import provisionalcompleter

    empty_shell.ip._labkit[0][0].names = lambda: ["predict"]
    with provisionalcompleter():
        texts = [c.text for c in empty_shell.ip.Completer.completions("r = %invoke pre", 15)]
    assert "predict" in texts


def test_completion_starts_no_emulator(empty_shell):
    assert candidates(empty_shell.ip._labkit[0][0], "%invoke ") == []
    assert empty_shell.ip._labkit[0][0]._lab is None
