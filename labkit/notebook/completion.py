"""Completion after labkit's magics: function names, options, actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

if TYPE_CHECKING:
    from labkit.notebook.magics import LabMagics

NAMED = ("invoke", "coldstart", "simulate", "loadtest", "power", "logs", "trigger")
_ALL = "|".join(("function", "functions", "lab", "api", *NAMED))
_LINE = re.compile(rf"(?:^|=\s*)%{{1,2}}({_ALL})\s+(.*)$")


def matcher(magics: LabMagics) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher for `ip.Completer.custom_matchers`."""

    @context_matcher()
    def labkit_matcher(context: CompletionContext) -> SimpleMatcherResult:
        found = candidates(magics, context.line_with_cursor[: context.cursor_position])
        completions = [SimpleCompletion(text=t, type="param" if t.startswith("-") else "function") for t in found]
        return SimpleMatcherResult(completions=completions, suppress=bool(completions), ordered=True)

    return labkit_matcher  # type: ignore[no-any-return]


def candidates(magics: LabMagics, line: str) -> list[str]:
    """What could stand at the end of this line."""
    match = _LINE.search(line.lstrip())
    if match is None:
        return []
    name, rest = match.groups()
    word = re.split(r"\s", rest)[-1]
    if word.startswith("-"):
        known = _options(getattr(magics, name))
    elif name in NAMED and (name == "coldstart" or " " not in rest.lstrip()):
        known = magics.names()
    elif name == "lab":
        known = _after_lab(rest.split()[:1] if " " in rest.lstrip() else [])
    else:
        known = []
    return [text for text in sorted(known) if text.startswith(word)]


def _after_lab(action: list[str]) -> list[str]:
    if not action:
        return ["status", "stop", "restart", "advance", "watch", "dashboard"]
    return {"advance": ["1m", "2m", "1h"], "watch": ["10s", "30s", "1m"]}.get(action[0], [])


def _options(magic: Any) -> list[str]:
    return [option for option in magic.parser._option_string_actions if option.startswith("--") or len(option) == 2]
