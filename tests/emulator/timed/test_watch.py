"""Which requests are a reason to look at what is scheduled, and that all others make nothing at all."""

from __future__ import annotations

import pytest

from labkit.emulator.timed.watch import Watch, changed_by

SIGNED = (b"authorization", b"AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/events/aws4_request, Signature=0")


def request(target=b"AWSEvents.PutRule", method="POST", signed=True):
    return {"method": method, "headers": [(b"x-amz-target", target), *([SIGNED] if signed else [])]}


@pytest.mark.parametrize(
    ("service", "scope", "changed"),
    [
        ("events", request(), ("events",)),
        ("events", request(b"AWSEvents.PutEvents"), ()),
        ("events", request(b"AWSEvents.ListRules"), ()),
        ("scheduler", request(method="PUT"), ("scheduler",)),
        ("scheduler", request(method="GET"), ()),
        ("cloudformation", request(), ("events", "scheduler")),
        ("sqs", request(), ()),
    ],
)
def test_only_changes_are_a_reason_to_read_again(service, scope, changed):
    assert changed_by(service, scope) == changed


class FakeTimer:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.stopped = False

    def changed(self, service, region):
        self.seen.append((service, region))

    def forget(self):
        self.seen.clear()

    def stop(self):
        self.stopped = True


def test_the_timer_is_made_at_the_first_change_and_told_of_each():
    made = []

    def make():
        made.append(FakeTimer())
        return made[-1]

    watch = Watch(make)
    watch.passed("events", request(b"AWSEvents.PutEvents"))
    watch.passed("events", request(signed=False))
    watch.forget()
    watch.stop()
    assert made == []
    watch.passed("events", request())
    watch.passed("cloudformation", request())
    watch.stop()
    [timer] = made
    assert timer.seen == [("events", "eu-west-1"), ("events", "eu-west-1"), ("scheduler", "eu-west-1")]
    assert timer.stopped
    watch.forget()
    assert timer.seen == []
