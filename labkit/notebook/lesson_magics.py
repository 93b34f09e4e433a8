"""The teaching magics: each is a thin spelling of a method of `labkit.lesson.workbook.Workbook`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Unicode

from labkit.errors import PayloadUnreadable
from labkit.notebook import grammar
from labkit.settings import Settings

if TYPE_CHECKING:
    from labkit.lesson.workbook import Said, Workbook


@magics_class
class LessonMagics(Magics):
    """What a lesson asks, checks and remembers. `%config LessonMagics` shows what can be set."""

    folder = Unicode("", help="The lesson's folder; the notebook's own if empty.").tag(config=True)

    _workbook: Workbook | None = None

    @property
    def lesson_folder(self) -> Path:
        return Path(self.folder) if self.folder else Path.cwd()

    def exercises(self) -> list[str]:
        """Of this lesson, in their order. Raises LessonUnreadable where there is none."""
        from labkit.lesson.course import lesson_in  # as below

        return list(lesson_in(self.lesson_folder).exercises)

    def predictions(self) -> list[str]:
        """What has been predicted in this lesson and not been compared, the last one first. Raises LessonUnreadable."""
        return self.workbook.open_predictions()

    @property
    def workbook(self) -> Workbook:
        """The lesson of this notebook, made on first use."""
        from labkit.lesson.progress import Progress  # `%load_ext labkit` must stay quick: sqlite3 and more come with it
        from labkit.lesson.workbook import Workbook

        folder = self.lesson_folder
        if self._workbook is None or self._workbook.folder != folder:
            settings = Settings.from_environment(os.environ)
            self._workbook = Workbook(folder, Progress(settings.progress_file()), solutions=settings.solutions)
        return self._workbook

    @magic_arguments()
    @argument("name", help="the prediction's name")
    @argument("--was", action="store_true", help="compare with what this expression is now")
    @needs_local_scope
    @no_var_expand
    @line_magic
    def predict(self, line: str, local_ns: dict[str, Any] | None = None) -> Said:
        """Keep a number or a word before it is computed; --was compares it with what came.

        Example::

            %predict processes 1
            %predict processes --was len({first, second})
        """
        a, rest = grammar.parse_with_payload(self.predict, line)
        if not a.was:
            return self.workbook.predict(a.name, rest)
        try:
            actual = grammar.payload(rest or "None", {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        except PayloadUnreadable:  # its cells are not filled in yet
            actual = None
        return self.workbook.was(a.name, actual)

    @magic_arguments()
    @argument("name", nargs="?", default="", help="an exercise; all of the lesson's, if none is named")
    @line_magic
    def check(self, line: str) -> Said:
        """Check an exercise: passed, not done yet, or what is wrong with it.

        Example::

            %check slope
        """
        a = grammar.parse(self.check, line)
        return self.workbook.check(a.name, self.shell.user_ns)

    @magic_arguments()
    @argument("name", help="the exercise")
    @no_var_expand
    @line_magic
    def answer(self, line: str) -> Said:
        """Answer with a number, a word, or a sentence: the rest of the line.

        Example::

            %answer q2 0.437
        """
        a, rest = grammar.parse_with_payload(self.answer, line)
        return self.workbook.answer(a.name, rest)

    @magic_arguments()
    @argument("name", help="the exercise")
    @line_magic
    def hint(self, line: str) -> Said:
        """Help with the mistake that was found last, one step more each time.

        Example::

            %hint slope
        """
        return self.workbook.hint(grammar.parse(self.hint, line).name)

    @magic_arguments()
    @argument("name", help="the exercise")
    @line_magic
    def solution(self, line: str) -> Said:
        """Show a solution, after two honest attempts.

        Example::

            %solution slope
        """
        return self.workbook.solution(grammar.parse(self.solution, line).name)

    @magic_arguments()
    @argument("name", nargs="?", default="", help="the question to answer; without one, questions are drawn")
    @no_var_expand
    @line_magic
    def recap(self, line: str) -> Said:
        """Draw questions about earlier lessons, or answer one with the rest of the line.

        Example::

            %recap
            %recap 01.processes 3
        """
        a, rest = grammar.parse_with_payload(self.recap, line)
        return self.workbook.recap(a.name, rest)

    @magic_arguments()
    @line_magic
    def progress(self, line: str) -> Said:
        """Show how far you are, and what comes next. `labkit progress --export FILE` takes it with you."""
        grammar.parse(self.progress, line)
        return self.workbook.progress()
