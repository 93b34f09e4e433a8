"""Grades students' notebooks: each is run in a fresh copy of its lesson and judged by the teacher's own checks.

What a notebook shows when it is handed in counts for nothing: its outputs are thrown away, its cells run again, a cell
that fails or takes too long does not stop those after it, and only what the last cell, ours, finds is read. The copy
holds the teacher's `checks.py` and no solutions. Hidden checks are a file `LESSON.py` in a folder of the teacher's,
written like `checks.py` with `exercises.hidden`; a student's folder has nothing of them.

It is no security boundary: a notebook is code that runs as this user. Grade strangers' work on a machine of its own.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabkitError, LessonUnreadable, nearest
from labkit.lesson.build import CHECKS, FACTS, notebook_path
from labkit.lesson.exercises import Result, declared
from labkit.lesson.report import Progress, Report, rows
from labkit.lesson.run import Options, run
from labkit.lesson.source import SOURCE
from labkit.show import words

KIND = "grades"
CODE = "from labkit.notebook.grading import grades; grades({hidden!r})"


@dataclass(frozen=True, slots=True)
class Submission:
    """One notebook of one student."""

    path: Path
    student: str
    lesson: str


@dataclass(frozen=True, slots=True)
class Grade:
    """How one exercise of it went. `said` is what the student answered in words or numbers."""

    exercise: str
    result: str
    message: str
    hidden: bool
    said: str


@dataclass(frozen=True, slots=True)
class Graded:
    """A submission and its grades; `problem` says why there are none, or what stopped it."""

    submission: Submission
    grades: tuple[Grade, ...]
    problem: str = ""

    def passed(self, *, hidden: bool) -> int:
        return sum(g.result == Result.PASSED for g in self.grades if g.hidden is hidden)

    def of(self, *, hidden: bool) -> int:
        return sum(g.hidden is hidden for g in self.grades)


# --- what is handed in --------------------------------------------------------------------------------------


def submissions(given: Sequence[Path], lessons: Path) -> list[Submission]:
    """The notebooks that are named, and those in the folders that are. Raises LabkitError.

    A notebook tells its lesson by its cells' ids. The student is its name or, if that is the lesson's, its folder's.
    """
    paths = [path for place in given for path in (sorted(place.rglob("*.ipynb")) if place.is_dir() else [place])]
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    if not paths:
        raise LabkitError("There is no notebook to grade.", hint="Name notebooks, or a folder that holds some.")
    known = sorted(path.parent.name for path in lessons.glob(f"*/{FACTS}"))
    found = [_submission(path, known) for path in paths]
    names = Counter((each.student, each.lesson) for each in found)
    if twice := [f"{student} ({lesson})" for (student, lesson), number in names.items() if number > 1]:
        raise LabkitError(
            f"There are several notebooks of {', '.join(twice)}.",
            hint="Name the one that counts, or give each the student's own name.",
        )
    return found


def _submission(path: Path, known: Sequence[str]) -> Submission:
    lesson = _lesson_of(path, known)
    return Submission(path, path.resolve().parent.name if path.stem == lesson else path.stem, lesson)


def _lesson_of(path: Path, known: Sequence[str]) -> str:
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        ids = [str(cell.get("id", "")).rpartition("-")[0] for cell in cells]
    except OSError as problem:
        raise LabkitError(f"{path} cannot be read: {problem.strerror}.", hint="Name the notebook's file.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LabkitError(f"{path} is no notebook.", hint="Ask for the .ipynb file as JupyterLab saves it.") from None
    found = Counter(name for name in ids if name in known).most_common(1)
    if not found:
        near = nearest(path.stem, known)
        raise LabkitError(
            f"{path} is no notebook of a lesson here: its cells have other ids.",
            hint=f"Rename the folder of the lesson back to {near}." if near else f"There is: {', '.join(known)}.",
        )
    return found[0][0]


# --- grading ------------------------------------------------------------------------------------------------


def grade(
    handed_in: Sequence[Submission],
    lessons: Path,
    *,
    hidden: Path | None = None,
    at_once: int = 1,
    timeout_s: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> list[Graded]:
    """Runs and judges each. Raises LabkitError if the teacher's own files are not right, before anything runs."""
    secrets = {name: _hidden(hidden, name, lessons) for name in {s.lesson for s in handed_in}}
    with _places(handed_in, lessons) as places:
        codes = {place: CODE.format(hidden=str(secrets[s.lesson] or "")) for place, s in places.items()}
        options = Options(judge=codes)
        reports = run(list(places), timeout_s=timeout_s, on_progress=on_progress, at_once=at_once, options=options)
        return [_graded(s, report) for s, report in zip(places.values(), reports, strict=True)]


def _hidden(folder: Path | None, lesson: str, lessons: Path) -> Path | None:
    """The lesson's hidden checks, if there are any."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise LabkitError(f"There is no folder {folder}.", hint="It holds the hidden checks, such as 02-line.py.")
    path = (folder / f"{lesson}.py").resolve()
    if not path.is_file():
        return None
    public = declared(lessons / lesson / CHECKS)
    if twice := sorted(public.keys() & declared(path).keys()):
        raise LessonUnreadable(f"{path} names {twice[0]}, which is an exercise of the lesson already.")
    return path


@contextmanager
def _places(handed_in: Sequence[Submission], lessons: Path) -> Iterator[dict[Path, Submission]]:
    """For each its own copy of the lesson, with the submission in the place of the lesson's notebook."""
    with tempfile.TemporaryDirectory(prefix="labkit-grade-") as all_of_them:
        places = {}
        for number, submission in enumerate(handed_in):
            course = Path(all_of_them) / f"{number:04d}" / "lessons"
            for facts in lessons.glob(f"*/{FACTS}"):  # %recap asks about the others
                (course / facts.parent.name).mkdir(parents=True)
                shutil.copy(facts, course / facts.parent.name)
            own = course / submission.lesson
            without = shutil.ignore_patterns(SOURCE, "*.ipynb", "__pycache__", ".ipynb_checkpoints")
            shutil.copytree(lessons / submission.lesson, own, dirs_exist_ok=True, ignore=without)
            place = notebook_path(own / SOURCE)
            shutil.copyfile(submission.path, place)
            places[place] = submission
        yield places


def _graded(submission: Submission, report: Report) -> Graded:
    found = [fact for fact in report.facts if fact.get("kind") == KIND]
    problem = f"{report.error.name}: {report.error.value}" if report.error else ""
    if not found:
        return Graded(submission, (), problem or "Its last cell said nothing.")
    return Graded(submission, tuple(map(_grade, rows(found[-1]))), problem)


def _grade(row: Mapping[str, object]) -> Grade:
    exercise, result, message, said = (str(row.get(name, "")) for name in ("exercise", "result", "message", "said"))
    return Grade(exercise, result, message, bool(row.get("hidden")), said)


# --- what a teacher gets ------------------------------------------------------------------------------------


def as_csv(graded: Sequence[Graded]) -> str:
    """A line for each submission: its sums, and then each exercise of any of the lessons."""
    names = list(dict.fromkeys(g.exercise for each in graded for g in each.grades))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", "lesson", "passed", "of", "hidden_passed", "hidden_of", "problem", *names])
    for each in graded:
        results = {g.exercise: g.result for g in each.grades}
        sums = [each.passed(hidden=False), each.of(hidden=False), each.passed(hidden=True), each.of(hidden=True)]
        row = [each.submission.student, each.submission.lesson, *sums, each.problem]
        writer.writerow([*map(_harmless, row), *(results.get(name, "") for name in names)])
    return out.getvalue()


def _harmless(value: object) -> object:
    """A spreadsheet runs a text that begins like a formula; a student chooses the name of a file."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def feedback(graded: Graded) -> str:
    """What a student may read: the messages of the lesson's own checks, and of the hidden ones only how many passed."""
    lines = [f"# {graded.submission.lesson}: {graded.submission.student}", ""]
    if graded.problem:
        lines += [f"It did not run to its end: {graded.problem}", ""]
    public = [g for g in graded.grades if not g.hidden]
    lines += [f"- **{g.exercise}**: {g.result}. {g.message}" for g in public]
    lines += ["", f"{graded.passed(hidden=False)} of {words.count(len(public), 'exercise')} passed."]
    if of := graded.of(hidden=True):
        lines.append(f"{graded.passed(hidden=True)} of {words.count(of, 'hidden check')} passed.")
    return "\n".join(lines) + "\n"


def by_exercise(graded: Sequence[Graded]) -> Mapping[str, Counter[str]]:
    """How often each exercise was passed, `lesson/exercise`: what a class has not understood."""
    found: dict[str, Counter[str]] = {}
    for each in graded:
        for g in each.grades:
            found.setdefault(f"{each.submission.lesson}/{g.exercise}", Counter())[g.result] += 1
    return found
