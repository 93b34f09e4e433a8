"""Step Functions: moto's interpreter switched on, its tasks and its waiting brought to the emulator.

The interpreter is LocalStack's, which moto has taken over: each execution is a thread, and a task asks a boto3 client
for its service. Here that client is the emulator's, so that a task runs the lab's own functions. What it lacks of AWS
is added: InvocationType for `lambda:invoke`, the names of Lambda's errors where a function's ARN is the resource
("Handling error conditions in Step Functions workflows"), names of executions, StartSyncExecution, codes of errors.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from labkit.mockaws import emulator, pauses

MOST_EVENTS = 25_000


@functools.cache
def run_machines() -> None:
    """From now on an execution runs."""
    from moto.core.config import default_user_config  # moto is loaded where it is served only
    from moto.stepfunctions.parser.asl.utils import boto_client

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    boto_client.boto3 = SimpleNamespace(client=_client)
    _name_lambdas_errors()
    _name_errors()
    _name_executions()
    _write_outputs()
    _answer_sync()
    _wait_on_the_clock()
    _end_endless_machines()
    _read_paths()
    _read_jsonata()


def _client(*, service_name: str, region_name: str, **_: Any) -> Any:
    """A client whose calls count as work."""
    with pauses.thinking():  # the first of its kind takes a second
        client = emulator.client(service_name, region_name)
    events = {"before-call": pauses.call_begins, "after-call": pauses.call_ends, "after-call-error": pauses.call_ends}
    for event, then in events.items():  # by their id once, however often
        client.meta.events.register(event, then, unique_id=f"labkit-{event}")
    return client


def _after(cls: Any, name: str, then: Callable[..., None]) -> None:
    """Each call of a method is followed by another."""
    method = getattr(cls, name)

    @functools.wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        answer = method(*args, **kwargs)
        then()
        return answer

    setattr(cls, name, called)


def _wait_on_the_clock() -> None:
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl  # as above
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
    from moto.stepfunctions.parser.backend.execution import Execution
    from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

    def wait(self: Any, env: Any, wait_seconds: float) -> None:
        if isinstance(self, Timestamp):
            pauses.pause_until(moment_of(wait_seconds, datetime.now()), env.is_running)
        else:
            pauses.pause(wait_seconds, env.is_running)

    WaitFunction._wait_interval = wait
    retrier_decl.time = SimpleNamespace(sleep=pauses.pause)
    for name in ("set_stop", "set_error", "set_timed_out"):
        _after(Environment, name, pauses.look_again)
    _after(EventManager, "add_event", pauses.happened)
    _after(Execution, "start", pauses.happened)
    parse = ExecutionWorker._get_evaluation_entrypoint

    def parsed(self: Any) -> Any:
        with pauses.thinking():
            return parse(self)

    ExecutionWorker._get_evaluation_entrypoint = parsed


def moment_of(wait_seconds: float, local_now: datetime) -> float:
    """PURE: the whole second, since the epoch, that a Timestamp means. moto takes it for one of the local wall clock,
    and tells how many seconds are left until then.
    """
    return math.ceil((local_now + timedelta(seconds=wait_seconds)).replace(tzinfo=UTC).timestamp())


def _end_endless_machines() -> None:
    """A history has a bound ("Quotas related to state machine executions"); who reaches it has failed."""
    from moto.stepfunctions.parser.api import HistoryEventType  # as above
    from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager

    add = EventManager.add_event
    last_words = {HistoryEventType.ExecutionFailed, HistoryEventType.ExecutionAborted}

    @functools.wraps(add)
    def added(self: Any, context: Any, event_type: Any, *args: Any, **kwargs: Any) -> Any:
        if len(self._history_event_list) >= MOST_EVENTS - 1 and event_type not in last_words:
            raise RuntimeError(f"The execution reached the maximum number of history events ({MOST_EVENTS}).")
        return add(self, context, event_type, *args, **kwargs)

    EventManager.add_event = added


def _name_lambdas_errors() -> None:
    """A refusal of Lambda is `Lambda.CODE` for both kinds of task; moto knows that of one only."""
    from botocore.exceptions import ClientError  # as above
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_lambda as tasks
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_lambda

    state_task_service_lambda._SUPPORTED_API_PARAM_BINDINGS["invoke"].add("InvocationType")
    of_client_error = state_task_service_lambda.StateTaskServiceLambda._error_cause_from_client_error
    from_error = tasks.StateTaskLambda._from_error

    @functools.wraps(from_error)
    def named(self: Any, env: Any, ex: Exception) -> Any:
        if not isinstance(ex, ClientError):
            return from_error(self, env=env, ex=ex)
        error, cause = of_client_error(ex)
        details = tasks.LambdaFunctionFailedEventDetails(error=error, cause=cause)
        return tasks.FailureEvent(
            env=env,
            error_name=tasks.CustomErrorName(error),
            event_type=tasks.HistoryEventType.LambdaFunctionFailed,
            event_details=tasks.EventDetails(lambdaFunctionFailedEventDetails=details),
        )

    tasks.StateTaskLambda._from_error = named


def _name_errors() -> None:
    """The interpreter's errors have a code, and a text; moto's own rendering looks for both elsewhere."""
    from moto.core.exceptions import AWSError  # as above
    from moto.stepfunctions.parser import api
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    errors: list[Any] = [cls for cls in vars(api).values() if inspect.isclass(cls) and issubclass(cls, AWSError)]
    for cls in errors:
        if cls.TYPE is None and "code" in vars(cls) and "__init__" not in vars(cls):
            cls.TYPE, cls.STATUS = cls.code, cls.status_code
            cls.__init__ = _with_text(cls, cls.__init__)
    validate = StepFunctionsParserBackend._validate_definition

    def validated(definition: str) -> None:
        try:
            validate(definition=definition)
        except api.InvalidDefinition as error:
            raise api.InvalidDefinition(message=_fault_of_definition(definition, error.message)) from None

    StepFunctionsParserBackend._validate_definition = staticmethod(validated)


def _with_text(cls: Any, init: Callable[..., None]) -> Callable[..., None]:
    def made(self: Any, message: str = "", **kwargs: Any) -> None:
        text = message or getattr(cls, "message", "") or f"{cls.code}"
        init(self, text, **kwargs)

    return made


def _fault_of_definition(definition: str, found: str) -> str:
    """AWS's frame ("Invalid State Machine Definition: 'KIND: ...'") around the parser's words, without its list."""
    try:
        json.loads(definition)
        kind = "SCHEMA_VALIDATION_FAILED"
    except ValueError as error:
        kind, found = "INVALID_JSON_DESCRIPTION", str(error)
    words = found.partition(" expecting ")[0]
    return f"Invalid State Machine Definition: '{kind}: {words[:500]}'"


def _name_executions() -> None:
    """An execution that is given no name gets one of its own."""
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend  # as above

    start = StepFunctionsParserBackend.start_execution

    @functools.wraps(start)
    def started(self: Any, state_machine_arn: str, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return start(self, state_machine_arn, name or str(uuid.uuid4()), *args, **kwargs)

    StepFunctionsParserBackend.start_execution = started


def _write_outputs() -> None:
    """An output is JSON, a text's too; moto's server gives a text as it is."""
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str  # as above
    from moto.stepfunctions.parser.backend.execution import Execution

    def write(self: Any, value: object) -> None:
        self._output = None if value is None else to_json_str(value, separators=(",", ":"))

    Execution.output = property(lambda self: self._output, write)


def _answer_sync() -> None:
    """StartSyncExecution, which the interpreter can do and moto's server does not offer."""
    from moto.core.exceptions import AWSError  # as above
    from moto.core.responses import ActionResult
    from moto.stepfunctions.parser.backend.execution import SyncExecution
    from moto.stepfunctions.responses import StepFunctionResponse

    def start_sync_execution(self: Any) -> Any:
        backend = self.stepfunction_backend
        machine = backend.describe_state_machine(self._get_param("stateMachineArn"))
        if machine.type != "EXPRESS":
            raise AWSError(
                "This operation is not supported by this type of state machine", "StateMachineTypeNotSupported"
            )
        given = self._get_param("input", if_none="{}")
        machine._validate_execution_input(given)
        name = self._get_param("name") or str(uuid.uuid4())
        arn = machine.arn.replace(":stateMachine:", ":express:")
        execution = SyncExecution(
            name=name,
            sm_type=machine.type,
            role_arn=machine.roleArn,
            exec_arn=f"{arn}:{name}:{uuid.uuid4()}",
            account_id=backend.account_id,
            region_name=backend.region_name,
            state_machine=machine,
            start_date=datetime.now(UTC),
            cloud_watch_logging_session=None,
            input_data=given,
            activity_store={},
        )
        execution.start()
        answer = execution.to_start_sync_execution_output()
        return ActionResult({**answer, **({"output": execution.output} if "output" in answer else {})})

    StepFunctionResponse.start_sync_execution = start_sync_execution


def _read_paths() -> None:
    """A path that can only mean one thing gives that thing, `$[0].x` too; moto makes a list of it."""
    from moto.stepfunctions.parser.asl.utils import json_path  # as above

    json_path._is_singleton_array_access = is_definite


def is_definite(path: str) -> bool:
    """PURE: whether a path has neither a wildcard, a slice, a union, a filter nor a descent."""
    return not re.search(r"\.\.|\*|\[[^\]'\"]*[:,?]", path)


def _read_jsonata() -> None:
    """JSONata by a library in Python, where LocalStack's interpreter would start Java."""
    from moto.stepfunctions.parser.asl.jsonata import jsonata as reader  # as above

    def evaluated(expression: str) -> Any:
        with pauses.thinking():
            import jsonata
        try:
            return json.loads(json.dumps(jsonata.Jsonata(expression).evaluate(None)))
        except Exception as error:  # whatever the library says of an expression that it cannot evaluate
            raise reader.JSONataException("QueryEvaluationError", str(error)) from None

    reader._eval_jsonata = evaluated
