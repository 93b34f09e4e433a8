"""`labkit lint`: what a lesson owes its students and can be seen without running it. One function a rule.

**Sections.** `+++ {"section": "hook"}` begins one. A lesson has, in this order: recap, hook, worked, at least three
`round`s (predict, run, explain: a `%predict` cell and a cell after it), derivation, two `faded`, deploy, checks, exit,
glossary, next. An `orientation` (kind in the header) needs no recap, worked, derivation, faded and exit sections, and
one round. What can only be seen in a run (time, pictures' alt texts, texts that are the same twice) the tests look at.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from labkit.errors import LessonUnreadable
from labkit.lesson.build import CHECKS, notebook_path
from labkit.lesson.coverage import FILE, Matrix
from labkit.lesson.exercises import CODE_KINDS, START, Exercise, declared
from labkit.lesson.report import TIMING
from labkit.lesson.source import Cell, LessonSource, read

ORDER = (
    "recap", "hook", "worked", "round", "derivation", "faded", "deploy", "checks", "exit", "glossary", "next",
)  # fmt: skip
SPARED = {"orientation": {"recap", "worked", "derivation", "faded", "exit"}}
FEWEST = {"round": 3, "faded": 2}
RECAP_ITEMS, TOTAL_BUDGET_S, SHORTEST_ALT, WIDEST_CODE = 3, 240.0, 20, 84
VERBS = frozenset(
    """
    apply argue bound build calibrate call certify check choose compare compose compute count debug decide decompose
    define deploy derive describe design detect diagnose distinguish estimate evaluate explain find fit generate
    identify implement improve interpret invoke judge know list measure model name package pick plan predict prove
    quantise read recognise recover repair route secure separate serve size sketch solve sort split state store
    survive tell test trace train use validate verify write
    """.split()  # noqa: SIM905 - words are read as words
)
MEASURING = re.compile(r"^(?:\w+\s*=\s*)?%(?:coldstart|loadtest|power|timeit|time)\b", re.MULTILINE)
PLOTTING = re.compile(r"\bplt\.|\bsubplots\(|\.plot\(|\.scatter\(")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FETCH = re.compile(r"\bfetch_\w+\s*\(")
CODE_SPAN = re.compile(r"```.*?```|`[^`]*`|\$[^$]*\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a lesson breaks."""

    lesson: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.lesson}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Subject:
    """What the rules look at."""

    lesson: LessonSource
    exercises: Mapping[str, Exercise]
    matrix: Matrix


Rule = Callable[[Subject], Iterator[str]]


def lint(sources: Sequence[Path], matrix: Matrix) -> list[Finding]:
    """Every finding in these lessons, and between them."""
    found = [Finding(FILE, "coverage", fault) for fault in matrix.faults()]
    total = sum(planned.budget_s for planned in matrix.lessons.values())
    if total > TOTAL_BUDGET_S:
        found.append(Finding(FILE, "budget", f"all lessons may take {total:g} s; {TOTAL_BUDGET_S:g} s is the limit"))
    lessons = []
    for path in sources:
        try:
            lesson = read(path)
            checks = path.parent / CHECKS
            exercises = declared(checks) if checks.is_file() else {}
        except LessonUnreadable as problem:
            found.append(Finding(path.parent.name, "readable", problem.message))
            continue
        lessons.append(lesson)
        subject = Subject(lesson, exercises, matrix)
        found += [Finding(lesson.name, name, m) for name, rule in RULES.items() for m in rule(subject)]
    return found + list(_one_translation(lessons))


# --- the rules ----------------------------------------------------------------------------------------------


def header(s: Subject) -> Iterator[str]:
    """Objectives are verbs; minutes and prerequisites are those of the course; three questions for later lessons."""
    h = s.lesson.header
    for objective in h.objectives:
        verb = objective.split()[0].lower() if objective.split() else ""
        if verb not in VERBS:
            yield f"objective {objective!r} does not begin with a verb of doing, such as derive, predict, deploy"
    if not h.objectives:
        yield "there is no objective"
    if not re.search(r"[\u4e00-\u9fff]", h.title_zh):
        yield f"title_zh {h.title_zh!r} is not Chinese"
    for before in h.prerequisites:
        if before not in s.matrix.lessons or before >= h.id:
            yield f"prerequisite {before!r} is no earlier lesson"
    if len({item.id for item in h.recap}) < RECAP_ITEMS or len({item.difficulty for item in h.recap}) < RECAP_ITEMS:
        yield f"it offers {len(h.recap)} recap items; three are wanted, of difficulty 1, 2 and 3"


def sections(s: Subject) -> Iterator[str]:
    """All sections are there, in the order of the anatomy."""
    names = [cell.section for cell in s.lesson.cells if cell.section]
    spared = SPARED.get(s.lesson.header.kind, set())
    if unknown := [name for name in names if name not in ORDER]:
        yield f"section {unknown[0]!r} is unknown; known: {', '.join(ORDER)}"
        return
    for name in ORDER:
        wanted = 0 if name in spared else 1 if spared else FEWEST.get(name, 1)
        if names.count(name) < wanted:
            yield f"section {name!r} is there {names.count(name)} times; {wanted} wanted"
    order = [name for name, _ in groupby(names)]
    if order != sorted(order, key=ORDER.index):
        yield f"sections stand in the order {', '.join(order)}; wanted: {', '.join(n for n in ORDER if n in order)}"


def rounds(s: Subject) -> Iterator[str]:
    """Each round predicts before it runs."""
    for number, part in enumerate(_parts(s.lesson, "round"), 1):
        code = [cell.blank for cell in part if cell.kind == "code"]
        at = next((i for i, text in enumerate(code) if "%predict" in text), None)
        if at is None or at == len(code) - 1:
            yield f"round {number} has no %predict cell with a cell after it"


def concepts(s: Subject) -> Iterator[str]:
    """The header names exactly the concepts that the coverage matrix gives to this lesson."""
    h = s.lesson.header
    for name in h.concepts:
        if name not in s.matrix.concepts:
            near = difflib.get_close_matches(name, s.matrix.concepts, n=1)
            yield f"concept {name!r} is not in {FILE}" + (f"; did you mean {near[0]!r}?" if near else "")
    mine = s.matrix.of(h.id)
    for name in sorted(mine - set(h.concepts)):
        yield f"{FILE} gives it the concept {name!r}, which its header does not name"
    for name in sorted(set(h.concepts) & set(s.matrix.concepts) - mine):
        yield f"it covers {name!r}, which {FILE} does not give to it"


def budget(s: Subject) -> Iterator[str]:
    """Run time and minutes are those of the course."""
    h, planned = s.lesson.header, s.matrix.lessons.get(s.lesson.header.id)
    if planned is None:
        yield f"{FILE} knows no lesson {h.id}"
    elif (h.budget_s, h.minutes) != (planned.budget_s, planned.minutes):
        wanted = f"{planned.budget_s:g} s and {planned.minutes:g} min"
        yield f"budget {h.budget_s:g} s and {h.minutes:g} min; {FILE} has {wanted}"


def exercises(s: Subject) -> Iterator[str]:
    """Every exercise has its cells, every cell its exercise, hints only mistakes that there are."""
    cells = s.lesson.exercises()
    for name in sorted(set(cells) - set(s.exercises)):
        yield f"a cell belongs to exercise {name!r}, which {CHECKS} does not declare"
    for name, exercise in s.exercises.items():
        if name not in cells:
            yield f"exercise {name!r} has no cell (:exercise: {name})"
        elif all(cell.blank == cell.solved for cell in cells[name]):
            yield f"the cells of exercise {name!r} have nothing to fill in (# SOLUTION)"
        if exercise.kind in CODE_KINDS and not any(f"%check {name}" in c.blank for c in s.lesson.cells):
            yield f"no cell says %check {name}"


def hints(s: Subject) -> Iterator[str]:
    """Hints are for mistakes that a check can find."""
    text = (s.lesson.path.parent / CHECKS).read_text("utf-8") if s.exercises else ""
    general = {START, "raises", "returns-nothing", "wrong", "no-number", "too-short"}
    for name, exercise in s.exercises.items():
        for diagnosis in exercise.hints:
            known = diagnosis in general or diagnosis in {*exercise.wrong, *exercise.wrong.values()}
            if not known and len(re.findall(rf"[\"']{re.escape(diagnosis)}[\"']", text)) < 2:
                yield f"exercise {name!r} has a hint for {diagnosis!r}, which nothing diagnoses"


def alternatives(s: Subject) -> Iterator[str]:
    """Every picture has a text that says what one should see."""
    for cell in s.lesson.cells:
        if cell.kind == "code":
            told = "alt=" in cell.solved or "alt_" in cell.solved
            if PLOTTING.search(cell.solved) and not told:
                yield f"a cell that plots gives no alt text (alt=...): {_first_line(cell)}"
            continue
        for alt, target in IMAGE.findall(cell.blank):
            if len(alt) < SHORTEST_ALT:
                yield f"the picture {target} has the alt text {alt!r}; say in a sentence what one should see"


def links(s: Subject) -> Iterator[str]:
    """Links inside the course lead somewhere; links out of it are https."""
    folder = s.lesson.path.parent
    headings = {_anchor(line) for c in s.lesson.cells for line in c.blank.splitlines() if line.startswith("#")}
    for cell in (c for c in s.lesson.cells if c.kind == "markdown"):
        targets = [t for _, t in IMAGE.findall(cell.blank)] + LINK.findall(cell.blank)
        for target in targets:
            if target.startswith("#"):
                broken = target[1:].lower() not in headings
            elif re.match(r"[a-z]+:", target):
                broken = not target.startswith(("https://", "mailto:", "attachment:"))
            else:
                file = folder / target.partition("#")[0]
                broken = not file.exists() and file.resolve() != notebook_path(s.lesson.path).resolve()
            if broken:
                yield f"the link {target} leads nowhere"


def glossary(s: Subject) -> Iterator[str]:
    """The glossary has terms in both languages, and the prose spells them as it does."""
    terms = terms_of(s.lesson)
    if not terms:
        yield "there is no glossary table: | English | 中文 | meaning |"
    for term, chinese in terms.items():
        if not re.search(r"[\u4e00-\u9fff]", chinese):
            yield f"the term {term!r} has no Chinese: {chinese!r}"
    prose = "\n".join(CODE_SPAN.sub(" ", c.blank) for c in s.lesson.cells if c.kind == "markdown")
    for term in terms:
        for found in misspelt(term, prose):
            yield f"{found!r} should be spelt as in the glossary: {term!r}"


def code(s: Subject) -> Iterator[str]:
    """Code is narrow, fetches nothing, and says which of its texts are measured."""
    cells = [cell for cell in s.lesson.cells if cell.kind == "code"]
    if not cells or not cells[0].blank.startswith("%load_ext labkit"):
        yield "the first cell of code is not %load_ext labkit"
    for cell in cells:
        wide = [line for line in (cell.blank + "\n" + cell.solved).splitlines() if len(line) > WIDEST_CODE]
        if wide:
            yield f"a line is wider than {WIDEST_CODE} characters: {wide[0][:40]}…"
        if FETCH.search(cell.solved):
            yield f"data is fetched from the network: {_first_line(cell)}"
        if MEASURING.search(cell.solved) and TIMING not in cell.tags:
            yield f"a cell that measures time needs `:tags: [{TIMING}]`: {_first_line(cell)}"


RULES: Mapping[str, Rule] = {
    "header": header,
    "sections": sections,
    "rounds": rounds,
    "concepts": concepts,
    "budget": budget,
    "exercises": exercises,
    "hints": hints,
    "alt text": alternatives,
    "links": links,
    "glossary": glossary,
    "code": code,
}


# --- reading ------------------------------------------------------------------------------------------------


def terms_of(lesson: LessonSource) -> dict[str, str]:
    """The glossary: English term to Chinese."""
    found = {}
    for cell in (c for part in _parts(lesson, "glossary") for c in part if c.kind == "markdown"):
        for line in cell.blank.splitlines():
            columns = [column.strip() for column in line.strip().strip("|").split("|")]
            if line.startswith("|") and len(columns) >= 2 and not set(columns[0]) <= set("-: "):
                found[columns[0]] = columns[1]
    return {term: chinese for term, chinese in found.items() if term != "English"}


def misspelt(term: str, prose: str) -> list[str]:
    """Words of a text that are nearly a term, and not it, its plural or its capitalised form.

    >>> misspelt("cold start", "a coldstart, two cold starts, a cold sart")
    ['cold sart', 'coldstart']
    """
    words = re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*", prose)
    size = len(term.split())
    right, joined = term.lower(), term.lower().replace(" ", "")
    if len(joined) < 7:
        return []  # too many honest words are near a short one
    runs = {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)} | (set(words) if size > 1 else set())
    found = []
    for run in sorted(runs):
        low = run.lower()
        stem = low.removesuffix("s").removesuffix("'")
        if right in (low, stem) or low.replace("-", " ").removesuffix("s") == right.removesuffix("s"):
            continue
        together = size > 1 and stem == joined
        if together or (low[0] == right[0] and stem not in right and _near(stem, right)):
            found.append(run)
    return found


def _near(one: str, other: str) -> bool:
    """One letter too much, too few, wrong or exchanged."""
    if len(one) == len(other) and sorted(one) == sorted(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 2
    changed = [op for op in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if op[0] != "equal"]
    return sum(max(j - i, n - m) for _, i, j, m, n in changed) == 1


def _one_translation(lessons: Sequence[LessonSource]) -> Iterator[Finding]:
    """The same term has the same Chinese in every lesson."""
    first: dict[str, tuple[str, str]] = {}
    for lesson in lessons:
        for term, chinese in terms_of(lesson).items():
            home, known = first.setdefault(term.lower(), (lesson.name, chinese))
            if known != chinese:
                yield Finding(lesson.name, "glossary", f"{term} is {chinese!r} here and {known!r} in {home}")


def _parts(lesson: LessonSource, name: str) -> Iterator[list[Cell]]:
    """The cells of each section of this name."""
    part: list[Cell] | None = None
    for cell in lesson.cells:
        if cell.section:
            if part is not None:
                yield part
            part = [] if cell.section == name else None
        if part is not None:
            part.append(cell)
    if part is not None:
        yield part


def _anchor(heading: str) -> str:
    return heading.lstrip("#").strip().replace(" ", "-").lower()


def _first_line(cell: Cell) -> str:
    return cell.solved.strip().splitlines()[0][:60] if cell.solved.strip() else ""
