"""10,000 messages of a queue through a function that fails a tenth of them each time: where each one ends, how fast.

    python tests/bench/pull.py            about a minute
    python tests/bench/pull.py 1000       fewer messages

Two more rounds for what failed run on the lab's clock. Ends with status 1 if a message is neither processed nor in the
dead-letter queue. CPU time is that of the emulator (its loop and botocore's threads), of moto, and of the handlers.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from labkit import Lab

HANDLER = """
def handler(event, context):
    with open({path!r}, "a") as file: file.write("".join(r["body"] + "\\n" for r in event["Records"]))
    bad = [r["messageId"] for r in event["Records"] if int(r["body"]) % 10 == 0]
    return {{"batchItemFailures": [{{"itemIdentifier": each}} for each in bad]}}
"""
ARN = "arn:aws:sqs:us-east-1:123456789012:"
LONGEST_S = 600.0


def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as folder, Lab(notice=lambda message: None) as lab:
        note = Path(folder) / "note"
        lab.deploy("f", HANDLER.format(path=str(note)))
        return run(lab, note, count)


def run(lab: Lab, note: Path, count: int) -> int:
    sqs = lab.boto3("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}dead", "maxReceiveCount": 3})
    url = sqs.create_queue(QueueName="q", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    began = time.monotonic()
    for start in range(0, count, 10):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    print(f"sent       {count} messages in {time.monotonic() - began:.1f} s")

    began, before = time.monotonic(), cpu_s(lab)
    lab.boto3("lambda").create_event_source_mapping(
        EventSourceArn=f"{ARN}q", FunctionName="f", FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    wait(lambda: note.exists() and len(set(note.read_text().split())) == count)
    wall_s = time.monotonic() - began
    used = {name: seconds - before.get(name, 0.0) for name, seconds in cpu_s(lab).items()}
    print(f"first run  {wall_s:.1f} s, {count / wall_s:.0f} messages/s; CPU " + words(used))

    began = time.monotonic()
    while left(sqs, url) and time.monotonic() - began < LONGEST_S:
        lab.advance(31)
        time.sleep(0.05)
    print(f"retries    {time.monotonic() - began:.1f} s for {count // 10} messages that failed three times")
    return verdict(note, buried(sqs, dead), count)


def verdict(note: Path, in_dead: list[int], count: int) -> int:
    runs = Counter(int(line) for line in note.read_text().split())
    lost = [n for n in range(count) if runs[n] < (3 if n % 10 == 0 else 1)]
    wrong = sorted(set(in_dead) ^ set(range(0, count, 10)))
    twice = sum(runs[n] > (3 if n % 10 == 0 else 1) for n in range(count))
    print(
        f"processed  {count - count // 10}; dead letters {len(in_dead)}; lost {len(lost)}; more often than due {twice}"
    )
    return 1 if lost or wrong or len(in_dead) != len(set(in_dead)) else 0


def left(sqs: object, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]  # type: ignore[attr-defined]
    return sum(int(each) for each in found.values())


def buried(sqs: object, url: str) -> list[int]:
    found: list[int] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):  # type: ignore[attr-defined]
        found += [int(message["Body"]) for message in messages]
    return found


def cpu_s(lab: Lab) -> dict[str, float]:
    emulator = psutil.Process(lab.status()["pid"])
    used = {"emulator": 0.0, "moto": 0.0, "handlers": 0.0}
    for process in (emulator, *emulator.children(recursive=True)):
        line = " ".join(process.cmdline())
        name = "emulator" if process == emulator else "moto" if "mockaws" in line else "handlers"
        used[name] += process.cpu_times().user + process.cpu_times().system
    return used


def words(used: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in used.items())


def wait(condition: object) -> None:
    ends = time.monotonic() + LONGEST_S
    while not condition() and time.monotonic() < ends:  # type: ignore[operator]
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
