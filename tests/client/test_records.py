"""One trace, and the bill of all, from Python."""

from __future__ import annotations

import pytest

from labkit.billing import bill
from labkit.errors import BadLoad, NotInvoked, UnknownFunction

pytestmark = pytest.mark.process


def test_the_last_trace_of_a_function_and_the_one_of_a_request(lab):
    f = lab.deploy("recorded", "def handler(event, context): return event")
    first, second = f.invoke(1), f.invoke(2)
    assert f.trace() == second.trace
    assert lab.trace(first.request_id) == first.trace
    assert lab.trace() == second.trace


def test_the_bill_is_of_the_calls_that_were_made(lab):
    f = lab.deploy("billed_in_python", "def handler(event, context): return event", memory_mb=256)
    outcomes = [f.invoke(n) for n in range(3)]
    assert f.cost().usd == pytest.approx(sum(bill(o.trace).usd for o in outcomes))
    assert f.cost(requests=3e6).rows[0].usd_for_requests == pytest.approx(0.60)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda lab: lab.trace("nobody"), UnknownFunction),
        (lambda lab: lab.trace("uncalled"), NotInvoked),
        (lambda lab: lab.trace("00000000-0000-4000-8000-000000000000"), NotInvoked),
        (lambda lab: lab.cost("nobody"), UnknownFunction),
        (lambda lab: lab.cost("uncalled"), NotInvoked),
        (lambda lab: lab.cost(requests=float("nan")), BadLoad),
        (lambda lab: lab.cost(architecture="sparc"), BadLoad),
    ],
)
def test_what_was_not_recorded_is_an_error_that_says_so(lab, ask, error):
    lab.deploy("uncalled", "def handler(event, context): return event")
    with pytest.raises(error):
        ask(lab)
