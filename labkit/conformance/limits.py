"""Section 8: limits of a function's configuration, and the states it goes through."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

from labkit.conformance.behaviour import Behaviour, Pattern, Source
from labkit.conformance.trial import ECHO, Trial, zipped

SECTION = "8. Configuration limits"
UPLOAD_BYTES, UNZIPPED_BYTES = 52_428_800, 262_144_000
BODY_BYTES = 70_167_211  # a request's, which a zip of that size in base64 just fits in
CHUNK = 32 * 1024 * 1024


def too_large_upload(trial: Trial) -> object:
    return trial.refusal_to_create(Code={"ZipFile": b"\0" * (UPLOAD_BYTES + 1024 * 1024)})


def unzipped_refusal(trial: Trial) -> object:
    return trial.refusal_to_create(Code={"ZipFile": zeros(UNZIPPED_BYTES + 1)})


def zeros(size: int) -> bytes:
    """A small package that is `size` bytes unzipped."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("0", "w") as file:
        for begin in range(0, size, CHUNK):
            file.write(bytes(min(CHUNK, size - begin)))
    return buffer.getvalue()


def variables(size: int) -> Callable[[Trial], object]:
    """How so many bytes of variables are taken."""
    value = "x" * (size - len("BIG"))
    return lambda trial: trial.refusal_to_create(**trial.variables(BIG=value))


def setting(name: str, value: object) -> Callable[[Trial], object]:
    """Whether a value is taken: the status, and the value that is shown then."""

    def probe(trial: Trial) -> object:
        refused = trial.refusal_to_create(**{name: value})
        if refused["status"] != 200:
            return [refused["status"], refused["code"]]
        return [200, trial.aws.get_function_configuration(FunctionName=trial.name)[name]]

    return probe


def default(name: str) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        unset: dict[str, Any] = {name: None}
        trial.create(**unset)
        return trial.aws.get_function_configuration(FunctionName=trial.name)[name]

    return probe


def layers(count: int) -> Callable[[Trial], object]:
    """How a function with so many layers is taken."""

    def probe(trial: Trial) -> object:
        content = {"ZipFile": zipped({"python/x.py": ""})}
        names = [f"{trial.name}-{number}" for number in range(count)]
        arns = [trial.aws.publish_layer_version(LayerName=n, Content=content)["LayerVersionArn"] for n in names]
        refused = trial.refusal_to_create(Layers=arns)
        return [refused["status"], refused.get("code")]

    return probe


def states_of_creation(trial: Trial) -> object:
    made = trial.created()
    now = trial.aws.get_function_configuration(FunctionName=trial.name)
    return [[each["State"], each.get("StateReasonCode")] for each in (made, now)]


def states_of_update(operation: str, **params: Any) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        trial.create()
        changed = getattr(trial.aws, operation)(FunctionName=trial.name, **params)
        now = trial.aws.get_function_configuration(FunctionName=trial.name)
        return [changed["LastUpdateStatus"], now["LastUpdateStatus"]]

    return probe


def waited(waiter: str, **params: str) -> Callable[[Trial], object]:
    """What botocore's waiter for a function says that was just made or changed."""

    def probe(trial: Trial) -> object:
        trial.created(Publish=bool(params))
        if "updated" in waiter:
            trial.aws.get_function_configuration(FunctionName=trial.name)
            trial.aws.update_function_configuration(FunctionName=trial.name, MemorySize=256)
        trial.aws.get_waiter(waiter).wait(FunctionName=trial.name, **params)
        return "ended"

    return probe


def row(
    claim: str, source: Source, expected: object, probe: Callable[[Trial], object], *, excuse: str = ""
) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe, excuse=excuse)


def invalid(message: str) -> dict[str, object]:
    return {"status": 400, "code": "InvalidParameterValueException", "message": message, "type": "User"}


REC, DOC, API = Source.REC, Source.DOC, Source.API
REFUSED = [400, Pattern("(Validation|InvalidParameterValue)Exception")]
WAITERS = ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2")
ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    r'exceeded the 4KB limit\. String measured: \{"BIG":"x+"\}'
)
BEHAVIOURS = (
    row(
        "zip of 52,428,800 bytes at most, uploaded directly",
        DOC,
        {
            "status": 413,
            "code": "RequestEntityTooLargeException",
            "message": f"Request must be smaller than {BODY_BYTES} bytes for the CreateFunction operation",
        },
        too_large_upload,
    ),
    row(
        "262,144,000 bytes at most, unzipped",
        REC,
        invalid("Unzipped size must be smaller than 262144000 bytes"),
        unzipped_refusal,
    ),
    row("environment of more than 4 KB", REC, invalid(Pattern(ENVIRONMENT)), variables(4097)),
    row("environment of just less than 4 KB", REC, {"status": 200}, variables(4000)),
    row("timeout 3 s by default", API, 3, default("Timeout")),
    *(row(f"timeout {value} s", API, [200, value], setting("Timeout", value)) for value in (1, 900)),
    *(row(f"timeout {value} s refused", API, REFUSED, setting("Timeout", value)) for value in (0, 901)),
    row("memory 128 MB by default", API, 128, default("MemorySize")),
    *(row(f"memory {value} MB", API, [200, value], setting("MemorySize", value)) for value in (128, 10_240)),
    *(row(f"memory {value} MB refused", API, REFUSED, setting("MemorySize", value)) for value in (127, 10_241)),
    row("storage 512 MB by default", API, {"Size": 512}, default("EphemeralStorage")),
    *(
        row(f"storage {value} MB", API, [200, {"Size": value}], setting("EphemeralStorage", {"Size": value}))
        for value in (512, 10_240)
    ),
    *(
        row(f"storage {value} MB refused", API, REFUSED, setting("EphemeralStorage", {"Size": value}))
        for value in (511, 10_241)
    ),
    row("five layers", DOC, [200, None], layers(5)),
    row("six layers refused", DOC, [400, "InvalidParameterValueException"], layers(6)),
    row(
        "creation: Pending (Creating), then Active",
        REC,
        [["Pending", "Creating"], ["Active", None]],
        states_of_creation,
    ),
    row(
        "update of the configuration: InProgress, then Successful",
        REC,
        ["InProgress", "Successful"],
        states_of_update("update_function_configuration", MemorySize=256),
    ),
    row(
        "update of the code: InProgress, then Successful",
        REC,
        ["InProgress", "Successful"],
        states_of_update("update_function_code", ZipFile=zipped({"app.py": ECHO + "\n"})),
    ),
    *(row(f"the waiter {waiter} ends", API, "ended", waited(waiter)) for waiter in WAITERS),
    row("the waiter published_version_active ends", API, "ended", waited("published_version_active", Qualifier="1")),
)
