"""What is shown while something takes long, and that it makes way."""

from __future__ import annotations

import threading

import pytest

from labkit.client import Interrupted
from labkit.life import Life, Look
from labkit.notebook import live
from labkit.notebook.live import BETWEEN_S, PATIENCE_S, TELLER, LiveView, Progress, tell_of_calls


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Display:
    """Takes the place of IPython's: what each display holds, and how often it changed."""

    def __init__(self) -> None:
        self.shown: list[list[live.Drawn]] = []
        self.kernel = True

    def __call__(self, drawn, display_id):
        history = [drawn]
        self.shown.append(history)
        return type("Handle", (), {"update": staticmethod(history.append)})


@pytest.fixture
def display(monkeypatch) -> Display:
    made = Display()
    monkeypatch.setattr(live, "display", made)
    monkeypatch.setattr(live, "get_ipython", lambda: made if made.kernel else object())
    yield made
    live.stop()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("labkit")]


def test_what_takes_less_than_half_a_second_shows_nothing(display):
    clock = Clock()
    progress = Progress("Deploying f", clock)
    clock.now += PATIENCE_S - 0.01
    progress.tell()
    progress.close()
    assert display.shown == []


def test_what_takes_longer_is_said_and_its_line_makes_way(display):
    clock = Clock()
    progress = Progress("Deploying f", clock)
    clock.now += 1.2
    progress.tell()
    progress.close()
    progress.tell()  # the thread may have been about to
    assert [[str(drawn) for drawn in one] for one in display.shown] == [["Deploying f (1 s) …", ""]]


def test_a_count_is_a_bar_that_says_its_numbers(display):
    clock = Clock()
    progress = Progress("Measuring <f>", clock)
    progress(2, 4)
    clock.now += 2
    progress.tell()
    [[drawn]] = display.shown
    assert drawn.text == "Measuring <f>: 2 of 4 (2 s) [##########          ]"
    assert '<progress value="2" max="4" aria-label="Measuring &lt;f&gt;">' in drawn.html


@pytest.mark.parametrize(("kernel", "between_s"), [(True, BETWEEN_S), (False, live.TERMINAL_S)])
def test_a_display_changes_ten_times_a_second_at_most_and_seldom_in_a_terminal(display, kernel, between_s):
    display.kernel = kernel
    clock, life = Clock(), Life()
    view = LiveView(clock)
    for tick in range(2001):
        life.look(Look(tick / 100, {"e": ("f", "idle")}))
        view(life.picture())
        clock.now += 0.01
    [history] = display.shown
    assert 2 <= len(history) <= (20 - PATIENCE_S) / between_s + 2


def test_work_that_says_nothing_is_told_of_by_a_thread_that_ends(display, wait_until):
    with Progress("Deploying f"):
        wait_until(lambda: display.shown)
        assert threads() == ["labkit-progress"]
    assert str(display.shown[0][-1]) == ""
    wait_until(lambda: threads() == [])


def test_a_thousand_short_pieces_of_work_share_a_thread_and_show_nothing(display):
    for _ in range(1000):
        with Progress("Running f"):
            pass
    assert len(threads()) <= 1
    assert display.shown == []


def test_work_within_work_is_silent(display, wait_until):
    with Progress("Deploying f"), Progress("Waiting for s3"):
        wait_until(lambda: display.shown)
    assert [str(one[0]).split(" (")[0] for one in display.shown] == ["Deploying f"]


def test_an_interrupt_says_what_it_interrupted(display):
    with pytest.raises(Interrupted, match="Deploying f: stopped") as raised, Progress("Work"), Progress("Deploying f"):
        raise KeyboardInterrupt
    assert raised.value._render_traceback_() == [f"Interrupted: {raised.value}"]


def test_what_an_interrupted_call_says_by_itself_stays(display):
    with pytest.raises(Interrupted, match=r"^f was stopped$"), Progress("Running f"):
        raise Interrupted("f was stopped")


def test_unloading_leaves_no_thread(display):
    work = Progress("Running f")
    work.__enter__()
    live.stop()
    assert threads() == []


def test_a_boto3_call_that_takes_long_is_told_of_and_an_interrupted_one_ends_with_its_cell(display, wait_until):
    import boto3

    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    tell_of_calls(client)
    tell_of_calls(client)

    def slow(**_):
        wait_until(lambda: display.shown)
        raise KeyboardInterrupt

    client.meta.events.register("before-send", slow)
    with pytest.raises(KeyboardInterrupt):
        client.list_buckets()
    assert [str(drawn).split(" (")[0] for drawn in display.shown[0]] == ["Waiting for s3, ListBuckets"]
    live.after_cell(None)
    assert str(display.shown[0][-1]) == ""
    assert TELLER._current is None


@pytest.mark.process
def test_a_boto3_call_that_has_ended_is_told_of_no_more(shell, lab):
    client = shell.run("lab_ = get_ipython()._labkit[0][0].lab_of_kernel\nlab_.boto3('s3')")
    assert client.list_buckets()["Buckets"] == []
    assert TELLER._current is None


@pytest.mark.process
def test_lab_watch_gives_the_last_picture(shell):
    shell.run("%%function f\ndef handler(event, context): return event")
    shell.run("%invoke f 1")
    picture = shell.run("%lab watch 0s")
    shown = shell.show(picture)
    assert "| f" not in shown["text/plain"]
    assert shown["text/plain"].splitlines()[3].split()[:2] == ["f", "0"]
    assert 'role="img"' in shown["text/html"]
