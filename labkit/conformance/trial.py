"""What a probe works with: functions under names of its own on a running lab, calls, refusals, logs.

A `Scene` is something that several rows look at, such as one cold invocation: it is played once for all of them.
Everything that a probe made is deleted after it, what a scene made at the report's end.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from labkit.client import Lab

ROLE = "arn:aws:iam::123456789012:role/labkit"
RUNTIME = "python3.13"
ECHO = "def handler(event, context):\n    return event\n"
PATIENCE_S = 20.0
READ_S = 40
_T = TypeVar("_T")


class NotSeen(AssertionError):
    """Something that should have become true did not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invocation answered, as it was on the wire."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def request_id(self) -> str:
        return self.headers.get("x-amzn-requestid", "")

    @property
    def function_error(self) -> str | None:
        return self.headers.get("x-amz-function-error")

    @property
    def payload(self) -> Any:
        return json.loads(self.text)

    @property
    def masked(self) -> Any:
        """The payload with ID in the place of the request's id."""
        return json.loads(self.text.replace(self.request_id, "ID"))

    @property
    def tail(self) -> str:
        return base64.b64decode(self.headers.get("x-amz-log-result", "")).decode()

    def report(self, name: str) -> float:
        """A number of the tail's REPORT line, by its name."""
        found = re.search(rf"\t{name}: ([\d.]+) ", self.tail)
        if not found:
            raise NotSeen(f"REPORT says no {name}: {self.tail!r}")
        return float(found[1])


class Stage:
    """A lab under examination, its client, and the scenes that were played on it."""

    def __init__(self, lab: Lab) -> None:
        import boto3  # a cold path: half a second
        from botocore.config import Config

        self.lab = lab
        config = Config(
            retries={"total_max_attempts": 1},
            read_timeout=READ_S,
            parameter_validation=False,
            max_pool_connections=20,
            proxies={},
        )
        self.aws = boto3.client("lambda", **lab.connection, config=config)
        self._numbers = itertools.count(1)
        self._names = threading.Lock()
        self._scenes: dict[Callable[[Trial], Any], _Scene] = {}

    def trial(self) -> Trial:
        with self._names:
            return Trial(self, f"row{next(self._numbers)}")

    def played(self, scene: Callable[[Trial], _T]) -> _T:
        """What the scene showed; who comes second waits for the first."""
        with self._names:
            kept = self._scenes.setdefault(scene, _Scene())
        with kept.lock:
            if kept.trial is None:
                kept.trial = self.trial()
                kept.shown = scene(kept.trial)
            if kept.shown is None:
                raise NotSeen(f"{scene.__name__} failed before")
            shown: _T = kept.shown
            return shown

    def close(self) -> None:
        for scene in self._scenes.values():
            if scene.trial:
                scene.trial.close()
        self.aws.close()


@dataclass(slots=True)
class _Scene:
    lock: threading.Lock = field(default_factory=threading.Lock)
    trial: Trial | None = None
    shown: Any = None


class Trial:
    """See the module's docstring. `name` is the function that is meant where none is named."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self.lab = stage.lab
        self.aws: Any = stage.aws
        self.name = name
        self._made: list[str] = []

    def scene(self, scene: Callable[[Trial], _T]) -> _T:
        return self._stage.played(scene)

    def close(self) -> None:
        for name in self._made:
            with suppress(self.aws.exceptions.ResourceNotFoundException):
                self.aws.delete_function(FunctionName=name)

    # --- functions

    def create(
        self, source: str = ECHO, *, name: str = "", files: Mapping[str, str] | None = None, **config: Any
    ) -> str:
        """Creates the function, waits until it takes calls, and returns its ARN."""
        made = self.created(source, name=name, files=files, **config)
        self.aws.get_function_configuration(FunctionName=made["FunctionName"])  # it is active once somebody looked
        return str(made["FunctionArn"])

    def created(
        self, source: str = ECHO, *, name: str = "", files: Mapping[str, str] | None = None, **config: Any
    ) -> dict[str, Any]:
        """What CreateFunction answers. Raises ClientError."""
        params = {
            "FunctionName": name or self.name,
            "Runtime": RUNTIME,
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped({"app.py": source, **(files or {})})},
            "Timeout": 10,
            **config,
        }
        made: dict[str, Any] = self.aws.create_function(**{k: v for k, v in params.items() if v is not None})
        self._made.append(made["FunctionName"])
        return made

    def layer(self, files: Mapping[str, str]) -> str:
        content = {"ZipFile": zipped(files)}
        return str(self.aws.publish_layer_version(LayerName=self.name, Content=content)["LayerVersionArn"])

    def variables(self, **values: str) -> dict[str, Any]:
        return {"Environment": {"Variables": values}}

    # --- calls

    def invoke(self, event: object = None, *, name: str = "", **options: Any) -> Answer:
        """Invokes with the log's tail and returns what came back. Raises ClientError."""
        params = {"LogType": "Tail", "Payload": json.dumps(event), **options}
        answer = self.aws.invoke(FunctionName=name or self.name, **{k: v for k, v in params.items() if v is not None})
        return Answer(
            answer["StatusCode"], answer["ResponseMetadata"]["HTTPHeaders"], answer["Payload"].read().decode()
        )

    def send(self, event: object = None, *, name: str = "") -> Answer:
        return self.invoke(event, name=name, InvocationType="Event", LogType=None)

    def beside(self, act: Callable[[], object]) -> threading.Thread:
        """Starts something that takes its time; its caller joins it."""
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        return thread

    def refusal(self, operation: str, **params: Any) -> dict[str, Any]:
        """How an operation is refused: status, code, message, and what else the error says."""
        from botocore.exceptions import ClientError

        try:
            getattr(self.aws, operation)(**{"FunctionName": self.name, **params})
        except ClientError as error:
            return _refused(error.response)
        return {"status": 200}

    def refusal_to_create(self, **config: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            self.created(**config)
        except ClientError as error:
            return _refused(error.response)
        return {"status": 200}

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """A plain HTTP request to the API, signed."""
        import urllib3  # comes with boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        known = self.lab.connection
        credentials = Credentials(known["aws_access_key_id"], known["aws_secret_access_key"])
        request = AWSRequest(method, known["endpoint_url"] + path, headers=headers, data=body)
        SigV4Auth(credentials, "lambda", known["region_name"]).add_auth(request)
        said = urllib3.request(
            method, request.url, body=body, headers=dict(request.headers), retries=False, timeout=READ_S
        )
        return Answer(said.status, {name.lower(): value for name, value in said.headers.items()}, said.data.decode())

    # --- what is seen

    def log(self, name: str = "") -> str:
        return "".join(text for _, text in self.lab.logs(name or self.name))

    def log_line(self, begin: str, name: str = "") -> str:
        """The first line that begins so; waits for it."""

        def lines() -> list[str]:
            return [line for line in self.log(name).split("\n") if line.startswith(begin)]

        self.wait(lines)
        return lines()[0]

    def wait(self, claim: Callable[[], object]) -> None:
        """Waits for what other processes make true. Raises NotSeen."""
        deadline = time.monotonic() + PATIENCE_S
        while not claim():
            if time.monotonic() > deadline:
                raise NotSeen(f"it did not become true in {PATIENCE_S:.0f} s")
            time.sleep(0.01)

    def environments(self, name: str = "") -> list[dict[str, Any]]:
        """The environments of a function, as the lab's status tells them."""
        found = self.lab.status()["environments"]
        return [each for each in found if each["function"] == (name or self.name)]

    def environments_end(self) -> None:
        """Deletes the function and waits until none of its processes is left."""
        self.aws.delete_function(FunctionName=self.name)
        self.wait(lambda: not self.environments())


def _refused(response: Mapping[str, Any]) -> dict[str, Any]:
    said = {"status": response["ResponseMetadata"]["HTTPStatusCode"], "code": response["Error"]["Code"]}
    said["message"] = response["Error"].get("Message", "")
    return said | {key.lower(): response[key] for key in ("Type", "Reason") if key in response}


def zipped(files: Mapping[str, str]) -> bytes:
    """A package; what is not Python can be executed, as an extension must be."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o644 if path.endswith(".py") else 0o755) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()
