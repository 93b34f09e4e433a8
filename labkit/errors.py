"""The error tree. A message says what was found; `hint` says what to try next; no frames reach a student.

LabkitError
|-- NotebookError                 shown in a notebook as two or three lines
|   |-- SourceError               the cell cannot become a package
|   |   |-- SourceSyntaxError  NoHandler  AmbiguousHandler  HandlerNotFound  UndefinedNames  MissingInclude
|   |-- PayloadUnreadable         neither JSON nor an expression
|   |-- UnknownFunction           with the nearest name
|   |-- BadMagicLine              an option that does not exist, twice, or without its value
|   |-- BadTrigger                no source that could call a function
|   |-- BadEvent                  no sample event of this name, or not with this
|   |-- NotInvoked                no request that could be shown
|   |-- BadAlias                  no version, weight or alias of this kind
|   |-- BadDuration               neither `2m` nor a number of seconds
|   |-- BadRoute                  no method and path of an API
|   |-- BadLoad                   a load, a distribution or a limit that cannot be simulated
|   |-- NotMeasured               a simulation needs times that nobody has measured yet
|   |-- DeployFailed              the endpoint refused the function
|   |-- InvocationFailed          only raised by `--check`
|   |-- LessonUnreadable          a lesson's source, checks or facts are not what they should be
|   |-- UnknownExercise           with the nearest name
|-- MachineError                  this machine cannot do it
|   |-- MissingWidgets            a widget's package is not installed; it says what shows the same
|   |-- BadSetting  NoScratchFolder  PortTaken  EmulatorNotStarted  EmulatorLost  NoClock
|   |-- StateInUse  StateUnusable  ServicesNotStarted  SenderLost  NoCpuTimes
|-- ServiceError                  an answer of the Lambda API: `code`, `status`
    |-- ResourceNotFound  ResourceConflict  PreconditionFailed  InvalidParameterValue  ValidationFailed
    |-- SerializationFailed  InvalidRequestContent  RequestTooLarge  RequestAborted  TooManyRequests
    |-- RecursiveInvocation  PolicyLengthExceeded  ProvisionedConcurrencyNotFound  CodeSigningConfigNotFound
    |-- ServiceFault  UnknownOperation  NotImplementedHere
    |-- MissingAuthenticationToken  IncompleteSignature  InvalidSignature  RequestExpired  UnrecognizedClient
    |-- ContentMismatch  AccessDenied  ExpiredToken  ServiceUnavailable  KmsAccessDenied  KmsDisabled  KmsNotFound
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Sequence
from typing import ClassVar

SHOWN_WIDTH = 88


class LabkitError(Exception):
    """Root of the tree."""

    hint: ClassVar[str] = "Run `labkit doctor`, and report this if it says that all is well."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = hint if hint is not None else self.hint

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        return [*_wrapped(f"{type(self).__name__}: {self.message}"), *_wrapped(self.advice)]


def _wrapped(text: str) -> list[str]:
    """Lines that a notebook shows whole: its own wrapping tears names."""
    lines = [textwrap.wrap(line, SHOWN_WIDTH, break_long_words=False) for line in text.splitlines()]
    return [part for line in lines for part in line]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely meant, if any is near.

    >>> nearest("predcit", ["predict", "train"])
    'predict'
    """
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


# --- in a notebook ------------------------------------------------------------------------------------------


class NotebookError(LabkitError):
    hint = "Correct the cell and run it again."


class SourceError(NotebookError):
    """The source cannot become a function."""

    hint = "Correct the cell and run it again; nothing was deployed."


class SourceSyntaxError(SourceError):
    hint = "Nothing was deployed; correct that line and run the cell again."

    def __init__(self, message: str, *, line: int, text: str = "", column: int = 0) -> None:
        super().__init__(f"{message} (line {line} of the cell)")
        self.line, self.text, self.column = line, text, column

    def _render_traceback_(self) -> list[str]:
        caret = [f"    {self.text}", "    " + " " * max(0, self.column - 1) + "^"] if self.text else []
        return [*_wrapped(f"{type(self).__name__}: {self.message}"), *caret, *_wrapped(self.advice)]


class NoHandler(SourceError):
    hint = "Define `def handler(event, context):`, or name the function to call with --handler."

    def __init__(self, found: Sequence[str]) -> None:
        names = f"it defines: {', '.join(found)}" if found else "it defines no function"
        super().__init__(f"No handler in this cell; {names}.")


class AmbiguousHandler(SourceError):
    hint = "Say which one with --handler NAME, or call it `handler`."

    def __init__(self, candidates: Sequence[str]) -> None:
        super().__init__(f"Several functions could be the handler: {', '.join(candidates)}.")


class HandlerNotFound(SourceError):
    hint = "Name a function of this cell with --handler."

    def __init__(self, handler: str, found: Sequence[str]) -> None:
        near = nearest(handler, found)
        names = f"It defines: {', '.join(found)}" if found else "It defines no function"
        super().__init__(
            f"{handler} is not defined in this cell. {names}.", hint=f"Try --handler {near}." if near else None
        )


class UndefinedNames(SourceError):
    """A name that only the notebook knows: the handler runs in another process and would not find it."""

    hint = "The cell runs in a process of its own: it sees what it defines, imports, or reads from shipped files."

    def __init__(self, uses: Sequence[tuple[str, int]]) -> None:
        name, line = uses[0]
        more = ", ".join(f"`{n}` (line {at})" for n, at in uses[1:])
        super().__init__(
            f"`{name}` is used on line {line} but not defined in this cell"
            + (f"; so are {more}" if more else "")
            + ": define it here, or ship it with --include.",
        )
        self.uses = tuple(uses)


class MissingInclude(SourceError):
    hint = "Give a path relative to the notebook; nothing was deployed."

    def __init__(self, path: str, folder: str, near: Sequence[str] = ()) -> None:
        guess = f" Did you mean {near[0]}?" if near else ""
        super().__init__(f"--include {path}: no such file in {folder}.{guess}")


class PayloadUnreadable(NotebookError):
    hint = 'Give JSON ({"x": 1}), a Python expression, or @file.json.'


class UnknownFunction(NotebookError):
    hint = "Deploy it first with %%function."

    def __init__(self, name: str, deployed: Sequence[str]) -> None:
        near = nearest(name, deployed)
        listed = f"deployed: {', '.join(sorted(deployed))}" if deployed else "nothing is deployed yet"
        super().__init__(f"No function `{name}`; {listed}.", hint=f"Did you mean `{near}`?" if near else None)


class BadMagicLine(NotebookError):
    hint = "`%magic?` shows every option."


class BadTrigger(NotebookError):
    hint = (
        "A source is s3://BUCKET/PREFIX, sqs:QUEUE, sns:TOPIC, dynamodb:TABLE, kinesis:STREAM, rate(5 minutes), "
        'cron(0 8 * * ? *), or a pattern of events such as {"source": ["shop"]}.'
    )


class BadEvent(NotebookError, ValueError):
    hint = "`%events` lists the sample events and what each takes."


class NotInvoked(NotebookError):
    hint = "Call it with %invoke; the emulator holds the newest traces only."


class BadAlias(NotebookError):
    hint = "For example %alias predict live 2 --weight 3=0.1"


class BadDuration(NotebookError):
    hint = "Write 90s, 2m, 1h30m, or a number of seconds."


class BadRoute(NotebookError):
    hint = "Try: lab.api('pets', {'GET /pets/{id}': 'find_pet'})"


class BadLoad(NotebookError, ValueError):
    hint = "Correct that number and simulate again."


class NotMeasured(NotebookError):
    """A simulation of a function that nobody has called yet."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            f"{name} has no measured {what} on this lab, and no time was given for it.",
            hint=f"Measure some with %coldstart {name}, or give the times to Lab.simulate yourself.",
        )


class DeployFailed(NotebookError):
    hint = "Nothing was changed; correct what the message names and deploy again."


class InvocationFailed(NotebookError):
    hint = "The log above has the handler's own lines; %logs NAME shows all of it."


class LessonUnreadable(NotebookError):
    hint = "Correct the lesson's files, and run `labkit build` and `labkit lint`."


class UnknownExercise(NotebookError):
    hint = "%progress shows the exercises of this lesson."

    def __init__(self, name: str, known: Sequence[str]) -> None:
        near = nearest(name, known)
        listed = f"this lesson has: {', '.join(known)}" if known else "this lesson has none"
        super().__init__(f"No exercise `{name}`; {listed}.", hint=f"Did you mean `{near}`?" if near else None)


# --- this machine -------------------------------------------------------------------------------------------


class MachineError(LabkitError):
    hint = "`labkit doctor` says what this machine can do."


class MissingWidgets(MachineError):
    hint = "Everything that a widget shows can be had without one."

    def __init__(self, what: str, package: str, *, instead: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed here.",
            hint=f"Install it with `pip install {package}` and restart the kernel. {instead}",
        )


class BadSetting(MachineError):
    hint = "Correct or unset the variable; the README lists the settings."

    def __init__(self, name: str, problem: str, known: Sequence[str]) -> None:
        near = nearest(name, known)
        super().__init__(f"{name}: {problem}.", hint=f"Did you mean {near}?" if near else None)


class NoScratchFolder(MachineError):
    hint = "Set LABKIT_SCRATCH to a folder that you may write to, with some hundred MB free."

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"Cannot write to {folder}: {reason}.")


class PortTaken(MachineError):
    hint = "Choose another with --port, or --port 0 for any free one."

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen on 127.0.0.1:{port}: {reason}.")


class StateInUse(MachineError):
    hint = "Stop that emulator first, or give this one another folder with --state."

    def __init__(self, folder: str, pid: str) -> None:
        super().__init__(f"Another emulator (process {pid or 'unknown'}) keeps its state in {folder}.")


class StateUnusable(MachineError):
    hint = "Give another folder with --state; nothing was changed in this one."

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"The state in {folder} cannot be used: {reason}.")


class EmulatorNotStarted(MachineError):
    hint = "The lines above are its last words; `labkit serve` in a terminal shows all of them."


class EmulatorLost(MachineError):
    hint = "Run the cell again: a new emulator starts, with the same functions."


class SenderLost(MachineError):
    """The process that sends a load test's requests."""

    hint = "Run it again, with a lower rate if this machine is short of memory."


class NoCpuTimes(MachineError):
    """A model of CPU shares needs the CPU time of calls, which this endpoint does not tell."""

    hint = "Use a lab on this machine: `Lab()` starts one."

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} does not say how much CPU time a function uses.")


class NoClock(MachineError):
    hint = "Time can be advanced on labkit's own emulator only."

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} has no clock that could be advanced.")


class ServicesNotStarted(MachineError):
    hint = "The emulator's log has moto's last words; functions alone work without it."


# --- answers of the Lambda API ------------------------------------------------------------------------------


class ServiceError(LabkitError):
    """An error answer of the API. `code` is AWS's name of it, `status` the HTTP status."""

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500
    fault: ClassVar[str] = "User"
    reason: str | None = None
    hint = ""

    def __str__(self) -> str:
        return self.message


class ResourceNotFound(ServiceError):
    code, status = "ResourceNotFoundException", 404
    hint = "ListFunctions shows what there is."


class ProvisionedConcurrencyNotFound(ServiceError):
    code, status = "ProvisionedConcurrencyConfigNotFoundException", 404
    hint = "ListProvisionedConcurrencyConfigs shows which versions and aliases have one."


class CodeSigningConfigNotFound(ServiceError):
    code, status = "CodeSigningConfigNotFoundException", 404
    hint = "ListCodeSigningConfigs shows what there is."


class ResourceConflict(ServiceError):
    code, status = "ResourceConflictException", 409
    hint = "Update the existing resource, or delete it first."


class PreconditionFailed(ServiceError):
    code, status = "PreconditionFailedException", 412
    hint = "Read the function again and repeat the change on what it is now."


class InvalidParameterValue(ServiceError):
    code, status = "InvalidParameterValueException", 400
    hint = "The message names the parameter."


class ValidationFailed(ServiceError):
    code, status = "ValidationException", 400
    hint = "The message names the constraint."


class SerializationFailed(ServiceError):
    """A value has the wrong JSON type, or the document is no JSON at all."""

    code, status = "SerializationException", 400
    hint = "The message says which type was found where another belongs."


class InvalidRequestContent(ServiceError):
    code, status = "InvalidRequestContentException", 400
    hint = "Send valid JSON."


class RequestAborted(ServiceError):
    """The client left before its request was whole, and mostly hears nothing (API reference, "Common Errors")."""

    code, status = "RequestAbortedException", 400
    hint = "Send the whole body."


class RequestTooLarge(ServiceError):
    code, status = "RequestEntityTooLargeException", 413
    hint = "Put large data into an object store and send its key."


class TooManyRequests(ServiceError):
    code, status = "TooManyRequestsException", 429
    hint = "Try again later, or raise the concurrency limit that the reason names."

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason


class RecursiveInvocation(ServiceError):
    code, status = "RecursiveInvocationException", 400
    hint = "Write where the function does not listen, or set its RecursiveLoop to Allow."


class PolicyLengthExceeded(ServiceError):
    code, status = "PolicyLengthExceededException", 400
    hint = "Give one permission with a wildcard in its SourceArn instead of many, or remove some."


class ServiceFault(ServiceError):
    code, status, fault = "ServiceException", 500, "Server"
    hint = "A fault of labkit's: please report it with the emulator's log."


class UnknownOperation(ServiceError):
    code, status = "UnknownOperationException", 404
    hint = "The path or method belongs to no operation of the Lambda API; for another service, sign for that one."


class NotImplementedHere(ServiceError):
    code, status, fault = "NotImplementedException", 501, "Server"
    hint = "`labkit doctor` lists the operations that there are."

    def __init__(self, operation: str) -> None:
        super().__init__(f"labkit does not implement the operation {operation} of the Lambda API yet.")


class MissingAuthenticationToken(ServiceError):
    """The request is not signed at all."""

    code, status = "MissingAuthenticationTokenException", 403
    hint = "Sign the request: make the client with lab.boto3('lambda'), or give boto3 the lab's credentials."

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token")


class IncompleteSignature(ServiceError):
    """What should be a signature lacks a part, or a part cannot be read."""

    code, status = "IncompleteSignatureException", 403
    hint = "Let an AWS SDK sign the request; a key or secret with a space or slash at its edge breaks the header."


class InvalidSignature(ServiceError):
    """The signature is for another request, secret, time, region or service."""

    code, status = "InvalidSignatureException", 403
    hint = "Compare secret key, region and clock; sign the path as it is sent, encoded once more."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )


class RequestExpired(ServiceError):
    """The time that a presigned address was good for is over. (AWS's list of common errors gives it 400.)"""

    code, status = "RequestExpired", 403
    hint = "Presign the address again, with a longer ExpiresIn if it must live longer."

    def __init__(self) -> None:
        super().__init__("Request has expired.")


class UnrecognizedClient(ServiceError):
    """Nobody here has that access key id, or its session token is another one."""

    code, status = "UnrecognizedClientException", 403
    hint = "Use the lab's own access key id (and session token, if it has one): each lab makes new ones."

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ContentMismatch(ServiceError):
    """A body is not the one whose hash was signed. S3's own name for it (API reference, "Error responses")."""

    code, status = "XAmzContentSHA256Mismatch", 400
    hint = "Sign what is sent: the SHA-256 of the whole body, or UNSIGNED-PAYLOAD."

    def __init__(
        self, message: str = "The provided 'x-amz-content-sha256' header does not match what was computed."
    ) -> None:
        super().__init__(message)


class AccessDenied(ServiceError):
    """IAM is enforced, and no policy allows it."""

    code, status = "AccessDeniedException", 403
    hint = "Give the role or user a policy with this action and resource."


class ExpiredToken(ServiceError):
    """A session's time is over."""

    code, status = "ExpiredTokenException", 403
    hint = "Assume the role again."

    def __init__(self, message: str = "The security token included in the request is expired") -> None:
        super().__init__(message)


class ServiceUnavailable(ServiceError):
    """What has to be asked before an answer does not answer."""

    code, status, fault = "ServiceUnavailableException", 503, "Server"
    hint = "The emulator's log says why the mocked account did not start."


class KmsAccessDenied(ServiceError):
    """A function's role may not decrypt the function's environment variables."""

    code, status, fault = "KMSAccessDeniedException", 502, "Server"
    hint = "Give the role kms:Decrypt on the function's key."


class KmsDisabled(ServiceError):
    """The key of a function's environment variables is disabled."""

    code, status, fault = "KMSDisabledException", 502, "Server"
    hint = "Enable the key, or give the function another one."


class KmsNotFound(ServiceError):
    """The key of a function's environment variables does not exist."""

    code, status, fault = "KMSNotFoundException", 502, "Server"
    hint = "Give the function a key that exists."
