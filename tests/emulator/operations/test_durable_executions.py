"""Durable executions, of which there are none, by an unmodified boto3."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.process

EXECUTION = "arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/name/id"
OF_AN_EXECUTION = [
    "get_durable_execution",
    "get_durable_execution_history",
    "stop_durable_execution",
    "pause_durable_execution",
    "resume_durable_execution",
    "delete_durable_execution",
]
OF_A_CALLBACK = ["success", "failure", "heartbeat"]


def test_a_function_has_none(aws, arn, refused):
    assert aws.list_durable_executions_by_function(FunctionName="f")["DurableExecutions"] == []
    code = refused(aws.list_durable_executions_by_function, FunctionName="nobody")[0]
    assert code == "ResourceNotFoundException"


@pytest.mark.parametrize("operation", OF_AN_EXECUTION)
def test_no_execution_is_found(aws, refused, operation):
    missing = ("ResourceNotFoundException", 404, f"Durable execution not found: {EXECUTION}")
    assert refused(getattr(aws, operation), DurableExecutionArn=EXECUTION) == missing


@pytest.mark.parametrize("kind", OF_A_CALLBACK)
def test_no_callback_is_found(aws, refused, kind):
    call = getattr(aws, f"send_durable_execution_callback_{kind}")
    assert refused(call, CallbackId="QUJD") == ("ResourceNotFoundException", 404, "Callback not found: QUJD")


def test_no_token_is_good_for_a_state(aws, refused):
    asked = {"DurableExecutionArn": EXECUTION, "CheckpointToken": "QUJD"}
    assert refused(aws.get_durable_execution_state, **asked)[:2] == ("InvalidParameterValueException", 400)


def test_a_checkpoint_is_not_implemented(aws, refused):
    asked = {"DurableExecutionArn": EXECUTION, "CheckpointToken": "QUJD"}
    code, status, message = refused(aws.checkpoint_durable_execution, **asked)
    assert (code, status, "CheckpointDurableExecution" in message) == ("NotImplementedException", 501, True)
