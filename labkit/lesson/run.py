"""Runs lesson notebooks without a browser: one kernel each, cell by cell, and one `Report` each.

How it works. nbclient talks to a kernel of *this* interpreter, whatever kernels are installed under the name
`python3`; its modules are found where this process finds them. A notebook is read once and never written. Its
outputs stay in memory, and the facts among them (`show.data`'s MIME type) go into the report.

Students' own progress is left alone: a lesson that is run here has a progress file of its own, for as long as it runs.
It is offline (`offline/sitecustomize.py`). Several lessons run at once in threads, each of which waits for its kernel.

A failing lesson is a report, not an exception, so that the next one still runs. Only an interrupt (Ctrl-C, SIGTERM)
ends the whole run: it kills the kernel, nbclient then notices a dead kernel and tidies up as after any other death,
and only then is KeyboardInterrupt raised. Raised at once, inside nbclient's event loop, it would leave that loop
with half of its tasks pending.

Nothing is left behind. Every process that a lesson started carries the kernel's own variables; the ones that have not
ended by themselves soon after the kernel are killed.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.reader import NotJSONError

from labkit.errors import LabkitError, nearest
from labkit.lesson import build, source
from labkit.lesson.report import Fact, Failure, Progress, Report, figures_without_alt, texts
from labkit.show import words
from labkit.show.data import MIME

PACKAGE = Path(__file__).resolve().parents[1]
LAST_WORDS_LINES = 20
OUTPUT_WAIT_S = 30
FAREWELL_S = 3.0
"""How long what a lesson started may take to end by itself once the kernel is gone."""

OFFLINE = Path(__file__).with_name("offline")
PROOF = "from labkit.notebook.proof import proof; proof(__import__('json').loads({cells!r}))"


# --- finding ------------------------------------------------------------------------------------------------


def lessons_folder(package: Path = PACKAGE) -> Path:
    """Where the lessons are: inside the installed package, or next to it in a checkout. Raises LabkitError."""
    for folder in (package / "lessons", package.parent / "lessons"):
        if folder.is_dir():
            return folder
    raise LabkitError(
        f"The lessons are neither in {package} nor next to it.",
        hint="Install labkit again, or name a notebook file: labkit run my-lesson.ipynb",
    )


def from_wheel(folder: Path, package: Path = PACKAGE) -> bool:
    """Whether these lessons are part of the installed package, which is nobody's place to work in."""
    return folder.is_relative_to(package)


@contextmanager
def workplace(folder: Path, package: Path = PACKAGE) -> Iterator[Path]:
    """The lessons where they may write files: a checkout's own, or a copy of an installed package's."""
    if not from_wheel(folder, package):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="labkit-lessons-") as copy:
        yield Path(shutil.copytree(folder, Path(copy) / "lessons"))


def find_notebooks(name: str, folder: Path) -> list[Path]:
    """What a name means: one notebook, or all lessons of a folder of lessons. Raises LabkitError."""
    lessons = [path.parent for path in sorted(Path(name).glob(f"*/{source.SOURCE}"))]
    return [_only_notebook(lesson.resolve()) for lesson in lessons] or [find_notebook(name, folder)]


def changed(notebooks: Sequence[Path], ref: str) -> list[Path]:
    """Those whose folder differs from a commit of git, new files included. Raises LabkitError."""
    found = []
    for path in notebooks:
        place = path.resolve().parent
        new = _git(place, "ls-files", "--others", "--exclude-standard", ".")
        if new or _git(place, "diff", "--name-only", ref, "--", "."):
            found.append(path)
    return found


def _git(folder: Path, *arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        said = (getattr(problem, "stderr", "") or str(problem)).strip().splitlines()
        raise LabkitError(
            f"git cannot say what has changed in {folder}: {said[0] if said else problem}.",
            hint="Use --changed in a clone, with a commit that is there; or name the lessons.",
        ) from None


def find_notebook(name: str, folder: Path, *, built: bool = True) -> Path:
    """The notebook that a name means: a file, a folder that holds one, or a lesson in `folder`. Raises LabkitError.

    With `built=False` a lesson's notebook need not be there yet.
    """
    named = Path(name)
    if named.suffix == ".ipynb":
        return named
    for place in () if built else (named, folder / name):
        if (place / source.SOURCE).is_file():
            return build.notebook_path(place.resolve() / source.SOURCE)
    if named.is_dir():
        return _only_notebook(named.resolve())
    if (folder / name).is_dir():
        return _only_notebook(folder / name)
    known = sorted(path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.ipynb")))
    near = nearest(name, known)
    raise LabkitError(
        f"No lesson `{name}`; there is: {', '.join(known) or 'none'}.",
        hint=f"Did you mean {near}?" if near else "Name one of these, or a notebook file.",
    )


def _only_notebook(folder: Path) -> Path:
    own = folder / f"{folder.name}.ipynb"
    found = [own] if own.exists() else sorted(folder.glob("*.ipynb"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise LabkitError(f"{folder} should hold one notebook; found: {names}.", hint="Name the notebook file itself.")


# --- running ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Options:
    """How lessons are run: with blanks filled in, with the proof of their checks, without any network."""

    solved: bool = False
    prove: bool = False
    offline: bool = True


def run(
    notebooks: Sequence[Path],
    *,
    timeout_s: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    at_once: int = 1,
    options: Options = Options(),
) -> list[Report]:
    """Runs notebooks, so many at once; `timeout_s` is for each cell. Raises KeyboardInterrupt if interrupted."""
    with _interrupts() as interrupts:
        if at_once == 1 or len(notebooks) < 2:
            reports = []
            for path in notebooks:
                reports.append(_run_one(path, timeout_s, on_progress, interrupts, options))
                interrupts.check()
            return reports
        one_by_one = _OneByOne(on_progress)
        with ThreadPoolExecutor(at_once) as pool:
            waiting = [
                pool.submit(_unless_interrupted, path, timeout_s, one_by_one, interrupts, options) for path in notebooks
            ]
            done = [future.result() for future in waiting]
        interrupts.check()
        return [report for report in done if report is not None]


def _unless_interrupted(
    path: Path,
    timeout_s: float | None,
    on_progress: Callable[[Progress], None],
    interrupts: _Interrupts,
    options: Options,
) -> Report | None:
    try:
        interrupts.check()
        return _run_one(path, timeout_s, on_progress, interrupts, options)
    except KeyboardInterrupt:  # the main thread raises it once all have ended
        return None


class _OneByOne:
    """Progress of several threads, told one at a time."""

    def __init__(self, on_progress: Callable[[Progress], None]) -> None:
        self._on_progress, self._lock = on_progress, threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._on_progress(progress)


def _run_one(
    path: Path,
    timeout_s: float | None,
    on_progress: Callable[[Progress], None],
    interrupts: _Interrupts,
    options: Options,
) -> Report:
    began = time.perf_counter()
    notebook, error = _read(path, options)
    if notebook is None:
        return Report(path, time.perf_counter() - began, cells=0, error=error)
    lesson = _Lesson(path, notebook, timeout_s, on_progress, interrupts, options)
    error = lesson.run()
    return Report(
        path,
        # a proof is work of the author's machine, not of the lesson
        seconds=(lesson.lesson_ended or time.perf_counter()) - began,
        cells=lesson.done,
        error=error,
        facts=tuple(_facts(notebook)),
        texts=texts(notebook),
        budget_s=_budget_s(path),
        solved=options.solved,
        figures_without_alt=figures_without_alt(notebook),
    )


def _budget_s(path: Path) -> float | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads((path.parent / build.FACTS).read_text("utf-8"))["budget_s"])
    return None


def _read(path: Path, options: Options) -> tuple[Any, Failure | None]:
    try:
        if options.solved:
            return _solved(path, options), None
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        return None, Failure("NotebookMissing", f"There is no file {path}.")
    except OSError as problem:
        return None, Failure("NotebookUnreadable", f"Cannot read {path}: {problem.strerror or problem}.")
    except NotJSONError:
        return None, Failure("NotebookUnreadable", f"{path} is not valid JSON, so it is no notebook.")
    except LabkitError as problem:
        return None, Failure(type(problem).__name__, problem.message)
    except (UnicodeDecodeError, nbformat.ValidationError, AttributeError, KeyError, TypeError) as problem:
        reason = words.lines(str(problem))[0]
        return None, Failure("NotebookUnreadable", f"{path} is JSON or text, but no notebook: {reason}")
    return notebook, None


def _solved(path: Path, options: Options) -> Any:
    """The solution of a lesson, from its source, with the proof of its checks as a last cell if that is wanted."""
    lesson = source.read(path.parent / source.SOURCE)
    notebook = build.notebook(lesson, solved=True)
    if options.prove:
        said = lesson.answers()
        cells = {
            name: {"blank": _code(own, "blank"), "solved": _code(own, "solved"), "said": said.get(name, "")}
            for name, own in lesson.exercises().items()
        }
        code = PROOF.format(cells=json.dumps(cells))
        notebook.cells.append(nbformat.v4.new_code_cell(code, id="proof"))
    return notebook


def _code(cells: Sequence[source.Cell], version: str) -> list[str]:
    return [getattr(cell, version) for cell in cells if cell.kind == "code"]


def _facts(notebook: Any) -> Iterator[Fact]:
    """Read at the end, not as outputs come: a display that is updated keeps its place and changes its content."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            fact = output.get("data", {}).get(MIME)
            if isinstance(fact, Mapping):
                yield fact


class _Lesson:
    """One notebook, its kernel, and how far they have come."""

    def __init__(
        self,
        path: Path,
        notebook: Any,
        timeout_s: float | None,
        on_progress: Callable[[Progress], None],
        interrupts: _Interrupts,
        options: Options,
    ) -> None:
        self.path, self.notebook, self.timeout_s = path, notebook, timeout_s
        self._options = options
        self.lesson_ended: float | None = None
        self._on_progress, self._interrupts = on_progress, interrupts
        self.cells = [(i, c) for i, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.strip()]
        self.done = self._greeting_bytes = 0
        # Jupyter's own name for it; with the pid of this process it marks all that the lesson starts
        self.session = str(path.resolve())
        self._kernels = _ThisInterpreter(self.session, options.offline)
        self.manager = AsyncKernelManager(kernel_spec_manager=self._kernels, log=_quiet())
        self.client = NotebookClient(
            notebook,
            km=self.manager,
            timeout_func=lambda cell: timeout_s,
            iopub_timeout=OUTPUT_WAIT_S,
            resources={"metadata": {"path": str(path.resolve().parent)}},
            log=_quiet(),
        )

    def run(self) -> Failure | None:
        self._interrupts.kernels.append(self.manager)
        try:
            with tempfile.TemporaryDirectory(prefix="labkit-progress-") as folder:
                self._kernels.progress = str(Path(folder) / "progress.sqlite3")
                with tempfile.TemporaryFile() as last_words:
                    return self._run_cells(last_words)
        finally:
            self._interrupts.kernels.remove(self.manager)
            _end_processes(self.session)

    def _run_cells(self, last_words: IO[bytes]) -> Failure | None:
        try:
            with self.client.setup_kernel(cleanup_kc=True, stdout=last_words, stderr=last_words):
                self.client.shutdown_kernel = "immediate"
                self._greeting_bytes = os.fstat(last_words.fileno()).st_size
                for index, cell in self.cells:
                    self._interrupts.check()
                    if cell.get("id") == "proof":
                        self.lesson_ended = time.perf_counter()
                    self._tell(_first_line(cell.source))
                    self.client.execute_cell(cell, index, execution_count=self.done + 1)
                    self.done += 1
                self.client.shutdown_kernel = "graceful"
                self._tell("")
        except CellExecutionError as problem:
            return self._cell_failed(problem)
        except CellTimeoutError:
            advice = "Run it again with a larger --timeout, or find what it waits for."
            return self._failed("CellTimeout", f"The cell was stopped after {self.timeout_s:g} s. {advice}")
        except DeadKernelError:
            return self._failed(
                "KernelDied", "The kernel ended while this cell ran.", _tail(last_words, self._greeting_bytes)
            )
        except RuntimeError as problem:
            # jupyter_client has no class of its own for a kernel that does not come up
            return Failure("KernelNotStarted", words.clean(str(problem)), lines=_tail(last_words, self._greeting_bytes))
        return None

    def _tell(self, line: str) -> None:
        self._on_progress(Progress(self.path, self.done, len(self.cells), line))

    def _cell_failed(self, problem: CellExecutionError) -> Failure:
        errors = [o for o in self.cells[self.done][1].outputs if o.output_type == "error"]
        traceback = errors[-1].traceback if errors else [str(problem)]
        return self._failed(problem.ename, problem.evalue, [line for text in traceback for line in words.lines(text)])

    def _failed(self, name: str, value: str, lines: Sequence[str] = ()) -> Failure:
        index, cell = self.cells[self.done]
        return Failure(name, words.clean(value), index, _first_line(cell.source), tuple(lines))


def _first_line(source: str) -> str:
    return words.clean(source.strip().splitlines()[0])


def _tail(last_words: IO[bytes], start: int) -> tuple[str, ...]:
    last_words.seek(start)
    lines = words.lines(last_words.read().decode("utf-8", "replace").strip())
    return tuple(line for line in lines[-LAST_WORDS_LINES:] if line)


def _quiet() -> logging.Logger:
    """What nbclient logs, the report says in a student's words."""
    logger = logging.getLogger("labkit.lesson.run")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


# --- the kernel's process -----------------------------------------------------------------------------------


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs labkit."""

    def __init__(self, session: str, offline: bool) -> None:
        super().__init__()
        self._session, self._offline = session, offline
        self.progress = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="labkit",
            language="python",
            env={name: value.replace("$", "$$") for name, value in self._variables().items()},
        )

    def _variables(self) -> dict[str, str]:
        here = {"JPY_SESSION_NAME": self._session, "LABKIT_PROGRESS": self.progress}
        if not self._offline:
            return {**here, "PYTHONPATH": search_path()}
        return {**here, "PYTHONPATH": os.pathsep.join([str(OFFLINE), search_path()]), "LABKIT_NETWORK": "local"}


def search_path() -> str:
    """PYTHONPATH for a child, so that it finds labkit where this process does, whatever folder it starts in."""
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    # what stands before the standard library came from PYTHONPATH or `-m`; the rest every interpreter has by itself
    ahead = [p for p in itertools.takewhile(lambda p: Path(p).name != archive, sys.path) if p and Path(p).is_dir()]
    scripts = Path(sys.executable).parent
    kept = [path for path in map(os.path.abspath, ahead) if Path(path) != scripts]
    return os.pathsep.join(dict.fromkeys(kept))


def _end_processes(session: str) -> None:
    _, alive = psutil.wait_procs(list(_started_by(session)), timeout=FAREWELL_S)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=FAREWELL_S)


def _started_by(session: str) -> Iterator[psutil.Process]:
    marks = {"JPY_PARENT_PID": str(os.getpid()), "JPY_SESSION_NAME": session}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and marks.items() <= process.environ().items():
                yield process


class _Interrupts:
    """Notes that someone wants the run to end, and ends the kernels, so that whoever waits for one stops waiting."""

    def __init__(self) -> None:
        self.came = False
        self.kernels: list[AsyncKernelManager] = []

    def note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        for kernel in list(self.kernels):
            if pid := getattr(kernel.provisioner, "pid", None):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)  # a kernel leads its own session

    def check(self) -> None:
        if self.came:
            raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # Python delivers signals to the main thread only
        return
    before = {number: signal.signal(number, interrupts.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
