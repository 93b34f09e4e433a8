"""Section 5: billing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labkit.billing import US_EAST_1, bill
from labkit.conformance.behaviour import Behaviour, Pattern, Source
from labkit.conformance.trial import Answer, Trial

SECTION = "5. Billing"
BUSY = """
import time
time.sleep(0.2)
def handler(event, context):
    wall, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - wall < 0.1: pass
    return (time.process_time() - cpu) / (time.monotonic() - wall)
"""


def calls(trial: Trial) -> tuple[Answer, Answer, str]:
    """Scene: a cold call and a warm one of a handler that computes for 0.1 s after an init of 0.2 s, and its name."""
    trial.create(BUSY)
    return trial.invoke(), trial.invoke(), trial.name


def rounded_up_once(trial: Trial) -> object:
    """Whether the bill is init and duration together, rounded up; both are shown to a hundredth."""
    cold = trial.scene(calls)[0]
    exact = cold.report("Init Duration") + cold.report("Duration")
    return -0.02 < cold.report("Billed Duration") - exact < 1.02


def warm_bill(trial: Trial) -> object:
    warm = trial.scene(calls)[1]
    return -0.01 < warm.report("Billed Duration") - warm.report("Duration") < 1.01


def init_is_billed(trial: Trial) -> object:
    cold = trial.scene(calls)[0]
    return cold.report("Billed Duration") >= 200 + 100


def cpu_share(trial: Trial) -> object:
    """The part of a CPU that a handler of 128 MB gets."""
    return f"{trial.scene(calls)[1].payload:.2f}"


def per_ms(architecture: str) -> Callable[[Trial], object]:
    return lambda trial: f"{US_EAST_1.per_gb_s[architecture] * 128 / 1024 / 1000:.1e}"


def linear_in_memory(trial: Trial) -> object:
    """By how much twice the memory costs more, the request's own price left out."""
    trace = trial.lab.traces(trial.scene(calls)[2])[-1]
    free = replace(US_EAST_1, per_million_requests=0.0)
    return round(bill(replace(trace, memory_mb=256), prices=free).usd / bill(trace, prices=free).usd, 6)


def row(
    claim: str, source: Source, expected: object, probe: Callable[[Trial], object], *, excuse: str = ""
) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe, excuse=excuse)


DOC = Source.DOC
BEHAVIOURS = (
    row("1 ms steps, rounded up once over init and duration", DOC, True, rounded_up_once),
    row("a warm call is billed for its duration alone", DOC, True, warm_bill),
    row("the init of an on-demand ZIP function is billed", DOC, True, init_is_billed),
    row(
        "1,769 MB are one vCPU, so 128 MB are 0.07",
        DOC,
        "0.07",
        cpu_share,
        excuse="A share of the CPU needs a control group, which only root or a container may make.",
    ),
    row("x86: USD per ms at 128 MB", DOC, "2.1e-09", per_ms("x86_64")),
    row("arm64: USD per ms at 128 MB", DOC, "1.7e-09", per_ms("arm64")),
    row("linear in memory", DOC, 2.0, linear_in_memory),
    row("USD per million requests", DOC, 0.2, lambda trial: US_EAST_1.per_million_requests),
    row("prices carry their date", DOC, Pattern(r"\d{4}-\d\d-\d\d"), lambda trial: US_EAST_1.as_of.isoformat()),
)
