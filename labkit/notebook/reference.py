"""The reference of all magics, as Markdown: made from their parsers and docstrings, so that it cannot be outdated."""

from __future__ import annotations

import inspect
from argparse import Action
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from labkit import events
from labkit.client import Lab
from labkit.notebook.magics import LabMagics
from labkit.notebook.operate import OperateMagics

CLASSES = (LabMagics, OperateMagics)
TWINS: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "function": (Lab.deploy,),
    "invoke": (Lab.invoke,),
    "coldstart": (Lab.coldstart,),
    "simulate": (Lab.simulate,),
    "loadtest": (Lab.loadtest,),
    "power": (Lab.power,),
    "functions": (Lab.functions,),
    "logs": (Lab.logs,),
    "trace": (Lab.trace,),
    "cost": (Lab.cost,),
    "alias": (Lab.alias, Lab.publish, Lab.aliases, Lab.versions, Lab.delete_alias),
    "undeploy": (Lab.delete,),
    "api": (Lab.api, Lab.apis),
    "trigger": (Lab.trigger,),
    "events": (events.sample,),
    "lab": (Lab.status, Lab.stop, Lab.restart, Lab.advance),
}
REST = {"invoke": "[PAYLOAD]", "trigger": "SOURCE"}  # of the line, which no parser sees
STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
EXAMPLE = "Example::"
INTRODUCTION = """\
# The magics of labkit

Begin a notebook with `%load_ext labkit`. Options come first; where a magic takes a payload, it is the untouched rest of
the line: JSON, a Python expression, `@file.json`, a sample event such as `@events:sqs`, or nothing, which is `{}`.
`%%NAME?` and `%NAME?` show the same as this page, which `labkit docs` makes from the magics themselves.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One magic: `spellings` are `%api` and `%%api`, `body` what its docstring says between summary and example."""

    name: str
    spellings: tuple[str, ...]
    summary: str
    body: str
    usage: str
    actions: tuple[Action, ...]
    example: str


def entries() -> list[Entry]:
    """All magics, in the order of their classes."""
    found: dict[str, dict[str, Any]] = {}
    for magics in CLASSES:
        registered: dict[str, dict[str, str]] = magics.magics
        for kind, percent in (("cell", "%%"), ("line", "%")):
            for name, method in registered[kind].items():
                known = found.setdefault(name, {"magic": getattr(magics, method), "spellings": []})
                known["spellings"].append(f"{percent}{name}")
    return [_entry(name, known["magic"], tuple(known["spellings"])) for name, known in found.items()]


def _entry(name: str, magic: Any, spellings: tuple[str, ...]) -> Entry:
    text, _, example = inspect.cleandoc(magic.parser.description).partition(EXAMPLE)
    summary, _, body = text.strip().partition("\n")
    # what IPython's own formatter makes begins with its mark of a literal block, and knows one per cent sign only
    usage = " ".join(magic.parser.format_usage().replace("::", "").split()).removeprefix(f"%{name}").strip()
    shown = " ".join(filter(None, (spellings[0], usage, REST.get(name))))
    actions = tuple(magic.parser._actions)
    return Entry(name, spellings, summary, body.strip(), shown, actions, inspect.cleandoc(example).strip())


def markdown() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_section(entry) for entry in entries()), _sample_events()])


def _section(entry: Entry) -> str:
    parts = [f"## {', '.join(f'`{spelling}`' for spelling in entry.spellings)}", entry.summary]
    parts.append(f"```text\n{entry.usage}\n```")
    parts += [entry.body] if entry.body else []
    if entry.actions:
        rows = [f"| {_option(action)} | {_cell(action.help or '')} |" for action in entry.actions]
        parts.append("\n".join(["| argument | meaning |", "|---|---|", *rows]))
    parts += [f"```python\n{entry.example}\n```"] if entry.example else []
    twins = [f"- `{_signature(twin)}`: {_first_line(twin)}" for twin in TWINS.get(entry.name, ())]
    parts += ["\n".join(["In Python:\n", *twins])] if twins else []
    return "\n\n".join(parts) + "\n"


def _option(action: Action) -> str:
    """`--memory MB`, or the name of what stands without a dash."""
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings) or f"`{action.metavar or action.dest}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _first_line(method: Callable[..., Any]) -> str:
    """The first sentences of a docstring, up to its first blank line."""
    return " ".join(inspect.cleandoc(method.__doc__ or "").partition("\n\n")[0].split())


def _signature(method: Callable[..., Any]) -> str:
    """`Lab.invoke(name, event=None, *, qualifier=None)`: names and defaults, without the types."""
    parts: list[str] = []
    named_only = False
    for parameter in list(inspect.signature(method).parameters.values()):
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named_only:
            named_only = True
            parts += [] if any(part.startswith("*") for part in parts) else ["*"]
        stars = STARS.get(str(parameter.kind.name), "")
        given = str(parameter.default) if isinstance(parameter.default, StrEnum) else parameter.default
        default = "" if given is parameter.empty else f"={given!r}"
        parts.append(f"{stars}{parameter.name}{default}")
    owner = "labkit.events.sample" if method is events.sample else method.__qualname__
    return f"{owner}({', '.join(parts)})"


def _sample_events() -> str:
    rows = [f"| `{_event(kind)}` | {_cell(events.summary(kind))} |" for kind in events.EVENTS]
    head = "## Sample events\n\n`%events NAME --option VALUE`, or in Python with these defaults:"
    return "\n".join([head, "", "| event | what it is |", "|---|---|", *rows, ""])


def _event(kind: str) -> str:
    chosen = ", ".join(f"{name}={each.default!r}" for name, each in events.parameters(kind).items())
    return f"labkit.events.{kind}({chosen})"


def examples() -> Iterator[tuple[str, str]]:
    """Each line of each example with its magic: a cell magic's lines together."""
    for entry in entries():
        if entry.example.startswith("%%"):
            yield entry.name, entry.example
        else:
            yield from ((entry.name, line) for line in entry.example.splitlines() if line.strip())
