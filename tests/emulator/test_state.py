"""An emulator with a folder for its state, killed and started again: real processes, real boto3."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from labkit import Lab

pytestmark = pytest.mark.process

KEYS = {"LABKIT_ACCESS_KEY_ID": "AKIASTATE", "LABKIT_SECRET_ACCESS_KEY": "s3cret"}
ROUNDS, WRITES = 20, 1000


class Emulator:
    """`labkit serve --state FOLDER`, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "labkit.emulator", "--port", "0", "--state", str(self.folder)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **KEYS}
        )
        self.endpoint = self.process.stdout.readline().strip()
        self.connection = {
            "endpoint_url": self.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": KEYS["LABKIT_ACCESS_KEY_ID"],
            "aws_secret_access_key": KEYS["LABKIT_SECRET_ACCESS_KEY"],
        }
        config = Config(retries={"total_max_attempts": 1})
        self.aws = boto3.client("lambda", **self.connection, config=config)

    def end(self, number: int) -> str:
        """Signals it and waits for its end and for that of all it started; returns what it said."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        psutil.wait_procs(family, timeout=20)
        return errors

    def again(self, number: int = signal.SIGKILL) -> None:
        self.end(number)
        self.start()


@pytest.fixture
def emulator(tmp_path):
    emulator = Emulator(tmp_path / "state")
    yield emulator
    if emulator.process.poll() is None:
        emulator.end(signal.SIGTERM)


def zipped(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
        archive.writestr("python/shared.py", "")
    return buffer.getvalue()


def create(aws, name="f", source="def handler(event, context): return event", **more):
    aws.create_function(
        FunctionName=name, Runtime="python3.13", Role="arn:aws:iam::123456789012:role/r", Handler="app.handler",
        Code={"ZipFile": zipped(source)}, **more,
    )  # fmt: skip
    aws.get_function_configuration(FunctionName=name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_function_with_all_it_has_is_there_again_and_runs(emulator, number):
    aws = emulator.aws
    layer = aws.publish_layer_version(LayerName="shared", Content={"ZipFile": zipped("")})["LayerVersionArn"]
    create(aws, source="import shared\ndef handler(e, c): return c.function_version", Layers=[layer], Tags={"a": "b"})
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
    use = {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    aws.add_layer_version_permission(LayerName="shared", VersionNumber=1, **use)
    profile = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/0123456789"]}
    signing = aws.create_code_signing_config(AllowedPublishers=profile)["CodeSigningConfig"]
    aws.put_function_code_signing_config(FunctionName="f", CodeSigningConfigArn=signing["CodeSigningConfigArn"])
    before = aws.get_function(FunctionName="f")
    policy = aws.get_layer_version_policy(LayerName="shared", VersionNumber=1)["Policy"]
    emulator.again(number)
    after = emulator.aws.get_function(FunctionName="f")
    for answer in (before, after):
        del answer["ResponseMetadata"], answer["Code"]["Location"]
    assert after == before
    answer = emulator.aws.invoke(FunctionName="f", Qualifier="live")
    assert json.load(answer["Payload"]) == "1"
    assert emulator.aws.get_layer_version_by_arn(Arn=layer)["Version"] == 1
    assert emulator.aws.get_layer_version_policy(LayerName="shared", VersionNumber=1)["Policy"] == policy
    assert emulator.aws.list_code_signing_configs()["CodeSigningConfigs"] == [signing]
    found = emulator.aws.get_function_code_signing_config(FunctionName="f")
    assert found["CodeSigningConfigArn"] == signing["CodeSigningConfigArn"]


def test_what_was_deleted_stays_deleted(emulator):
    create(emulator.aws)
    emulator.aws.delete_function(FunctionName="f")
    emulator.again()
    assert emulator.aws.list_functions()["Functions"] == []


def test_an_update_that_was_in_progress_is_done(emulator):
    create(emulator.aws)
    emulator.aws.update_function_code(FunctionName="f", ZipFile=zipped("def handler(event, context): return 'new'"))
    emulator.again()
    assert json.load(emulator.aws.invoke(FunctionName="f")["Payload"]) == "new"


def test_an_accepted_event_runs_although_the_emulator_was_killed(emulator, tmp_path, wait_until):
    note = tmp_path / "note"
    source = "import time\ndef handler(event, context):\n    open(event, 'a').write(context.aws_request_id + ' ')\n"
    create(emulator.aws, source=source)
    accepted = emulator.aws.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps(str(note)))
    emulator.again()
    wait_until(lambda: note.exists() and note.read_text().endswith(" "))
    assert set(note.read_text().split()) == {accepted["ResponseMetadata"]["RequestId"]}


def test_a_retry_comes_at_its_time_although_the_emulator_was_killed(emulator, tmp_path, wait_until, monkeypatch):
    note = tmp_path / "note"
    source = "def handler(event, context):\n    open(event, 'a').write('x')\n    1 / 0"
    create(emulator.aws, source=source)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with Lab(emulator.endpoint) as lab:
        lab.invoke("f", str(note), kind="Event")
        wait_until(lambda: note.exists() and len(lab.traces("f")) == 1)
        lab.advance(0)
    emulator.again()
    with Lab(emulator.endpoint) as lab:
        lab.advance("30s")  # of 60; the rest is for a slow start
        before = note.read_text()
        lab.advance("30s")
        lab.advance("3m")
        assert (before, note.read_text()) == ("x", "xxx")


def test_a_mapping_goes_on_although_the_emulator_was_killed(emulator, tmp_path, wait_until):
    note, queue = tmp_path / "note", {"QueueName": "q"}
    create(emulator.aws, source=f"def handler(event, context): open({str(note)!r}, 'a').write('x')")
    boto3.client("sqs", **emulator.connection).create_queue(**queue)
    arn = "arn:aws:sqs:us-east-1:123456789012:q"
    mapping = emulator.aws.create_event_source_mapping(EventSourceArn=arn, FunctionName="f", BatchSize=7)
    wait_until(lambda: emulator.aws.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled")
    emulator.again()
    found = emulator.aws.get_event_source_mapping(UUID=mapping["UUID"])
    assert (found["State"], found["BatchSize"]) == ("Enabled", 7)
    children = psutil.Process(emulator.process.pid).children()
    assert not [p for p in children if "labkit.mockaws" in " ".join(p.cmdline())]
    url = boto3.client("sqs", **emulator.connection).create_queue(**queue)["QueueUrl"]
    boto3.client("sqs", **emulator.connection).send_message(QueueUrl=url, MessageBody="x")
    wait_until(note.exists)


def test_two_emulators_do_not_share_a_folder(emulator):
    other = subprocess.run(
        [sys.executable, "-m", "labkit.emulator", "--port", "0", "--state", str(emulator.folder)],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert other.returncode == 1
    assert f"process {emulator.process.pid}" in other.stderr


def test_a_function_whose_files_are_gone_is_set_aside_and_the_others_run(emulator):
    create(emulator.aws, "f", "def handler(event, context): return 'f'")
    create(emulator.aws, "g", "def handler(event, context): return 'g'")
    sha256 = emulator.aws.get_function(FunctionName="f")["Configuration"]["CodeSha256"]
    [zip_file] = (emulator.folder / "packages").glob(f"{base64.b64decode(sha256).hex()}.zip")
    emulator.end(signal.SIGKILL)
    zip_file.write_bytes(b"damaged")
    emulator.start()
    assert [f["FunctionName"] for f in emulator.aws.list_functions()["Functions"]] == ["g"]
    assert json.load(emulator.aws.invoke(FunctionName="g")["Payload"]) == "g"
    assert "f (functions) cannot be used again (its files are not there any more)" in emulator.end(signal.SIGTERM)


def test_code_that_nobody_needs_any_more_is_swept_at_the_next_start(emulator):
    create(emulator.aws)
    packages = emulator.folder / "packages"
    (packages / "tmpleftover").mkdir()
    emulator.aws.delete_function(FunctionName="f")
    emulator.again()
    assert list(packages.iterdir()) == []


# --- every acknowledged write -------------------------------------------------------------------------------


class Writer:
    """Writes of all kinds, in a seeded order, and what must be there: `known`, by what each write is about.

    The write that was under way when the emulator died may or may not have happened: `doubtful` is what it is about.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.known: dict[tuple[str, ...], object] = {}
        self.doubtful: tuple[str, ...] | None = None
        self.count = 0

    def write(self, aws) -> None:
        kinds = (self.function, self.tag, self.memory, self.version, self.alias, self.layer, self.policy, self.retries)
        kind = self.draw.choice(kinds)
        kind(aws, f"f{self.draw.randrange(8)}")
        self.count += 1

    def _does(self, about, value, call, **params):
        self.doubtful = about
        answer = call(**params)
        self.known[about] = value(answer) if callable(value) else value
        self.doubtful = None

    def _exists(self, aws, name):
        if self.known.get(("function", name)) is None:
            self.function(aws, name)
        return self.known.get(("function", name)) is not None

    def function(self, aws, name):
        if self.known.get(("function", name)) is None:
            self._does(("function", name), True, create, aws=aws, name=name, source=f"x = {self.count}")
        elif self.draw.random() < 0.2:
            self._does(("function", name), None, aws.delete_function, FunctionName=name)
            for about in [a for a in self.known if a[0] != "layer" and a[0] != "function" and a[1] == name]:
                del self.known[about]

    def tag(self, aws, name):
        if self._exists(aws, name):
            arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
            tags = {"n": str(self.count)}
            self._does(("tag", name), str(self.count), aws.tag_resource, Resource=arn, Tags=tags)

    def memory(self, aws, name):
        if self._exists(aws, name):
            size = 128 + self.count % 1000
            self._does(("memory", name), size, aws.update_function_configuration, FunctionName=name, MemorySize=size)
            aws.get_function_configuration(FunctionName=name)

    def version(self, aws, name):
        if self._exists(aws, name):
            self._does(("version", name), lambda answer: answer["Version"], aws.publish_version, FunctionName=name)

    def alias(self, aws, name):
        if self._exists(aws, name) and self.known.get(("version", name)):
            call = aws.update_alias if self.known.get(("alias", name)) else aws.create_alias
            said = str(self.count)
            self._does(
                ("alias", name), said, call, FunctionName=name, Name="live", FunctionVersion="1", Description=said
            )

    def layer(self, aws, name):
        content = {"ZipFile": zipped(f"y = {self.count}")}
        call = aws.publish_layer_version
        self._does(("layer", name), lambda answer: answer["Version"], call, LayerName=name, Content=content)

    def policy(self, aws, name):
        if self._exists(aws, name):
            statement = {"StatementId": f"s{self.count}", "Action": "lambda:InvokeFunction", "Principal": "*"}
            if self.known.get(("policy", name)):
                aws.remove_permission(FunctionName=name, StatementId=self.known.pop(("policy", name)))
            sid = statement["StatementId"]
            self._does(("policy", name), sid, aws.add_permission, FunctionName=name, **statement)

    def retries(self, aws, name):
        if self._exists(aws, name):
            age = 60 + self.count
            call = aws.put_function_event_invoke_config
            self._does(("retries", name), age, call, FunctionName=name, MaximumEventAgeInSeconds=age)

    def check(self, aws) -> None:
        """Asserts that everything acknowledged is there; learns what became of the doubtful write."""
        found = {about: self._found(aws, *about) for about in self.known}
        if self.doubtful:
            about, self.doubtful = self.doubtful, None
            self._learn(aws, about, found)
        assert {a: found[a] for a in self.known} == self.known

    def _learn(self, aws, about, found):
        """Whatever the doubtful write was about is taken as it is; a function that may be gone takes all it had along."""
        touched = [a for a in self.known if a[1] == about[1] and (a == about or about[0] == "function")]
        for key in {about, *touched}:
            self.known[key] = found[key] = self._found(aws, *key)
        if about[0] == "function" and not found[about]:
            for key in [k for k in touched if k[0] not in ("function", "layer")]:
                del self.known[key]

    def _newest(self, aws, name):
        *_, newest = aws.list_versions_by_function(FunctionName=name)["Versions"]
        return None if newest["Version"] == "$LATEST" else newest["Version"]

    def _found(self, aws, kind, name):
        looks = {
            "function": lambda: aws.get_function(FunctionName=name) is not None,
            "tag": lambda: aws.get_function(FunctionName=name)["Tags"].get("n"),
            "memory": lambda: aws.get_function_configuration(FunctionName=name)["MemorySize"],
            "version": lambda: self._newest(aws, name),
            "alias": lambda: aws.get_alias(FunctionName=name, Name="live")["Description"],
            "policy": lambda: json.loads(aws.get_policy(FunctionName=name)["Policy"])["Statement"][-1]["Sid"],
            "retries": lambda: aws.get_function_event_invoke_config(FunctionName=name)["MaximumEventAgeInSeconds"],
            "layer": lambda: aws.list_layer_versions(LayerName=name)["LayerVersions"][0]["Version"],
        }
        try:
            return looks[kind]()
        except aws.exceptions.ResourceNotFoundException:
            return None


def test_every_acknowledged_write_survives_a_kill_at_any_moment(emulator):
    writer = Writer(seed=3)
    for _ in range(ROUNDS):
        last = writer.count + writer.draw.randrange(WRITES)
        delay_s = writer.draw.uniform(0, 0.003)
        killed = None
        try:
            for _ in range(WRITES):
                if writer.count >= last and killed is None:
                    killed = threading.Timer(delay_s, emulator.process.kill)
                    killed.start()
                writer.write(emulator.aws)
        except (BotoCoreError, OSError, KeyError):  # KeyError: the answer's head arrived, its body did not
            assert killed is not None
        killed.join()
        emulator.end(signal.SIGKILL)
        emulator.start()
        writer.check(emulator.aws)
    assert writer.count > ROUNDS


SNAPPED = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
hooks = []
register_before_snapshot(lambda: hooks.append(os.getpid()))
register_after_restore(lambda: hooks.append(os.getpid()))
def handler(event, context): return hooks
"""


@pytest.mark.skipif(not psutil.LINUX, reason="a template is forked on Linux only")
def test_the_template_of_a_snapstart_version_is_made_again_at_first_need(emulator):
    create(emulator.aws, source=SNAPPED, Publish=True, SnapStart={"ApplyOn": "PublishedVersions"})
    emulator.again()
    assert psutil.Process(emulator.process.pid).children() == []
    before, after = json.load(emulator.aws.invoke(FunctionName="f", Qualifier="1")["Payload"])
    assert before != after
    assert {child.pid for child in psutil.Process(emulator.process.pid).children()} == {before, after}
