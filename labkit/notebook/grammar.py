"""One grammar for all magics: options first, the payload is the untouched rest of the line.

argparse's splitter tears JSON at its spaces, and `$` in a payload is no shell variable: so the payload never passes
through either. Every misspelt, repeated or incomplete option is refused, with the near miss named.
"""

from __future__ import annotations

import json
import re
import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from labkit.errors import BadMagicLine, PayloadUnreadable, nearest

_TOKEN = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
EVENTS = "@events:"
REPEATABLE = frozenset(("--env", "--include", "--layer", "--weight"))


def parse(magic: Callable[..., Any], line: str) -> Namespace:
    """The arguments of a magic that has no payload. Raises BadMagicLine."""
    return _parsed(magic, _words(line))


def parse_with_payload(magic: Callable[..., Any], line: str) -> tuple[Namespace, str]:
    """Options and the one name in front, then the rest of the line as it is. Raises BadMagicLine.

    >>> parse_with_payload(invoke, 'predict --check {"x": [1, 2]}')
    (Namespace(name='predict', check=True, ...), '{"x": [1, 2]}')
    """
    actions = _parser(magic)._option_string_actions
    words: list[str] = []
    at, named = 0, False
    while match := _TOKEN.search(line, at):
        word = match.group()
        if _OPTION.fullmatch(word.partition("=")[0]):
            words.append(word)
            action = actions.get(word)
            if action is not None and action.nargs != 0 and (value := _TOKEN.search(line, match.end())):
                words.append(value.group())
                match = value
        elif named:
            break
        else:
            words.append(word)
            named = True
        at = match.end()
    return _parsed(magic, _words(" ".join(words))), line[at:].strip()


def parse_before_payload(magic: Callable[..., Any], line: str) -> tuple[Namespace, str]:
    """The arguments before `--payload`, and what follows it, as it is (quotes around the whole are dropped).

    Raises BadMagicLine.
    """
    before, found, rest = line.partition("--payload")
    rest = rest.removeprefix("=").strip()
    if found and not rest:
        raise BadMagicLine("--payload: expected an event.", hint='For example --payload {"x": 1}, last in the line.')
    if len(rest) > 1 and rest[0] == rest[-1] == "'":
        rest = rest[1:-1]
    return _parsed(magic, _words(before)), rest


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadMagicLine(f"This line cannot be read: {error}.") from None


def _parser(magic: Callable[..., Any]) -> MagicArgumentParser:
    parser: MagicArgumentParser = magic.parser  # type: ignore[attr-defined]
    parser.allow_abbrev = False
    return parser


def _parsed(magic: Callable[..., Any], words: list[str]) -> Namespace:
    parser = _parser(magic)
    _check_options(words, parser._option_string_actions, parser.prog)
    try:
        arguments: Namespace = parser.parse_args(words)
    except UsageError as error:
        raise BadMagicLine(f"{parser.prog}: {error}.") from None
    return arguments


def _check_options(words: list[str], known: Mapping[str, Any], magic: str) -> None:
    options = [word.partition("=")[0] for word in words if _OPTION.fullmatch(word.partition("=")[0])]
    for option, count in Counter(options).items():
        if option not in known:
            near = nearest(option, known)
            hint = f"Did you mean {near}?" if near else f"It knows: {', '.join(sorted(known)) or 'no options'}."
            raise BadMagicLine(f"{magic} has no option {option}.", hint=hint)
        if count > 1 and option not in REPEATABLE:
            raise BadMagicLine(f"{option} stands {count} times in this line.", hint="Give it once.")


def payload(text: str, namespace: Mapping[str, Any], folder: Path) -> object:
    """The event that a payload means: `@file.json`, JSON, a Python expression, or nothing, which is `{}`.

    `@events:sqs --body hello` is a sample event, as `%events` makes it. Raises PayloadUnreadable, BadEvent.
    """
    if not text:
        return {}
    if text.startswith(EVENTS):
        from labkit.notebook.operate import sample_event  # it stands on this module

        return sample_event(text.removeprefix(EVENTS), namespace, folder)
    if text.startswith("@"):
        return _from_file(text[1:].strip(), folder)
    try:
        return json.loads(text)
    except ValueError as error:
        return _evaluated(text, namespace, not_json=error)


def _from_file(name: str, folder: Path) -> object:
    path = folder / name
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        near = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else None
        hint = f"Did you mean @{near}?" if near else "Give a path relative to the notebook."
        raise PayloadUnreadable(f"@{name}: {error.strerror}.", hint=hint) from None
    except ValueError as error:
        raise PayloadUnreadable(f"@{name} is not JSON: {error}.", hint="Correct the file.") from None


def _evaluated(text: str, namespace: Mapping[str, Any], *, not_json: ValueError) -> object:
    try:
        code = compile(text, "<payload>", "eval")
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PayloadUnreadable(
            f"The payload is neither JSON ({not_json}) nor a Python expression ({reason}): {text[:80]}"
        ) from None
    try:
        return eval(code, dict(namespace))
    except NameError as error:
        near = nearest(str(error.name), namespace) if error.name else None
        hint = f"Did you mean {near}?" if near else None
        raise PayloadUnreadable(
            f"The payload uses `{error.name}`, which this notebook does not know.", hint=hint
        ) from None
    except Exception as error:
        raise PayloadUnreadable(f"The payload raised {type(error).__name__}: {error}.") from None


def variables(pairs: list[str]) -> dict[str, str]:
    """`K=V` options as a mapping. Raises BadMagicLine."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadMagicLine(f"--env {pair}: expected NAME=VALUE.", hint="For example --env THRESHOLD=0.5")
        if name in found:
            raise BadMagicLine(f"--env {name} stands twice in this line.", hint="Give it once.")
        found[name] = value
    return found


def numbers(text: str, option: str) -> list[int]:
    """`128,512` as whole numbers. Raises BadMagicLine."""
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise BadMagicLine(
            f"{option} {text}: expected whole numbers with commas.", hint=f"For example {option} 128,512"
        ) from None


def shares(pairs: list[str]) -> dict[str, float]:
    """`VERSION=SHARE` options as a mapping. Raises BadMagicLine."""
    found: dict[str, float] = {}
    for pair in pairs:
        version, _, share = pair.partition("=")
        try:
            found[version] = float(share)
        except ValueError:
            raise BadMagicLine(f"--weight {pair}: expected VERSION=SHARE.", hint="For example --weight 3=0.1") from None
    return found
