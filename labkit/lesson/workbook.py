"""One lesson as a student works through it: what `%predict %check %answer %hint %solution %recap %progress` do.

Every method returns `Said`: a text for the student, the same for the same history, and facts for programs. A wrong or
missing answer is a result like any other; only a name that the lesson does not have is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

from labkit.errors import LessonUnreadable, UnknownExercise
from labkit.lesson import answers
from labkit.lesson.course import Lesson, course, lesson_in, standings, suggestion
from labkit.lesson.exercises import START, Exercise, Result, Verdict, declared, judge, judge_answer, judge_sentence
from labkit.lesson.progress import Attempt, Hint, Prediction, Progress, Recalled
from labkit.lesson.recap import draw
from labkit.show import words
from labkit.show.data import MIME

CHECKS = "checks.py"
HONEST_ATTEMPTS = 2
SAID = ("answer", "explain")
BLANK = ("", "...")


@dataclass(frozen=True)
class Said:
    """What a student reads, and the same for programs."""

    text: str
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/plain": self.text, MIME: dict(self.facts)} if self.facts else {"text/plain": self.text}


class Workbook:
    """The lesson in a folder, and one student's progress.

    >>> book = Workbook(Path("lessons/02-least-squares"), Progress(Path("progress.sqlite3")))
    >>> book.check("slope", {"slope": 1.2, "x": x, "y": y})
    slope: rejected. x·residuals is 0.3 of what it can be; at the best slope it is 0.
    """

    def __init__(self, folder: Path, progress: Progress, *, solutions: str = "attempts") -> None:
        self.folder, self.progress_file, self._solutions = folder, progress, solutions
        self._told_trouble = False
        self._checks: tuple[float, Mapping[str, Exercise]] | None = None

    @property
    def lesson(self) -> Lesson:
        return lesson_in(self.folder)

    @property
    def exercises(self) -> Mapping[str, Exercise]:
        """As `checks.py` declares them; read again when the file changes. Raises LessonUnreadable."""
        path = self.folder / CHECKS
        if not path.is_file():
            raise LessonUnreadable(
                f"There are no exercises in {self.folder}: it has no {CHECKS}.",
                hint="Open the lesson's notebook in its own folder.",
            )
        at = path.stat().st_mtime
        if self._checks is None or self._checks[0] != at:
            self._checks = (at, declared(path))
        return self._checks[1]

    # --- predictions ------------------------------------------------------------------------------------------

    def predict(self, name: str, value: str) -> Said:
        """Keeps a number or a word before it is computed."""
        said = value.strip()
        if said in BLANK:
            text = f"{name}: not predicted yet. Write your guess in the place of the dots: %predict {name} …"
            return self._said(text, kind="prediction", name=name, result=Result.NOT_DONE)
        earlier = [p for p in self.progress_file.predictions(self._id()) if p.name == name]
        late = any(p.actual is not None for p in earlier)
        self.progress_file.add(Prediction(self._id(), name, said, None, late, self.progress_file.now()))
        note = " You have seen the answer before, so this one does not count." if late else ""
        return self._said(f"{name}: you predict {said}.{note}", kind="prediction", name=name, result="kept")

    def open_predictions(self) -> list[str]:
        """The names of those that wait for what comes, the last one first."""
        made = self.progress_file.predictions(self._id())
        return list(dict.fromkeys(p.name for p in reversed(made) if p.actual is None))

    def was(self, name: str, actual: object) -> Said:
        """Compares what came with what was predicted."""
        if actual is None or actual is ...:
            text = f"{name}: nothing to compare yet; fill in and run the cells above first."
            return self._said(text, kind="prediction", name=name, result=Result.NOT_DONE)
        shown = _shown(actual)
        counted = [p for p in self.progress_file.predictions(self._id()) if p.name == name and not p.late]
        self.progress_file.came_true(self._id(), name, shown)
        if not counted:
            text = f"{name}: it is {shown}. You had not predicted it; a guess first makes the answer stay."
            return self._said(text, kind="prediction", name=name, result="none", actual=shown)
        text = f"{name}: {_compared(counted[-1].value, shown)}"
        return self._said(
            text, kind="prediction", name=name, result="compared", predicted=counted[-1].value, actual=shown
        )

    # --- exercises --------------------------------------------------------------------------------------------

    def check(self, name: str, names: Mapping[str, Any]) -> Said:
        """Checks one exercise, or with an empty name all of the lesson. `names` is what the notebook defines."""
        wanted = [self._exercise(name)] if name else list(self.exercises.values())
        verdicts = [self._verdict(exercise, names) for exercise in wanted]
        lines = [_line(v, hint=bool(self._steps(v.exercise, v.diagnosis))) for v in verdicts]
        if not name:
            passed = sum(v.result is Result.PASSED for v in verdicts)
            lines.append(f"{passed} of {words.count(len(verdicts), 'exercise')} passed.")
        return self._said("\n".join(lines), kind="checks", rows=[_row(v) for v in verdicts])

    def answer(self, name: str, text: str) -> Said:
        """Judges a number, a word or a sentence."""
        exercise = self._exercise(name)
        if exercise.kind == "answer":
            salt = f"{self._id()}.{name}"
            verdict = judge_answer(exercise, text, self._key(name), salt)
        elif exercise.kind == "explain":
            verdict = judge_sentence(exercise, text)
        else:
            said = f"{name} is checked by what your code defines: %check {name}"
            return self._said(said)
        self._keep(verdict, text.strip())
        hint = bool(self._steps(name, verdict.diagnosis))
        return self._said(_line(verdict, hint=hint), kind="checks", rows=[_row(verdict)])

    def hint(self, name: str) -> Said:
        """The next step towards the mistake that was found last."""
        exercise = self._exercise(name)
        tried = self.progress_file.attempts(self._id(), name)
        if tried and tried[-1].result == Result.PASSED:
            return self._said(f"{name}: passed already.")
        diagnosis = tried[-1].diagnosis if tried else START
        steps = self._steps(name, diagnosis)
        if not steps:
            ask = f"%answer {name} …" if exercise.kind in SAID else f"%check {name}"
            why = "no more than its message" if tried else f"nothing to go by: try first, then {ask}"
            return self._said(f"{name}: for this there is {why}.")
        given = sum(h.diagnosis == diagnosis for h in self.progress_file.hints(self._id(), name))
        self.progress_file.add(Hint(self._id(), name, diagnosis, self.progress_file.now()))
        number = min(given, len(steps) - 1)
        more = "" if given < len(steps) else f" (That was the last one; %solution {name} shows one way.)"
        return self._said(f"{name}: hint {number + 1} of {len(steps)}: {steps[number]}{more}")

    def solution(self, name: str) -> Said:
        """A solution, once the student has tried honestly: passed, or twice with different answers."""
        self._exercise(name)
        if self._solutions == "locked":
            return self._said(f"{name}: your teacher keeps the solutions locked; %hint {name} helps.")
        tried = self.progress_file.attempts(self._id(), name)
        honest = len({a.answer for a in tried})
        passed = any(a.result == Result.PASSED for a in tried)
        if self._solutions != "open" and not passed and honest < HONEST_ATTEMPTS:
            more = words.count(HONEST_ATTEMPTS - honest, "honest attempt")
            return self._said(f"{name}: the solution opens after {more} more; %hint {name} helps.")
        return self._said(self._solved(name))

    # --- recap and progress -----------------------------------------------------------------------------------

    def recap(self, name: str = "", text: str = "") -> Said:
        """Draws questions about earlier lessons, or judges the answer to one (`01.processes`)."""
        there = course(self.folder.parent)
        if name:
            return self._recalled(there, name, text)
        known = {lesson.id: lesson.questions for lesson in there.values()}
        drawn = draw(self._id(), known, self.progress_file.recaps())
        if not drawn:
            return self._said("Nothing to recall yet: no earlier lesson asks anything.", kind="recap", asked=[])
        lines = [f"{q.name}: {q.text}" for q in drawn]
        text = "\n".join([*lines, f"Answer without looking back: %recap {drawn[0].name} …"])
        return self._said(text, kind="recap", asked=[q.name for q in drawn])

    def progress(self) -> Said:
        """How far every lesson is, how good the predictions are, and what comes next."""
        there = course(self.folder.parent)
        file = self.progress_file
        found = standings(there, file.attempts(), file.recaps())
        width = max((len(s.lesson.folder.name) for s in found), default=0)
        lines = [
            f"{s.lesson.folder.name:<{width}}  {s.passed} of {words.count(len(s.lesson.exercises), 'exercise')}"
            + (f", {words.count(s.forgotten, 'question')} to recall" if s.forgotten else "")
            for s in found
        ]
        predicted = [p for p in file.predictions() if not p.late]
        known = sum(p.actual is not None for p in predicted)
        lines.append(f"{words.count(len(predicted), 'prediction')}, {known} of them compared with what came.")
        return self._said("\n".join([*lines, suggestion(found)]), kind="progress", next=suggestion(found))

    # --- what they share --------------------------------------------------------------------------------------

    def _id(self) -> str:
        """The lesson's id; outside of any lesson the folder's name, so that predictions work there, too."""
        try:
            return self.lesson.id
        except LessonUnreadable:
            return self.folder.name

    def _exercise(self, name: str) -> Exercise:
        known = self.exercises
        if name not in known:
            raise UnknownExercise(name, list(known))
        return known[name]

    def _key(self, name: str) -> answers.Key:
        known = self.lesson.answers
        if name not in known:
            said = f"The key of {name} is not in this lesson's lesson.json."
            raise LessonUnreadable(said, hint="Run `labkit build`.")
        return known[name]

    def _verdict(self, exercise: Exercise, names: Mapping[str, Any]) -> Verdict:
        if exercise.kind in SAID:
            tried = self.progress_file.attempts(self._id(), exercise.id)
            if not tried:
                return Verdict(exercise.id, Result.NOT_DONE, f"say it with %answer {exercise.id} …")
            result = Result(tried[-1].result)
            said = f"your answer was {words.shorten(tried[-1].answer, 40)}."
            return Verdict(exercise.id, result, said, tried[-1].diagnosis)
        verdict = judge(exercise, names)
        self._keep(verdict, fingerprint([names.get(need) for need in exercise.needs]))
        return verdict

    def _keep(self, verdict: Verdict, answer: str) -> None:
        if verdict.result is not Result.NOT_DONE:
            now = self.progress_file.now()
            record = Attempt(self._id(), verdict.exercise, verdict.result, verdict.diagnosis, answer, now)
            self.progress_file.add(record)

    def _steps(self, name: str, diagnosis: str) -> Sequence[str]:
        return self.exercises[name].hints.get(diagnosis, ())

    def _solved(self, name: str) -> str:
        from labkit.lesson import source  # jupytext takes 0.2 s to import: only for who gets this far

        path = self.folder / source.SOURCE
        if not path.is_file():
            return f"{name}: the solutions are not part of this copy of the lesson; ask your teacher."
        cells = source.read(path).exercises().get(name, [])
        shown = "\n\n".join(cell.solved for cell in cells if cell.kind == "code")
        return f"{name}: one way to do it:\n\n{shown}"

    def _recalled(self, there: Mapping[str, Lesson], name: str, text: str) -> Said:
        home, _, item = name.partition(".")
        questions = {q.name: q for lesson in there.values() for q in lesson.questions}
        if name not in questions:
            raise UnknownExercise(name, list(questions))
        if text.strip() in BLANK:
            return self._said(f"{name}: {questions[name].text}")
        how = answers.accepts(there[home].keys[item], text, name)
        if how == "no number":
            return self._said(f"{name}: {text} is no number; a number is wanted.")
        result = "wrong" if how == "wrong" else "right"
        self.progress_file.add(Recalled(home, item, result, text.strip(), self.progress_file.now()))
        look = f" Look at lesson {home}, {questions[name].look}." if questions[name].look else ""
        said = "right." if result == "right" else f"not it; it comes back next time.{look}"
        return self._said(f"{name}: {said}", kind="recalled", item=name, result=result)

    def _said(self, text: str, **facts: object) -> Said:
        trouble = self.progress_file.trouble
        if trouble and not self._told_trouble:
            self._told_trouble = True
            text = f"{text}\n{trouble}"
        return Said(text, facts)


def fingerprint(values: Sequence[object]) -> str:
    """What tells one attempt from another: code by its code, everything else by how it shows itself."""
    return hashlib.sha256("\n".join(map(_trait, values)).encode("utf-8", "replace")).hexdigest()[:16]


def _trait(value: object) -> str:
    if isinstance(value, FunctionType):
        code = value.__code__
        return f"{code.co_code.hex()} {code.co_consts!r} {code.co_names!r}"
    try:
        return str(getattr(value, "code_sha256", None) or repr(value))
    except Exception:  # a student's own __repr__
        return type(value).__name__


def _line(verdict: Verdict, *, hint: bool) -> str:
    advice = f" (%hint {verdict.exercise} helps.)" if hint and verdict.result is Result.REJECTED else ""
    mark = ":" if verdict.result is Result.NOT_DONE else "."
    return f"{verdict.exercise}: {verdict.result}{mark} {verdict.message}{advice}"


def _row(verdict: Verdict) -> dict[str, str]:
    return {"exercise": verdict.exercise, "result": verdict.result, "diagnosis": verdict.diagnosis}


def _shown(actual: object) -> str:
    number = _number(actual)
    return f"{number:.6g}" if number is not None else words.shorten(str(actual), 80)


def _number(value: object) -> float | None:
    try:
        return float(value) if not isinstance(value, bool) else None  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _compared(predicted: str, actual: str) -> str:
    mine, real = _number(predicted.replace(",", "")), _number(actual)
    said = f"you predicted {predicted}, it is {actual}"
    if mine is None or real is None:
        return f"{said}: right." if predicted.casefold() == actual.casefold() else f"{said}. What did you not expect?"
    if mine == real:
        return f"{said}: right."
    if mine * real <= 0:
        return f"{said}: off by {mine - real:+.3g}."
    factor = max(mine / real, real / mine)
    return f"{said}: {factor:.3g} times too {'large' if abs(mine) > abs(real) else 'small'}."
