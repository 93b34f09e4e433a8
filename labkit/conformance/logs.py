"""Section 4: log lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from labkit.conformance.behaviour import MS, UUID4, Behaviour, Pattern, Source
from labkit.conformance.trial import Answer, Trial

SECTION = "4. Log lines"
NUMBERS = rf"Duration: {MS}\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"
REPORT = rf"REPORT RequestId: {UUID4}\t{NUMBERS}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SPEAKING = (
    "import logging\n"
    "logging.getLogger().setLevel('INFO')\n"
    "def handler(event, context):\n"
    "    logging.getLogger().info('one\\ntwo')\n"
    "    return [context.log_group_name, context.log_stream_name]\n"
)
SNAPPED = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"


def spoken(trial: Trial) -> tuple[str, Answer, Answer]:
    """Scene: a cold call and a warm one of a handler that logs two lines as one message; with the function's name."""
    trial.create(SPEAKING)
    return trial.name, trial.invoke(), trial.invoke()


def line(begin: str, *, warm: bool = False) -> Callable[[Trial], object]:
    """The line of the tail that begins so."""

    def probe(trial: Trial) -> object:
        _, first, second = trial.scene(spoken)
        return next(line for line in (second if warm else first).tail.split("\n") if line.startswith(begin))

    return probe


def group(trial: Trial) -> object:
    name, answer, _ = trial.scene(spoken)
    return str(answer.payload[0]).replace(name, "NAME")


def streams(trial: Trial) -> object:
    """The streams that calls see before and after a crash."""
    trial.create("import os\ndef handler(event, context): return os._exit(1) if event else context.log_stream_name")
    before = trial.invoke().payload
    trial.invoke(1)
    return len({before, trial.invoke().payload, *(name for name, _ in trial.lab.logs(trial.name))})


def report_of(source: str, **config: Any) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        trial.create(source, **config)
        return trial.invoke().tail.splitlines()[-1]

    return probe


def bad_init(trial: Trial) -> object:
    trial.create("raise ValueError('no')")
    trial.invoke()
    return trial.log_line("INIT_REPORT")


def good_init(trial: Trial) -> object:
    name, _, _ = trial.scene(spoken)
    return "INIT_REPORT" in trial.log(name)


def snap_started(trial: Trial) -> tuple[object, str]:
    """Scene: a call of a SnapStart version: its initialization type, and its REPORT line."""
    trial.create(SNAPPED, SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
    answer = trial.invoke(Qualifier="1")
    return answer.payload, answer.tail.splitlines()[-1]


def as_json(trial: Trial) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Scene: the variables and the log of a function that logs JSON from the level WARN on."""
    source = (
        "import logging, os\n"
        "def handler(event, context):\n"
        "    logging.getLogger().info('quiet')\n"
        "    logging.getLogger().warning('loud')\n"
        "    return {name: value for name, value in os.environ.items() if name.startswith('AWS_LAMBDA_LOG_')}\n"
    )
    trial.create(source, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    answer = trial.invoke()
    return answer.payload, [json.loads(line) for line in answer.tail.splitlines() if line.startswith("{")]


def json_messages(trial: Trial) -> object:
    records = trial.scene(as_json)[1]
    return [[record["level"], record["message"]] for record in records if "message" in record]


def json_records(trial: Trial) -> object:
    return [
        record["type"]
        for record in trial.scene(as_json)[1]
        if record.get("type") != "platform.initStart" and "type" in record
    ]


def memory_growth(trial: Trial) -> object:
    """Whether Max Memory Used follows what a handler takes."""
    trial.create("kept = []\ndef handler(event, context): kept.append(b'x' * event)", MemorySize=256)
    before = trial.invoke(0).report("Max Memory Used")
    return 70 <= trial.invoke(80_000_000).report("Max Memory Used") - before <= 90


def row(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe)


REC, DOC, RIC, LOG = Source.REC, Source.DOC, Source.RIC, Source.LOG
BEHAVIOURS = (
    row("the group is named after the function", REC, "/aws/lambda/NAME", group),
    row(
        "a stream is YYYY/MM/DD/[VERSION] and 32 digits",
        REC,
        Pattern(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"),
        lambda trial: trial.scene(spoken)[1].payload[1],
    ),
    row("an environment has one stream for its whole life, crashes included", REC, 1, streams),
    row("START", REC, Pattern(rf"START RequestId: {UUID4} Version: \$LATEST"), line("START")),
    row("END", REC, Pattern(rf"END RequestId: {UUID4}"), line("END")),
    row(
        "REPORT of a cold start: Init Duration last, trailing tab",
        REC,
        Pattern(rf"{REPORT}Init Duration: {MS}\t"),
        line("REPORT"),
    ),
    row("REPORT of a warm start: no Init Duration, trailing tab", REC, Pattern(REPORT), line("REPORT", warm=True)),
    row(
        "no status in REPORT after an exception",
        LOG,
        Pattern(rf"{REPORT}Init Duration: {MS}\t"),
        report_of("def handler(e, c): 1 / 0"),
    ),
    row(
        "Status: timeout",
        LOG,
        Pattern(rf"{REPORT}Init Duration: {MS}\tStatus: timeout"),
        report_of("import time\ndef handler(event, context): time.sleep(60)", Timeout=1),
    ),
    row(
        "Status: error and its type",
        LOG,
        Pattern(rf"{REPORT}Init Duration: {MS}\tStatus: error\tError Type: Runtime\.ExitError"),
        report_of("import os\ndef handler(event, context): os._exit(1)"),
    ),
    row(
        "INIT_REPORT of a bad init",
        LOG,
        Pattern(rf"INIT_REPORT Init Duration: {MS}\tPhase: init\tStatus: error\tError Type: .*"),
        bad_init,
    ),
    row("no INIT_REPORT of a good init", LOG, False, good_init),
    row(
        "REPORT with SnapStart: the restore in the place of the init",
        DOC,
        Pattern(rf"{REPORT}Restore Duration: {MS}\tBilled Restore Duration: \d+ ms\t"),
        lambda trial: trial.scene(snap_started)[1],
    ),
    row(
        "Python's text format, a message of two lines whole",
        RIC,
        [True, True],
        lambda trial: _whole(trial.scene(spoken)[1]),
    ),
    row(
        "AWS_LAMBDA_LOG_FORMAT follows the configuration",
        RIC,
        "JSON",
        lambda trial: trial.scene(as_json)[0].get("AWS_LAMBDA_LOG_FORMAT"),
    ),
    row(
        "AWS_LAMBDA_LOG_LEVEL follows the configuration",
        RIC,
        "WARN",
        lambda trial: trial.scene(as_json)[0].get("AWS_LAMBDA_LOG_LEVEL"),
    ),
    row("JSON messages, filtered by level", RIC, [["WARNING", "loud"]], json_messages),
    row("the platform's records in JSON", DOC, ["platform.start", "platform.report"], json_records),
    row("Max Memory Used is measured", REC, True, memory_growth),
)


def _whole(answer: Answer) -> list[bool]:
    """Whether the message stands in the tail as one, and after what."""
    wanted = re.compile(rf"\[INFO\]\t{TIME}\t{answer.request_id}\tone\ntwo\n")
    return [bool(wanted.search(answer.tail)), answer.tail.count("one\ntwo") == 1]
