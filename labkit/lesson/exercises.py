"""Exercises and their checks: what a lesson's author writes, in `checks.py` beside `source.md`. The author's guide.

A check is a function whose *parameters are names of the notebook*: what stands there when the student says
`%check slope`. It returns if all is well; otherwise it says what is wrong, as a *diagnosis* (a short name, for hints
and proofs) and a message (for the student: what was found, what was expected, what to try). All of `checks.py`::

    import numpy as np
    from labkit.lesson.exercises import Exercises, names_used, reject, require

    exercises = Exercises()

    @exercises.property(
        "slope",
        wrong={
            "slope = (x @ y) / (y @ y)": "not-orthogonal",
            "slope = np.array([x @ y / (x @ x)])": "not-a-number",
        },
        hints={"not-orthogonal": ["Which sum stands below the line?", "It is x·x: set the derivative by b to 0."]},
    )
    def check_slope(slope, x, y):
        if np.ndim(slope):
            reject("not-a-number", f"`slope` has shape {np.shape(slope)}; one number is wanted. Try float(...).")
        left = abs(x @ (y - slope * x)) / (np.linalg.norm(x) * np.linalg.norm(y))
        require(left < 1e-9, "not-orthogonal", f"x·residuals is {left:.1g} of what it can be, and not 0.")

    @exercises.differential(
        "fit",
        wrong={
            "def fit(x, y): return np.polyfit(y, x, 1)": "differs",
            "def fit(x, y): return np.polyfit(x, y, 1)[::-1]": "order",
        },
        hints={"order": ["Which of the two numbers is the slope?"]},
    )
    def check_fit(fit):
        for seed in range(50):
            rng = np.random.default_rng(seed)
            x, y = rng.normal(size=(2, 9))
            mine, reference = np.asarray(fit(x, y)), np.polyfit(x, y, 1)
            require(not np.allclose(mine, reference[::-1]), "order", "(slope, intercept) is wanted, in this order.")
            require(np.allclose(mine, reference), "differs", f"seed {seed}: found {mine}, expected {reference}.")

    @exercises.source("own-fit", wrong={...}, hints={...})
    def check_own_fit(fit):
        banned = [name for name in names_used(fit) if name.startswith(("sklearn", "numpy.polyfit"))]
        require(not banned, "library", f"`fit` calls {banned[:1]}; derive it yourself.")

    @exercises.behaviour("rubbish", wrong={"%%function predict\\ndef handler(event, context): ...": "...", ...})
    def check_rubbish(predict):                     # the deployed function: predict.invoke(...) is a real call
        outcome = predict.invoke({"x": "high"})
        require(outcome.ok, "raises", "A word as x makes the handler fail; answer with status 400 instead.")

    exercises.answer(
        "q2", decimals=3,                           # the right one is in source.md: %answer q2 0.437  # SOLUTION
        wrong={"0.191": "That is the variance; its root is asked.", "43.7": "A share, not per cent."},
    )
    exercises.explain("why", words=8)               # one sentence by `%answer why ...`; not judged, only read again

**What you get for nothing.** A name that is missing, `...`, None, or a function with a blank or an empty body is "not
done yet", not wrong; a student's code that raises is rejected with the error and its line; a function that forgets its
`return` is told so. A wrong answer is what a student would put into the exercise's cell (a magic is a magic there), and
it names the diagnosis that must answer it. Hints are read by `%hint`, one more each time; the key `start` is for those
who have not tried yet. `labkit build --prove` shows for every exercise that the solution passes, that the blank is
"not done yet", and that each wrong answer is rejected with its own diagnosis and message.

**Rules.** At least two wrong answers for each, with different diagnoses. No milliseconds. Seeds, no chance. Do not
change what you are given. `wrong` answers of `answer` are values, with their messages.
"""

from __future__ import annotations

import ast
import dis
import importlib.util
import inspect
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, NoReturn

from labkit.errors import LessonUnreadable
from labkit.lesson import answers

CODE_KINDS = ("property", "differential", "behaviour", "source")
START = "start"
_PLATFORM_LINE = re.compile(r"(?:START|END|REPORT|INIT_START|INIT_REPORT|LAMBDA_WARNING)\b|\s*$")
FEWEST_WRONG = 2
NOT_DONE_YET = "not done yet"

Check = Callable[..., object]
Hints = Mapping[str, Sequence[str]]


class Result(StrEnum):
    PASSED = "passed"
    NOT_DONE = NOT_DONE_YET
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says. `diagnosis` is the mistake's short name, empty unless rejected."""

    exercise: str
    result: Result
    message: str
    diagnosis: str = ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise. `wrong` maps typical wrong answers to their diagnosis; for an answer, to their message."""

    id: str
    kind: str
    check: Check | None = None
    needs: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    hints: Hints = field(default_factory=dict)
    decimals: int | None = None
    words: int = 0


class Rejected(Exception):
    """Raised by `reject`: this answer is wrong, and it is known how."""

    def __init__(self, diagnosis: str, message: str) -> None:
        super().__init__(message)
        self.diagnosis = diagnosis


def reject(diagnosis: str, message: str) -> NoReturn:
    """Ends a check: the answer is wrong in this way."""
    raise Rejected(diagnosis, message)


def require(condition: object, diagnosis: str, message: str) -> None:
    """Rejects unless the condition holds."""
    if not condition:
        raise Rejected(diagnosis, message)


class Exercises:
    """The exercises of one lesson, in the order of their declaration."""

    def __init__(self) -> None:
        self._known: dict[str, Exercise] = {}

    def property(self, id: str, *, wrong: Mapping[str, str], hints: Hints | None = None) -> Callable[[Check], Check]:  # noqa: A002
        """What must hold of any right answer: an optimality condition, an identity, a finite difference."""
        return self._code("property", id, wrong, hints)

    def differential(
        self,
        id: str,  # noqa: A002
        *,
        wrong: Mapping[str, str],
        hints: Hints | None = None,
    ) -> Callable[[Check], Check]:
        """The student's function against a reference, on seeded random input."""
        return self._code("differential", id, wrong, hints)

    def behaviour(self, id: str, *, wrong: Mapping[str, str], hints: Hints | None = None) -> Callable[[Check], Check]:  # noqa: A002
        """What a deployed function does when it is really called."""
        return self._code("behaviour", id, wrong, hints)

    def source(self, id: str, *, wrong: Mapping[str, str], hints: Hints | None = None) -> Callable[[Check], Check]:  # noqa: A002
        """How a function is written; see `names_used`."""
        return self._code("source", id, wrong, hints)

    def hidden(self, id: str) -> Callable[[Check], Check]:  # noqa: A002
        """What only `labkit grade` looks at, declared in a file of the teacher's; it needs no list of wrong answers."""
        return self._code("hidden", id, {}, None)

    def answer(
        self,
        id: str,  # noqa: A002
        *,
        wrong: Mapping[str, str],
        decimals: int | None = None,
        hints: Hints | None = None,
    ) -> None:
        """A number with so many digits after the point, or a text: `%answer ID VALUE`."""
        self._add(Exercise(id, "answer", wrong=dict(wrong), hints=hints or {}, decimals=decimals))

    def explain(self, id: str, *, words: int = 8, hints: Hints | None = None) -> None:  # noqa: A002
        """One sentence of so many words at least; then `%solution ID` shows another one to compare it with."""
        self._add(Exercise(id, "explain", hints=hints or {}, words=words))

    def as_mapping(self) -> Mapping[str, Exercise]:
        return MappingProxyType(self._known)

    def _code(self, kind: str, name: str, wrong: Mapping[str, str], hints: Hints | None) -> Callable[[Check], Check]:
        def declare(check: Check) -> Check:
            needs = tuple(inspect.signature(check).parameters)
            self._add(Exercise(name, kind, check, needs, dict(wrong), hints or {}))
            return check

        return declare

    def _add(self, exercise: Exercise) -> None:
        if exercise.id in self._known:
            raise LessonUnreadable(f"Exercise {exercise.id} is declared twice.")
        if exercise.kind not in ("explain", "hidden") and len(set(exercise.wrong.values())) < FEWEST_WRONG:
            raise LessonUnreadable(
                f"Exercise {exercise.id} lists {len(exercise.wrong)} typical wrong answers; at least two are wanted, "
                "with different diagnoses."
            )
        self._known[exercise.id] = exercise


def declared(path: Path) -> Mapping[str, Exercise]:
    """The exercises of a `checks.py`. Raises LessonUnreadable if it cannot be imported or declares none."""
    spec = importlib.util.spec_from_file_location(f"labkit_checks_{path.resolve().parent.name}", path)
    if spec is None or spec.loader is None:
        raise LessonUnreadable(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ in a student's folder
    try:
        spec.loader.exec_module(module)
    except LessonUnreadable as problem:
        raise LessonUnreadable(f"{path}: {problem.message}") from None
    except Exception as problem:
        raise LessonUnreadable(f"{path} raises {type(problem).__name__}: {problem}") from problem
    finally:
        sys.dont_write_bytecode = writes
    found = getattr(module, "exercises", None)
    if not isinstance(found, Exercises):
        raise LessonUnreadable(f"{path} declares no `exercises = Exercises()`.")
    return found.as_mapping()


# --- judging ------------------------------------------------------------------------------------------------


def judge(exercise: Exercise, names: Mapping[str, Any]) -> Verdict:
    """Checks what stands in a notebook. Never raises: whatever a student's code does is a verdict."""
    missing = [name for name in exercise.needs if _is_blank(names.get(name))]
    if missing or exercise.check is None:
        what = f"`{missing[0]}` is not there yet" if missing else f"answer it with %answer {exercise.id}"
        return Verdict(exercise.id, Result.NOT_DONE, f"{what}: fill in the cell of `{exercise.id}` and run it.")
    watched = {name: _watched(names[name]) for name in exercise.needs}
    try:
        exercise.check(**{name: w.value for name, w in watched.items()})
    except Rejected as problem:
        diagnosis, message = problem.diagnosis, str(problem)
    except Exception as problem:
        diagnosis, message = "raises", _raised(problem)
    else:
        return Verdict(exercise.id, Result.PASSED, "All that was asked holds.")
    # only after a failure: a right answer may well hold `...`, as an index for instance
    for name, watch in watched.items():
        if watch.blank():
            return Verdict(exercise.id, Result.NOT_DONE, f"`{name}` still has a blank (`...`) in it: fill it in.")
        if watch.returned_nothing:
            message = f"`{name}` returns nothing (None): does each way through it end in a `return`?"
            return Verdict(exercise.id, Result.REJECTED, message, "returns-nothing")
    return Verdict(exercise.id, Result.REJECTED, message, diagnosis)


def judge_answer(exercise: Exercise, text: str, key: answers.Key, salt: str) -> Verdict:
    """Judges a value that `%answer` got; `key` and `salt` are the lesson's."""
    said = text.strip()
    if said in ("", "..."):
        ask = f"write your answer in the place of the dots: %answer {exercise.id} …"
        return Verdict(exercise.id, Result.NOT_DONE, ask)
    how = answers.accepts(key, said, salt)
    if how == "right":
        return Verdict(exercise.id, Result.PASSED, f"{said} is right.")
    if how == "near":
        return Verdict(exercise.id, Result.PASSED, f"{said} is right, up to the last digit: look at your rounding.")
    if how == "no number":
        message = f"{said} is no number; a number is wanted, such as 0.5."
        return Verdict(exercise.id, Result.REJECTED, message, "no-number")
    for value, message in exercise.wrong.items():
        if answers.accepts(answers.key(value, salt, decimals=key.decimals), said, salt) == "right":
            return Verdict(exercise.id, Result.REJECTED, message, value)
    return Verdict(exercise.id, Result.REJECTED, f"{said} is not it.", "wrong")


def judge_sentence(exercise: Exercise, text: str) -> Verdict:
    """Judges only that a sentence was tried."""
    said = text.strip().strip("\"'")
    if said in ("", "..."):
        return Verdict(exercise.id, Result.NOT_DONE, f"write one sentence: %answer {exercise.id} …")
    if len(said.split()) < exercise.words and len(said) < 2 * exercise.words:  # Chinese has no spaces
        message = "One full sentence is wanted: say why, not only what."
        return Verdict(exercise.id, Result.REJECTED, message, "too-short")
    return Verdict(exercise.id, Result.PASSED, f"Kept. Compare it with another: %solution {exercise.id}")


def names_used(function: Callable[..., Any]) -> set[str]:
    """The dotted names that a function's source uses, with their modules' real names: {"numpy.linalg.solve", "len"}.

    What it calls by another name is resolved by its globals; what those functions use in turn is not looked at.
    """
    plain = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    own = _own_names(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute | ast.Name):
            dotted = ast.unparse(node)
            found.add(dotted if dotted.partition(".")[0] in own else _real_name(dotted, plain))
    return found


def _own_names(tree: ast.AST) -> set[str]:
    """What is bound inside: an argument or a variable is nothing of the notebook's, whatever that calls by its name."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    shared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return (bound - shared) | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _real_name(dotted: str, function: Callable[..., Any]) -> str:
    first, dot, rest = dotted.partition(".")
    value = getattr(function, "__globals__", {}).get(first)
    if isinstance(value, ModuleType):
        return f"{value.__name__}{dot}{rest}"
    home = getattr(value, "__module__", None)
    return f"{home}.{getattr(value, '__name__', first)}{dot}{rest}" if home not in (None, "__main__") else dotted


def _raised(problem: Exception) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    where = f" (line {frames[-1].lineno}: {frames[-1].line})" if len(frames) > 1 and frames[-1].line else ""
    return f"With this, the check ends in {type(problem).__name__}: {problem}{where}."


# --- what is a blank ----------------------------------------------------------------------------------------


def _is_blank(value: object) -> bool:
    if value is None or value is ...:
        return True
    if isinstance(value, list | tuple):
        return any(v is ... for v in value)
    return isinstance(value, dict) and any(v is ... for v in value.values())


def _has_blank(code: Any) -> bool:
    """Whether a function's code mentions `...`, or does nothing at all."""
    if any(const is ... or (hasattr(const, "co_code") and _has_blank(const)) for const in code.co_consts):
        return True
    nothing = {"RESUME", "NOP", "RETURN_VALUE", "CACHE", "COPY_FREE_VARS"}
    steps = [step for step in dis.get_instructions(code) if step.opname not in nothing]
    return all(step.opname in ("LOAD_CONST", "RETURN_CONST") and step.argval is None for step in steps)


class _Plain:
    """A value as it is."""

    returned_nothing = False

    def __init__(self, value: Any) -> None:
        self.value = value

    def blank(self) -> bool:
        return False


class _Function(_Plain):
    """A student's function; notes that it returned None."""

    def __init__(self, function: FunctionType) -> None:
        @wraps(function)
        def called(*positional: Any, **named: Any) -> Any:
            result = function(*positional, **named)
            self.returned_nothing |= result is None
            return result

        super().__init__(called)
        self._function = function

    def blank(self) -> bool:
        return _has_blank(self._function.__code__)


class _Deployed(_Plain):
    """A deployed function; notes what its calls gave."""

    def __init__(self, deployed: Any) -> None:
        super().__init__(self)
        self._deployed = deployed
        self._outcomes: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployed, name)

    def invoke(self, event: object = None, **options: Any) -> Any:
        outcome = self._deployed.invoke(event, **options)
        self._outcomes.append(outcome)
        return outcome

    def blank(self) -> bool:
        return bool(self._outcomes) and all(_says_nothing(outcome) for outcome in self._outcomes)


def _says_nothing(outcome: Any) -> bool:
    error = getattr(outcome, "error", None)
    if error is None:
        printed = [line for line in outcome.log_tail.splitlines() if not _PLATFORM_LINE.match(line)]
        return outcome.payload is None and not printed  # who prints the answer has done something
    return "ellipsis" in str(error.message)  # `return ...` is no JSON, and `...[0]` no list


def _watched(value: Any) -> _Plain:
    if isinstance(value, FunctionType):
        return _Function(value)
    return _Deployed(value) if hasattr(value, "invoke") and hasattr(value, "function_url") else _Plain(value)
