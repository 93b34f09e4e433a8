"""What is said about a load test, and about one under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labkit.loadtest import SHARES, LiveLoad, LoadTest, Percentile
from labkit.show import words
from labkit.show.cards import Rows
from labkit.simulation import FAILED

LOADTEST_QUESTION = "How did the function take this load?"
MEASURED = (
    "Measured on this machine, which emulator, environments and sender share: not AWS's speed. Times count from when a"
    " request should have been sent."
)
BAR = 30


def title(t: LoadTest) -> str:
    early = ", interrupted" if t.interrupted else ""
    return words.clean(f"{t.label}: {t.load}, for {t.for_s:,.4g} s{early}")


def rows(t: LoadTest) -> Rows:
    """What became of the requests, how long they took, whether the sender was on time, and what it costs."""
    bill = t.bill()
    found = [
        ("requests", _requests(t)),
        ("throughput", f"{t.throughput:,.1f} served per second"),
        ("time", _times(t)),
        ("sender", sender(t)),
        ("cold starts", f"{t.cold:,} of {t.traced:,} traced calls" if t.traced else ""),
        ("in flight", f"{words.few(t.mean_in_system)} on average, {t.peak_in_system:,} at most" if len(t) else ""),
        ("environments", f"{len(t.environments.started):,} served it; {_alive(t)}"),
        ("throttled", _counted(t.reasons)),
        ("failed", _counted(_failures(t))),
        ("cost", f"USD {words.few(bill.usd)} for {words.few(bill.gb_s)} GB-s (AWS's prices of {bill.prices.as_of})"),
        ("not traced", _untraced(t) if t.untraced else ""),
    ]
    return tuple((label, words.clean(value)) for label, value in found if value)


def sender(t: LoadTest) -> str:
    """Whether the times can be believed."""
    if not len(t):
        return ""
    if t.kept_up:
        return f"on time: 99 % of the requests left within {words.duration(t.lag_s)} of their moment"
    why = f", {t.starved:,} because every connection was waiting for an answer" if t.starved else ""
    return (
        f"LATE: one request in a hundred left more than {words.duration(t.lag_s)} after its moment{why}."
        " This machine cannot send and serve so much at once; take a lower rate."
    )


def _requests(t: LoadTest) -> str:
    unsent = t.planned - len(t)
    parts = [
        f"{t.served:,} served",
        f"{t.throttled:,} throttled",
        f"{t.failed:,} failed",
        f"{t.unanswered:,} unanswered" if t.unanswered else "",
        f"{unsent:,} never sent" if unsent else "",
    ]
    return f"{t.planned:,}: {', '.join(part for part in parts if part)}"


def _times(t: LoadTest) -> str:
    if not t.served:
        return ""
    if not t.kept_up:
        return "no percentiles: the sender was late, and its own waiting would be in them"
    return f"{shares(t.percentiles(*SHARES))} (of {t.served:,} served)"


def shares(found: Sequence[Percentile]) -> str:
    """ "50 % 3.10 ms, 99 % 9.40 ms (10 took longer)": how many requests a rare percentile rests on."""
    return ", ".join(
        f"{100 * p.share:g} % {words.duration(p.time_s)}" + (f" ({p.beyond:,} took longer)" if p.share > 0.9 else "")
        for p in found
    )


def _alive(t: LoadTest) -> str:
    most = max((s.initialising + s.busy + s.idle for s in t.samples), default=0)
    gone = t.samples[-1].gone if t.samples else 0
    return f"{most:,} alive at most" + (f", {gone:,} gone" if gone else "")


def _failures(t: LoadTest) -> list[tuple[str, int]]:
    pairs = zip(t.requests.status, t.reason, strict=True)
    return Counter(reason or "failed" for status, reason in pairs if status == FAILED).most_common()


def _counted(reasons: Sequence[tuple[str, int]]) -> str:
    return words.listing(f"{count:,} {reason}" for reason, count in reasons) if reasons else ""


def _untraced(t: LoadTest) -> str:
    return (
        f"{t.untraced:,} calls: the emulator keeps the latest traces only. Cold starts, environments and cost are"
        f" those of the other {t.traced:,}."
    )


# --- under way ----------------------------------------------------------------------------------------------


def live_lines(live: LiveLoad) -> list[str]:
    """A load test at this moment: three lines."""
    e = live.environments
    times = ", ".join(f"{100 * p.share:g} % {words.duration(p.time_s)}" for p in live.recent)
    done = min(1.0, live.at_s / live.for_s) if live.for_s else 1.0
    return [
        words.clean(f"{live.label}: {live.load}")
        + f"  [{'#' * round(BAR * done):<{BAR}}] {min(live.at_s, live.for_s):.0f} of {live.for_s:,.0f} s",
        f"  requests      {live.sent:,} of {live.planned:,} sent, {live.in_flight:,} in flight, {live.served:,} served,"
        f" {live.throttled:,} throttled, {live.failed:,} failed" + (f"; latest: {times}" if times else ""),
        f"  environments  {e.initialising:,} initialising, {e.busy:,} busy, {e.idle:,} idle (frozen), {e.gone:,} gone",
    ]
