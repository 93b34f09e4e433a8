"""Rules that people forget. ARCHITECTURE.md says them in words."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import labkit
from labkit import errors
from labkit.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "labkit"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LINES, FUNCTION_LINES = 600, 60

STANDARD = set(sys.stdlib_module_names) | {"__future__"}
FREE = {"labkit", "labkit.model", "labkit.errors", "labkit.settings", "labkit.billing"}

SIMULATED = {
    "labkit.distributions",
    "labkit.life",
    "labkit.load",
    "labkit.loadtest",
    "labkit.power",
    "labkit.queueing",
    "labkit.simulate",
    "labkit.simulation",
}

LIVE = {"labkit.life", "labkit.loadtest", "labkit.power"}

# unit: what of labkit, and what of other people's packages, it may import
MAY = {
    "labkit": ({"labkit.client", "labkit.events", "labkit.notebook"}, set()),
    "model": (set(), set()),
    "errors": (set(), set()),
    "settings": ({"labkit.errors"}, set()),
    "confinement": (set(), set()),
    "neighbours": (set(), set()),
    "billing": ({"labkit.model"}, set()),
    "events": ({"labkit.errors", "labkit.events"}, set()),
    "actions": (set(), {"msgspec"}),
    "pools": (set(), {"msgspec"}),
    "scheduler": ({"labkit.model", "labkit.actions", "labkit.pools"}, {"msgspec"}),
    "conformance": (FREE | {"labkit.client", "labkit.conformance"}, {"boto3", "botocore", "urllib3"}),
    "distributions": ({"labkit.errors"}, set()),
    "life": (set(), set()),
    "load": ({"labkit.errors", "labkit.distributions"}, set()),
    "schedules": (set(), set()),
    "queueing": ({"labkit.errors", "labkit.distributions"}, set()),
    "simulation": ({"labkit.model", "labkit.billing"}, set()),
    "loadtest": ({"labkit.model", "labkit.billing", "labkit.simulation", "labkit.life"}, set()),
    "power": ({"labkit.billing", "labkit.errors", "labkit.distributions"}, set()),
    "simulate": (
        {"labkit.errors", "labkit.actions", "labkit.pools", "labkit.scheduler"}
        | {"labkit.distributions", "labkit.load", "labkit.simulation"},
        set(),
    ),
    "pytest_plugin": ({"labkit.client", "labkit.errors", "labkit.settings"}, {"boto3", "pytest"}),
    "doctor": (
        {"labkit", "labkit.confinement", "labkit.neighbours", "labkit.model", "labkit.errors", "labkit.settings"},
        {"psutil"},
    ),
    "show": ({"labkit.model", "labkit.billing", "labkit.simulation", "labkit.show"} | LIVE, {"matplotlib", "numpy"}),
    "client": (FREE | SIMULATED | {"labkit.client"}, {"boto3", "botocore", "urllib3", "pyflakes"}),
    "emulator": (
        FREE
        | {"labkit.scheduler", "labkit.actions", "labkit.schedules", "labkit.emulator"}
        | {"labkit.confinement", "labkit.neighbours"},
        {"botocore", "httpcore", "httptools", "msgspec", "psutil", "starlette", "uvloop"}
        | {"cryptography", "fastjsonschema", "jsonpath_ng"},  # API Gateway
    ),
    # a lab runs the functions of those who use moto inside of their own process
    "mockaws": (
        {"labkit.mockaws", "labkit.schedules", "labkit.client", "labkit.settings"},
        {"botocore", "jsonata", "moto", "requests", "werkzeug"},
    ),
    "numerics": ({"labkit.numerics"}, {"numpy", "scipy"}),
    "runtime": ({"labkit.runtime"}, {"awslambdaric", "runtime_client", "snapshot_restore_py"}),
    "lesson": (
        FREE | {"labkit.client", "labkit.show", "labkit.lesson"},
        {"nbclient", "nbformat", "jupytext", "jupyter_client", "psutil", "rich", "traitlets", "yaml"},
    ),
    "notebook": (
        FREE | SIMULATED | {"labkit.client", "labkit.events", "labkit.show", "labkit.lesson", "labkit.notebook"},
        {"IPython", "traitlets", "ipywidgets", "anywidget"},
    ),
    "explore": (
        SIMULATED | {"labkit.billing", "labkit.errors", "labkit.show", "labkit.explore"},
        {"IPython", "anywidget", "ipywidgets", "matplotlib", "numpy", "traitlets"},
    ),
    "cli": (None, {"rich"}),
}
ASYNCIO_HOMES = ("emulator",)


def unit_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "labkit" if path.stem == "__init__" else path.stem


def imports_of(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {m for m in submodules if (ROOT / (m.replace(".", "/") + ".py")).exists()}
            found |= known or {node.module}
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_table(path):
    ours, theirs = MAY[unit_of(path)]
    for name in imports_of(parsed(path)):
        if name.split(".")[0] == "labkit":
            assert ours is None or any(name == m or (name.startswith(f"{m}.") and m != "labkit") for m in ours), name
        elif name.split(".")[0] not in STANDARD:
            assert name.split(".")[0] in theirs, name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_asyncio_lives_in_the_emulator_only(path):
    if "asyncio" in imports_of(parsed(path)):
        assert unit_of(path) in ASYNCIO_HOMES


EMULATOR = sorted((PACKAGE / "emulator").rglob("*.py"))


@pytest.mark.parametrize("path", EMULATOR, ids=lambda p: p.name)
def test_the_emulator_has_no_locks(path):
    names = {
        node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(parsed(path))
    }
    assert not names & {"Lock", "RLock", "Semaphore", "Condition", "BoundedSemaphore"}


HOMES = {
    "starlette": {"pages"},
    "subprocess": {"sandbox"},
    "signal": {"sandbox", "server"},
    "psutil": {"proc", "server"},
    "sqlite3": {"store"},
    "httptools": {"connection", "runtime_api"},
    "httpcore": {"services", "forwarding"},
    "cryptography": {"jwt"},
    "jsonpath_ng": {"templates"},
    "fastjsonschema": {"validation"},
    "labkit.scheduler": {"dispatcher", "composition"},
    "labkit.actions": {"dispatcher"},
    "labkit.emulator.sandbox": {"environment", "environments", "run", "server", "template"},
}


@pytest.mark.parametrize(("module", "homes"), HOMES.items())
def test_inside_the_emulator_each_thing_has_its_home(module, homes):
    users = {p.stem for p in EMULATOR if any(n == module or n.startswith(f"{module}.") for n in imports_of(parsed(p)))}
    assert users <= homes


@pytest.mark.parametrize("name", ["scheduler", "pools", "actions"])
def test_the_scheduler_does_no_io_and_reads_no_clock(name):
    assert imports_of(parsed(PACKAGE / f"{name}.py")) <= {
        "__future__",
        "collections",
        "collections.abc",
        "labkit.actions",
        "labkit.model",
        "labkit.pools",
        "msgspec",
    }


@pytest.mark.parametrize(
    "name", ["distributions", "life", "load", "queueing", "simulation", "simulate", "loadtest", "power"]
)
def test_a_simulation_does_no_io_and_reads_no_clock(name):
    doing = {"asyncio", "datetime", "io", "os", "pathlib", "socket", "subprocess", "sys", "threading", "time"}
    assert not imports_of(parsed(PACKAGE / f"{name}.py")) & doing


@pytest.mark.parametrize("path", FILES + TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_too_long(path):
    assert len(path.read_text("utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_function_is_too_long(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not holds_functions(node):
            assert node.end_lineno - node.lineno < FUNCTION_LINES, node.name


def holds_functions(node: ast.AST) -> bool:
    """A function that only encloses others is measured by them."""
    return any(
        isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in ast.walk(node) if child is not node
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(parsed(path))


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "core", "base", "manager"])
def test_no_folder_or_file_is_named_after_nothing(name):
    assert not [p for p in PACKAGE.rglob("*") if p.stem == name]


def test_only_settings_reads_labkits_variables():
    # the runtime's interface is its process's variables; the command line hands them on to children
    readers = {unit_of(p) for p in FILES if re.search(r"environ(\.get\(|\[)\s*[\"']LABKIT_", p.read_text("utf-8"))}
    assert readers == set()


def test_every_setting_is_in_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    documented = set(re.findall(r"`(LABKIT_[A-Z_]+)`", readme))
    assert documented == {f"LABKIT_{field.name.upper()}" for field in fields(Settings)}


ERROR_CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.LabkitError)]


@pytest.mark.parametrize("cls", ERROR_CLASSES, ids=lambda c: c.__name__)
def test_every_error_says_what_to_try(cls):
    assert cls is errors.ServiceError or len(cls.__dict__.get("hint", cls.hint)) > 10


@pytest.mark.parametrize("cls", ERROR_CLASSES, ids=lambda c: c.__name__)
def test_every_error_is_in_the_drawing_of_the_tree(cls):
    assert re.search(rf"\b{cls.__name__}\b", errors.__doc__)


def test_errors_of_the_api_have_a_code_and_a_status():
    service = [c for c in ERROR_CLASSES if issubclass(c, errors.ServiceError)]
    assert len(service) > 10
    unusual = {"RequestExpired", "XAmzContentSHA256Mismatch"}  # AWS's own names, in the API references
    assert all(c.code.endswith("Exception") or c.code in unusual for c in service)
    assert all(400 <= c.status < 600 for c in service)


def test_every_module_can_be_imported_alone():
    for module in pkgutil.walk_packages(labkit.__path__, "labkit."):
        if not module.name.startswith(("labkit.runtime.", "labkit.emulator.__main__", "labkit.mockaws.__main__")):
            importlib.import_module(module.name)


def test_every_dependency_has_a_reason():
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    start = lines.index("dependencies = [")
    end = next(i for i, line in enumerate(lines) if line.startswith("[project.scripts]"))
    named = [line for line in lines[start:end] if re.match(r'\s+"', line)]
    assert len(named) > 20
    assert [line for line in named if "#" not in line] == []


def test_the_top_level_stays_as_it_is():
    names = {p.name for p in ROOT.iterdir() if not p.name.startswith(".") and p.name != "__pycache__"}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "labkit", "lessons", "tests", "binder", "dist", "build"}
    assert names <= allowed


def test_every_test_file_mirrors_a_module_or_says_why_not():
    free = {
        "test_asynchronous",
        "test_iam_enforced",
        "test_architecture",
        "test_binder",
        "test_signed",
        "test_signing_again",
        "test_state",
        "test_house",
        "test_pipeline",
        "test_processes",
        "test_random_walk",
        "test_notebooks",
        "test_outcomes",
        "test_life",
        "test_errors_table",
        "test_responses",
        "test_scale",
        "test_front_door",
        "test_workers",
        "test_frontends",
        "test_hub",
        "test_powertools",
    }
    stems = {p.stem for p in FILES} | {p.parent.name for p in FILES}
    for path in TESTS:
        if path.stem.startswith("test_") and path.parent.name not in {"bench", "browser", "lessons"}:
            name = path.stem.removeprefix("test_")
            assert path.stem in free or name in stems or name in {"contract", "extension", "boto3"}, path
