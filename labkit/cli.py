"""The command `labkit`: parses, delegates, and turns errors into two lines and an exit status.

Exit status: 0 all is well, 1 a lesson, the machine or a check fails, 2 the command line is wrong, 130 interrupted.
What a command needs is imported inside it, so that `labkit --help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from labkit import __version__
from labkit.errors import LabkitError, nearest

FIRST_LESSON = "00-orientation"
CELL_TIMEOUT_S = 300.0
COPY = "labkit-lessons"
INTERRUPTED = 130
WRONG_COMMAND_LINE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _command(words)
    except LabkitError as error:
        print(f"labkit: {error.message}", error.advice, sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _command(words: list[str]) -> int:
    if words and words[0] == "serve":
        return serve(words[1:])
    parser = _parser()
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        print(_no_such_command(words[0]), file=sys.stderr)
        return WRONG_COMMAND_LINE
    arguments = parser.parse_args(words)
    if arguments.command is None:
        parser.print_help()
        return 0
    return COMMANDS[arguments.command](arguments)


def _no_such_command(name: str) -> str:
    near = nearest(name, COMMANDS)
    hint = f"Did you mean `labkit {near}`?" if near else "`labkit --help` says what each does."
    return f"labkit: there is no command `{name}`; there is: {', '.join(COMMANDS)}.\n{hint}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("labkit", description="Notebook cells become serverless handlers that really run.")
    parser.add_argument("--version", action="version", version=f"labkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run lessons without a browser and say what they did"))
    add = commands.add_parser("lab", help="open the lessons in JupyterLab")
    add.add_argument("--port", type=int, metavar="N", help="the port to listen on (8888, or the next free one)")
    add.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    commands.add_parser("serve", help="run the emulator in the foreground", add_help=False)
    add = commands.add_parser("build", help="make the notebooks of the lessons from their sources")
    add.add_argument("lessons", nargs="*", metavar="LESSON", help="only these")
    add.add_argument("--check", action="store_true", help="change nothing; fail if a notebook is not what is built")
    add.add_argument("--prove", action="store_true", help="run the solutions, and prove each check on wrong answers")
    add.add_argument("--solutions", metavar="FOLDER", help="write the solved notebooks there, for teachers")
    add = commands.add_parser("lint", help="say what the lessons owe: anatomy, concepts, alt texts, links, spelling")
    add.add_argument("lessons", nargs="*", metavar="LESSON", help="only these")
    _add_grade(commands.add_parser("grade", help="run students' notebooks and judge them, hidden checks included"))
    add = commands.add_parser("progress", help="a student's progress: where it is, exported, deleted")
    add.add_argument("--export", metavar="FILE", help="write it there, as .json or .csv; - prints JSON")
    add.add_argument("--delete", action="store_true", help="delete it for good")
    add = commands.add_parser("docs", help="print the reference of all magics, as Markdown")
    add.add_argument("--output", metavar="FILE", help="write it there instead")
    add = commands.add_parser("doctor", help="say what this machine can do")
    add.add_argument("--conformance", action="store_true", help="check the emulator against what real Lambda does")
    add.add_argument("--json", metavar="FILE", help="with --conformance: write the report there; - prints it alone")
    return parser


def _add_run(add: argparse.ArgumentParser) -> None:
    add.add_argument("lessons", nargs="*", metavar="LESSON", help=f"a lesson, a folder or a notebook ({FIRST_LESSON})")
    add.add_argument(
        "--timeout", type=_seconds, default=CELL_TIMEOUT_S, metavar="S", help="seconds that a cell may take (300)"
    )
    add.add_argument("--solution", action="store_true", help="with every blank filled in")
    add.add_argument(
        "--changed", nargs="?", const="HEAD", metavar="REF", help="only lessons that differ from this commit (HEAD)"
    )
    add.add_argument("--jobs", type=int, metavar="N", help="so many at once (the number of processors)")
    add.add_argument("--strict", action="store_true", help="fail if a lesson takes longer than its budget")
    add.add_argument("--network", action="store_true", help="let the lessons reach other machines")


def _add_grade(add: argparse.ArgumentParser) -> None:
    add.add_argument("submissions", nargs="+", type=Path, metavar="NOTEBOOK", help="notebooks, or folders of them")
    add.add_argument("--hidden", type=Path, metavar="FOLDER", help="hidden checks: a file LESSON.py for a lesson")
    add.add_argument("--csv", metavar="FILE", help="write a line for each notebook there; - prints it alone")
    add.add_argument("--feedback", type=Path, metavar="FOLDER", help="write a page for each student there")
    add.add_argument("--timeout", type=_seconds, default=60.0, metavar="S", help="seconds that a cell may take (60)")
    add.add_argument("--jobs", type=int, metavar="N", help="so many at once (the number of processors)")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return value


# --- the commands -------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Runs lessons; 1 if one fails."""
    from rich.console import Console  # each command imports what it needs: see the module's docstring

    from labkit.lesson import display
    from labkit.lesson.run import Options, changed, find_notebooks, lessons_folder, workplace
    from labkit.lesson.run import run as run_notebooks

    console = Console(highlight=False)
    options = Options(solved=arguments.solution, offline=not arguments.network)
    with workplace(lessons_folder()) as folder, display.progress(console) as on_progress:
        names = arguments.lessons or ([str(folder)] if arguments.changed else [FIRST_LESSON])
        notebooks = [path for name in names for path in find_notebooks(name, folder)]
        if arguments.changed:
            notebooks = changed(notebooks, arguments.changed)
        reports = run_notebooks(
            notebooks,
            timeout_s=arguments.timeout,
            on_progress=on_progress,
            at_once=arguments.jobs or min(len(notebooks), os.cpu_count() or 1) or 1,
            options=options,
        )
    display.show(reports, console)
    late = arguments.strict and any(report.over_budget for report in reports)
    return 0 if all(report.ok for report in reports) and not late else 1


def lab(arguments: argparse.Namespace) -> int:
    """Becomes JupyterLab, opened on the lessons. Raises LabkitError if it is not installed."""
    from labkit.lesson.run import from_wheel, lessons_folder, search_path

    if find_spec("jupyterlab") is None:
        raise LabkitError("JupyterLab is not installed.", hint=f"Run: {sys.executable} -m pip install jupyterlab")
    folder = lessons_folder()
    if from_wheel(folder):
        folder = copy_lessons(folder, Path.cwd() / COPY)
    command = lab_command(folder, port=arguments.port, browser=not arguments.no_browser)
    sys.stdout.flush()
    # in this process's place: Ctrl-C and a terminal's end reach JupyterLab itself, which asks and tidies up
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": search_path()})


def lab_command(folder: Path, *, port: int | None, browser: bool) -> list[str]:
    """The command line that opens a folder in this interpreter's JupyterLab."""
    first = f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}/{FIRST_LESSON}.ipynb"
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", first]
    # it listens on loopback with a token; in a container one often is root
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # nothing leaves this machine
    command += ["--allow-root"] if os.geteuid() == 0 else []
    command += [] if port is None else [f"--ServerApp.port={port}"]
    return command + ([] if browser else ["--no-browser"])


def copy_lessons(lessons: Path, into: Path) -> Path:
    """Copies the lessons to where a student may change them; a file that is there already stays as it is."""
    new = 0
    for source in sorted(lessons.rglob("*")):
        target = into / source.relative_to(lessons)
        if source.is_file() and "__pycache__" not in source.parts and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            new += 1
    print(f"The lessons are in {into} ({new} new files; yours are as you left them).")
    return into


def build(arguments: argparse.Namespace) -> int:
    """Writes what is outdated, or with --check only names it; with --prove runs and proves the checks."""
    from labkit.lesson import build as builder
    from labkit.lesson.run import find_notebook, lessons_folder
    from labkit.lesson.source import SOURCE

    folder = lessons_folder()
    only = [find_notebook(name, folder, built=False).with_name(SOURCE) for name in arguments.lessons]
    named = builder.outdated(folder, only) if arguments.check else builder.write(folder, only)
    for path in named:
        print(f"{'outdated' if arguments.check else 'built'}: {path.relative_to(folder)}")
    if arguments.solutions:
        for path in builder.write_solutions(folder, Path(arguments.solutions), only):
            print(f"solved: {path}")
    proved = prove(only or builder.sources(folder)) if arguments.prove else True
    return 0 if proved and not (arguments.check and named) else 1


def prove(sources: Sequence[Path]) -> bool:
    """Runs the solutions, prints what each check says to each answer, and returns whether all holds."""
    from rich.console import Console

    from labkit.lesson import display
    from labkit.lesson.build import notebook_path
    from labkit.lesson.run import Options, run

    console = Console(highlight=False)
    notebooks = [notebook_path(source) for source in sources]
    with display.progress(console) as on_progress:
        reports = run(notebooks, timeout_s=CELL_TIMEOUT_S, on_progress=on_progress, options=Options(True, True))
    display.show_proofs(reports, console)
    return all(report.ok for report in reports)


def lint(arguments: argparse.Namespace) -> int:
    """Prints what the lessons owe; 1 if there is anything."""
    from labkit.lesson.build import sources
    from labkit.lesson.coverage import matrix
    from labkit.lesson.lint import lint as findings_of
    from labkit.lesson.run import find_notebook, lessons_folder
    from labkit.lesson.source import SOURCE

    folder = lessons_folder()
    only = [find_notebook(name, folder, built=False).with_name(SOURCE) for name in arguments.lessons]
    known = matrix(folder)
    found = findings_of(only or sources(folder), known)
    print(*found, sep="\n", end="\n" if found else "")
    there = {path.parent.name[:2] for path in sources(folder)}
    covered = [c for c in known.concepts.values() if there.issuperset(c.main or c.lessons)]
    print(
        f"{len(there)} of {len(known.lessons)} lessons are here, the others planned; {len(covered)} of "
        f"{len(known.concepts)} concepts have their main lessons; {len(found)} findings."
    )
    return 1 if found else 0


def grade(arguments: argparse.Namespace) -> int:
    """Grades notebooks; 1 if one could not be run to its end."""
    from rich.console import Console

    from labkit.lesson import display
    from labkit.lesson import grade as grading
    from labkit.lesson.run import lessons_folder

    alone = arguments.csv == "-"
    console = Console(highlight=False, stderr=alone)
    lessons = lessons_folder()
    handed_in = grading.submissions(arguments.submissions, lessons)
    with display.progress(console) as on_progress:
        graded = grading.grade(
            handed_in,
            lessons,
            hidden=arguments.hidden,
            at_once=arguments.jobs or min(len(handed_in), os.cpu_count() or 1),
            timeout_s=arguments.timeout,
            on_progress=on_progress,
        )
    display.show_grades(graded, console)
    if alone:
        print(grading.as_csv(graded), end="")
    elif arguments.csv:
        _write(Path(arguments.csv), grading.as_csv(graded))
    if arguments.feedback:
        arguments.feedback.mkdir(parents=True, exist_ok=True)
        for each in graded:
            page = f"{each.submission.student}-{each.submission.lesson}.md"
            _write(arguments.feedback / page, grading.feedback(each))
    return 1 if any(each.problem for each in graded) else 0


def progress(arguments: argparse.Namespace) -> int:
    """Says where a student's progress is and how much, exports it, or deletes it."""
    from labkit.lesson.progress import Progress
    from labkit.settings import Settings

    kept = Progress(Settings.from_environment(os.environ).progress_file())
    if arguments.export:
        text = kept.as_csv() if arguments.export.endswith(".csv") else kept.as_json() + "\n"
        if kept.trouble is None and arguments.export == "-":
            print(text, end="")
        elif kept.trouble is None:
            _write(Path(arguments.export), text)
            print(f"Exported: {arguments.export}")
    elif not arguments.delete:
        print(f"{kept.path}: {len(kept.predictions())} predictions, {len(kept.attempts())} attempts, "
              f"{len(kept.recaps())} questions recalled")  # fmt: skip
    if kept.trouble is not None and not arguments.delete:
        raise LabkitError(f"{kept.path} cannot be read.", hint=kept.trouble)
    if arguments.delete:
        print(f"{'Deleted' if kept.delete() else 'There is no'}: {kept.path}")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as problem:
        said = f"Cannot write {path}: {problem.strerror}."
        raise LabkitError(said, hint="Name a file in a folder of yours.") from None


def docs(arguments: argparse.Namespace) -> int:
    """Prints the reference of the magics, or writes it; 2 if there is no such folder."""
    from labkit.notebook.reference import markdown

    if arguments.output is None:
        print(markdown(), end="")
        return 0
    place = Path(arguments.output)
    if not place.parent.is_dir():
        print(f"labkit: there is no folder {place.parent}.", file=sys.stderr)
        return WRONG_COMMAND_LINE
    place.write_text(markdown(), "utf-8")
    print(f"written: {place}")
    return 0


def serve(words: list[str]) -> int:
    """Runs the emulator in this process; the options are its own (`labkit serve --help`)."""
    from labkit.emulator import main as emulator

    return emulator(words)


def doctor(arguments: argparse.Namespace) -> int:
    """Prints what was found; 1 if something essential is missing."""
    if arguments.conformance:
        return conformance(arguments.json)
    if arguments.json:
        print("labkit: --json belongs to --conformance: labkit doctor --conformance --json -", file=sys.stderr)
        return WRONG_COMMAND_LINE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from labkit.doctor import Verdict, api, complete, examine, not_enforced
    from labkit.emulator import coverage, status
    from labkit.settings import Settings

    known = coverage.coverage()
    findings = examine(Settings.from_environment(os.environ))
    findings += [not_enforced(status.not_enforced()), api(known.served, known.missing)]
    colours = {Verdict.OK: "green", Verdict.LIMITED: "yellow", Verdict.MISSING: "bold red"}
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "verdict", "found"):
        table.add_column(column, overflow="fold", no_wrap=column == "verdict")
    for finding in findings:
        said = Text(f"{finding.detail}. {finding.advice}" if finding.advice else finding.detail)
        table.add_row(Text(finding.topic), Text(finding.verdict, style=colours[finding.verdict]), said)
    Console(highlight=False).print(table)
    return 0 if complete(findings) else 1


def conformance(path: str | None) -> int:
    """Checks the emulator against what real Lambda does, row by row; 1 if a row differs."""
    from labkit.conformance import report

    place = None if path in (None, "-") else Path(str(path))
    if place and not place.parent.is_dir():  # known before a minute's work
        print(f"labkit: there is no folder {place.parent}.", file=sys.stderr)
        return WRONG_COMMAND_LINE
    found = report.run()
    text = json.dumps(found.as_json(), indent=2, ensure_ascii=False)
    if path == "-":
        print(text)
    else:
        print(*found.lines(), sep="\n")
    if place:
        place.write_text(text + "\n", "utf-8")
    return 0 if found.conforms else 1


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "lab": lab,
    "serve": lambda arguments: serve([]),
    "build": build,
    "lint": lint,
    "grade": grade,
    "progress": progress,
    "docs": docs,
    "doctor": doctor,
}


if __name__ == "__main__":
    sys.exit(main())
