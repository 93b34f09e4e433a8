from __future__ import annotations

import pytest

from labkit.lesson.coverage import Concept, Matrix, Planned
from labkit.lesson.lint import lint, misspelt

MATRIX = Matrix({"02": Planned("A line", "B", 75, 6)}, {"lines": Concept("lines", ("02",), ("02",))})
ROUND = """+++ {"section": "round"}

> **Predict.** What?

```{code-cell} ipython3
%predict p 1  # SOLUTION
```

```{code-cell} ipython3
%predict p --was 1
```

"""
GOOD = (
    """---
kernelspec: {name: python3, display_name: Python 3, language: python}
labkit:
  id: "02"
  title: A line
  title_zh: 一条直线
  minutes: 75
  budget_s: 6
  prerequisites: []
  data: []
  objectives: [fit a line]
  concepts: [lines]
  recap:
    - {id: a, difficulty: 1, question: A, answer: a}
    - {id: b, difficulty: 2, question: B, answer: b}
    - {id: c, difficulty: 3, question: C, answer: c}
---

+++ {"section": "recap"}

```{code-cell} ipython3
%load_ext labkit
%recap
```

+++ {"section": "hook"}

# Why a regression line?

![Nine points, and a line that goes between them](line.png) as [Gauss](https://example.org) knew, see [above](#why-a-regression-line?).

+++ {"section": "worked"}

## Worked

"""
    + 3 * ROUND
    + """+++ {"section": "derivation"}

## Derived

+++ {"section": "faded"}

```{code-cell} ipython3
:exercise: slope

slope = 2  # SOLUTION
```

+++ {"section": "faded"}

```{code-cell} ipython3
:exercise: q

%answer q 0.5  # SOLUTION
```

+++ {"section": "deploy"}

## Deploy

+++ {"section": "checks"}

```{code-cell} ipython3
%check slope
```

+++ {"section": "exit"}

```{code-cell} ipython3
:exercise: why

%answer why it is so  # SOLUTION
```

+++ {"section": "glossary"}

| English | 中文 | meaning |
|---|---|---|
| regression line | 回归线 | what is fitted |
| least squares | 最小二乘 | how |

+++ {"section": "next"}

On.
"""
)


@pytest.fixture
def findings(write_lesson):
    """What the linter says of the good lesson after a change."""

    def of(*changes: tuple[str, str]) -> list[str]:
        path = write_lesson()
        (path.parent / "line.png").write_bytes(b"")
        text = GOOD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text, "utf-8")
        return [f"{f.rule}: {f.message}" for f in lint([path], MATRIX)]

    return of


def test_a_lesson_that_owes_nothing_has_no_findings(findings):
    assert findings() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("objectives: [fit a line]", "objectives: [understanding lines]", "header: objective 'understanding lines'"),
        ("title_zh: 一条直线", "title_zh: line", "header: title_zh"),
        ("prerequisites: []", 'prerequisites: ["05"]', "header: prerequisite '05'"),
        ("difficulty: 3", "difficulty: 2", "header: it offers 3 recap items"),
        ("minutes: 75", "minutes: 20", "budget: budget 6 s and 20 min; coverage.yaml has 6 s and 75 min"),
        ("concepts: [lines]", "concepts: []", "concepts: coverage.yaml gives it the concept 'lines'"),
        (
            "concepts: [lines]",
            "concepts: [lines, line]",
            "concepts: concept 'line' is not in coverage.yaml; did you mean",
        ),
        ('"section": "derivation"', '"section": "proof"', "sections: section 'proof' is unknown"),
        ('+++ {"section": "derivation"}', "", "sections: section 'derivation' is there 0 times"),
        (ROUND, "", "sections: section 'round' is there 2 times; 3 wanted"),
        ('"section": "hook"', '"section": "exit"', "sections: sections stand in the order recap, exit"),
        ("%predict p 1  # SOLUTION", "1 + 1", "rounds: round 1 has no %predict cell"),
        (":exercise: slope", ":exercise: slop", "exercises: a cell belongs to exercise 'slop'"),
        ("slope = 2  # SOLUTION", "slope = 2", "exercises: the cells of exercise 'slope' have nothing to fill in"),
        ("%check slope", "%check", "exercises: no cell says %check slope"),
        ("Nine points, and a line that goes between them", "line", "alt text: the picture line.png has the alt text"),
        ("slope = 2  # SOLUTION", "plt.plot(x)  # SOLUTION", "alt text: a cell that plots gives no alt text"),
        ("(line.png)", "(lime.png)", "links: the link lime.png leads nowhere"),
        ("https://example.org", "http://example.org", "links: the link http://example.org"),
        ("(#why", "(#how", "links: the link #how"),
        (
            "| regression line | 回归线 |",
            "| regression line | line |",
            "glossary: the term 'regression line' has no Chinese",
        ),
        ("Why a regression line?", "Why a regresion line?", "glossary: 'regresion line' should be spelt"),
        ("slope = 2  # SOLUTION", "slope = %timeit -o x  # SOLUTION", "code: a cell that measures time needs"),
        ("slope = 2  # SOLUTION", "slope = fetch_openml()  # SOLUTION", "code: data is fetched"),
        ("slope = 2  # SOLUTION", f"slope = {'2' * 90}  # SOLUTION", "code: a line is wider than 84"),
        ("%load_ext labkit\n", "", "code: the first cell of code is not %load_ext labkit"),
        ("minutes: 75", "minutes: no", "readable: "),
    ],
)
def test_what_is_owed_is_said(findings, old, new, said):
    found = findings((old, new))
    assert [f for f in found if f.startswith(said)], found


def test_a_hint_for_a_mistake_that_nothing_diagnoses_is_found(findings, write_lesson, tmp_path):
    findings()
    checks = tmp_path / "lessons" / "02-line" / "checks.py"
    checks.write_text(checks.read_text().replace('hints={"not-least"', 'hints={"not-last"'))
    assert "hint for 'not-last'" in str(lint([checks.with_name("source.md")], MATRIX)[0])


def test_an_orientation_is_spared_what_only_lessons_owe(findings):
    change = [('id: "02"', 'id: "02"\n  kind: orientation'), ('+++ {"section": "derivation"}', ""), (ROUND, "")]
    assert findings(*change) == []


def test_a_term_has_one_translation_in_all_lessons(findings, write_lesson):
    findings()
    first = write_lesson("03-more").parent.parent / "02-line" / "source.md"
    second = first.parent.parent / "03-more" / "source.md"
    second.write_text(GOOD.replace('id: "02"', 'id: "03"').replace("最小二乘", "最小平方"), "utf-8")
    assert "least squares is '最小平方' here and '最小二乘' in 02-line" in str(lint([first, second], MATRIX)[-1])


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("a cold start, Cold starts, a cold-start time", []),
        ("a coldstart", ["coldstart"]),
        ("a cold sart, a cold strat", ["cold sart", "cold strat"]),
        ("the call starts, a cold state of things", []),
    ],
)
def test_near_misses_of_a_term_are_found_and_honest_words_are_not(prose, found):
    assert misspelt("cold start", prose) == found
