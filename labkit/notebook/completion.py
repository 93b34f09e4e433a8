"""Completion after labkit's magics: functions, options and their values, aliases, events, request ids, exercises.

Nothing is started and nothing waits: without a running emulator there are no names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from labkit import events
from labkit.billing import US_EAST_1
from labkit.client.api import KINDS
from labkit.errors import LabkitError
from labkit.load import PATTERNS
from labkit.notebook import grammar
from labkit.power import STRATEGIES

if TYPE_CHECKING:
    from labkit.notebook.lesson_magics import LessonMagics
    from labkit.notebook.magics import LabMagics

NAMED = (
    "invoke",
    "coldstart",
    "simulate",
    "loadtest",
    "power",
    "logs",
    "trigger",
    "trace",
    "cost",
    "alias",
    "undeploy",
)
SEVERAL = ("coldstart", "cost", "undeploy")  # take more than one function
OF_EXERCISES = ("check", "hint", "solution", "answer")
WITH_EVENT = ("invoke",)  # the payload comes after the function
VALUES = {"--pattern": PATTERNS, "--strategy": STRATEGIES, "--kind": KINDS, "--architecture": US_EAST_1.per_gb_s}
NEWEST = 20
_LINE = re.compile(r"(?:^|=\s*)(%{1,2})([a-z]\w*)\s+(.*)$")


def matcher(magics: LabMagics) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher for `ip.Completer.custom_matchers`."""

    @context_matcher()
    def labkit_matcher(context: CompletionContext) -> SimpleMatcherResult:
        word, found = completed(magics, context.line_with_cursor[: context.cursor_position])
        cut = len(word) - len(context.token) if word.endswith(context.token) else 0
        completions = [
            SimpleCompletion(text=text[cut:], type="param" if text.startswith("-") else "function") for text in found
        ]
        return SimpleMatcherResult(completions=completions, suppress=bool(completions), ordered=True)

    return labkit_matcher  # type: ignore[no-any-return]


def candidates(magics: LabMagics, line: str) -> list[str]:
    """What could stand at the end of this line."""
    return completed(magics, line)[1]


def completed(magics: LabMagics, line: str) -> tuple[str, list[str]]:
    """The word that is being written, and what it could become."""
    match = _LINE.search(line.lstrip())
    if match is None:
        return "", []
    percent, name, rest = match.groups()
    *before, word = re.split(r"\s+", rest)
    magic = _magic(magics, "cell" if len(percent) == 2 else "line", name)
    if magic is None:
        return word, []
    try:
        known = _known(magics, magic, name, before, word)
    except LabkitError:  # the emulator has just gone
        known = []
    return word, [text for text in known if text.startswith(word)]


def _magic(magics: LabMagics, kind: str, name: str) -> Any:
    """One of ours, with the parser that knows its options."""
    found = magics.shell.magics_manager.magics[kind].get(name)
    return found if (getattr(found, "__module__", "") or "").startswith("labkit.") else None


def _known(magics: LabMagics, magic: Any, name: str, before: list[str], word: str) -> list[str]:
    options: dict[str, Any] = magic.parser._option_string_actions
    sample = next((each for each in before if each.startswith(grammar.EVENTS)), None)
    if sample is not None:
        return _event_options(sample.removeprefix(grammar.EVENTS))
    if before and before[-1] in options and options[before[-1]].nargs != 0:
        return _values(magics, before, before[-1])
    named = _named(before, options)
    if word.startswith(grammar.EVENTS[:1]) and (name in WITH_EVENT and named):
        return [grammar.EVENTS + kind for kind in events.EVENTS]
    if word.startswith("-"):
        if name == "events" and named:
            return _event_options(named[0])
        return sorted(option for option in options if option.startswith("--") or len(option) == 2)
    if name in (*OF_EXERCISES, "predict"):
        return [] if named else _of_lesson(magic.__self__, name)
    return _words(magics, name, named)


def _of_lesson(magics: LessonMagics, name: str) -> list[str]:
    """The lesson's own order tells what comes next."""
    return magics.predictions() if name == "predict" else magics.exercises()


def _words(magics: LabMagics, name: str, named: list[str]) -> list[str]:
    """What may stand without a dash, after these."""
    if name in NAMED and (name in SEVERAL or not named):
        return sorted(magics.names()) + (magics.request_ids(NEWEST) if name == "trace" else [])
    if name == "alias":
        return magics.aliases(named[0]) if len(named) == 1 else magics.versions(named[0]) if len(named) == 2 else []
    if name == "events" and not named:
        return sorted(events.EVENTS)
    if name == "lab":
        return _after_lab(named)
    return []


def _named(before: list[str], options: dict[str, Any]) -> list[str]:
    """The words before that are neither options nor their values."""
    found, skip = [], False
    for word in before:
        if skip or not word:
            skip = False
        elif word in options:
            skip = options[word].nargs != 0
        elif not word.startswith("--"):
            found.append(word)
    return found


def _values(magics: LabMagics, before: list[str], option: str) -> list[str]:
    """What may stand after an option."""
    if option == "--qualifier":
        named = [word for word in before if not word.startswith("-")]
        return magics.aliases(named[0]) + magics.versions(named[0]) if named else []
    if option == "--payload":
        return [grammar.EVENTS + kind for kind in events.EVENTS]
    return sorted(VALUES.get(option, ()))


def _event_options(kind: str) -> list[str]:
    if kind not in events.EVENTS:
        return []
    return sorted("-n" if name == "n" else f"--{name.replace('_', '-')}" for name in events.parameters(kind))


def _after_lab(action: list[str]) -> list[str]:
    if not action:
        return ["advance", "dashboard", "restart", "status", "stop", "watch"]
    return {"advance": ["1h", "1m", "2m"], "watch": ["10s", "1m", "30s"]}.get(action[0], [])
