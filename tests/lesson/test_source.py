from __future__ import annotations

import pytest

from labkit.errors import LessonUnreadable
from labkit.lesson.source import both_versions, read


@pytest.mark.parametrize(
    ("line", "blank"),
    [
        ("slope = xy / xx  # SOLUTION", "slope = ..."),
        ("a, b = fit(x)  # SOLUTION", "a, b = ..."),
        ("    w[0] = 1  # SOLUTION", "    w[0] = ..."),
        ("    return 2 * x  # SOLUTION", "    return ..."),
        ("%answer q2 0.437  # SOLUTION", "%answer q2 ..."),
        ("%predict a b c  # SOLUTION", "%predict a ..."),
        ("    assert a == b  # SOLUTION", "    ..."),
        ("x += 1  # SOLUTION", "..."),
    ],
)
def test_a_line_marked_as_solution_loses_its_answer_and_keeps_its_name(line, blank):
    assert both_versions(line, None) == (blank, line.partition("  # SOLUTION")[0])


def test_a_block_is_replaced_by_one_blank_at_its_own_depth():
    text = "def f(x):\n    # BEGIN SOLUTION\n    y = 2 * x\n    return y\n    # END SOLUTION"
    assert both_versions(text, None) == ("def f(x):\n    ...  # your code", "def f(x):\n    y = 2 * x\n    return y")


def test_a_block_may_bring_its_own_blank():
    text = "# BEGIN SOLUTION\nb = qr(X)\n# BLANK\nb = np.zeros(3)\n# END SOLUTION\nprint(b)"
    assert both_versions(text, None) == ("b = np.zeros(3)\nprint(b)", "b = qr(X)\nprint(b)")


def test_what_is_no_solution_is_the_same_in_both():
    text = "x = 1  # the SOLUTION is below"
    assert both_versions(text, None) == (text, text)


def test_a_block_without_an_end_is_told(tmp_path):
    with pytest.raises(LessonUnreadable, match="no `# END SOLUTION`"):
        both_versions("# BEGIN SOLUTION\nx = 1", tmp_path / "source.md")


def test_a_source_gives_sections_exercises_tags_and_answers(write_lesson):
    lesson = read(write_lesson(answer="%answer q 0.5  # SOLUTION"))
    assert lesson.header.objectives == ("fit a line",)
    assert [cell.section for cell in lesson.cells if cell.section] == ["hook"]
    assert list(lesson.exercises()) == ["slope", "q"]
    assert lesson.answers() == {"q": "0.5"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id: "02"', 'id: "03"', "the folder's two digits"),
        ("minutes: 75", "minutes: long", "minutes is 'long'"),
        ("minutes: 75", "", "lacks minutes"),
        ("minutes: 75", "minutes: 75\n  colour: red", "unknown entry `colour`"),
        ("objectives: [fit a line]", "objectives: fit a line", "list of texts"),
        ("kind: lesson", "kind: exam", "one of lesson, orientation, capstone"),
        ("minutes: 75", "minutes: {a?}", "source.md: "),
        ("labkit:", "lab:", "no header `labkit:`"),
        ("recap: []", "recap: [{question: why}]", "id, question, answer"),
    ],
)
def test_a_header_that_is_not_right_says_where(write_lesson, old, new, said):
    path = write_lesson()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LessonUnreadable, match=said):
        read(path)
