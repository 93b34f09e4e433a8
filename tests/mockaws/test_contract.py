"""What the seam relies on in moto: names and signatures. A moto that changed one fails here, by that name."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import moto
import pytest

from labkit.mockaws import corrected
from labkit.mockaws.corrections import Corrections

SIGNATURES = {
    "moto.awslambda.utils:get_backend": "account_id region",
    "moto.awslambda.models:LambdaFunction._invoke_lambda": "self event",
    "moto.awslambda.models:LambdaFunction.invoke": "self body request_headers response_headers",
    "moto.awslambda.models:LambdaFunction.save_logs": "self output",
    "moto.awslambda.models:LambdaBackend.get_function": "self function_name_or_arn qualifier",
    "moto.awslambda.models:LambdaBackend.layers_versions_by_arn": "self layer_version_arn",
    "moto.s3.notifications:send_event": "account_id event_name bucket key",
    "moto.s3.notifications:_detail_type": "event_name",
    "moto.s3.models:FakeBucket.set_notification_configuration": "self notification_config",
    "moto.s3.models:Notification.matches": "self event_name key_name",
    "moto.s3.models:S3Backend._set_delete_marker": "self bucket_name key_name",
    "moto.s3.responses:S3Response.put_object_tagging": "self",
    "moto.s3.responses:S3Response._notification_config_from_body": "self",
    "moto.s3.exceptions:InvalidArgumentError": "message name value",
    "moto.sns.models:Subscription.publish": (
        "self message message_id subject message_attributes group_id deduplication_id message_structure"
    ),
    "moto.sns.models:Subscription._parse_message_structure": "self message protocol",
    "moto.sns.models:SNSBackend.publish": (
        "self message arn phone_number subject message_attributes group_id deduplication_id message_structure"
    ),
    "moto.events.models:Rule.send_to_targets": "self original_event transform_input",
    "moto.events.models:EventPattern.matches_event": "self event",
    "moto.events.models:EventPattern.get_pattern": "self",
    "moto.events.notifications:_send_safe_notification": "source event_name region resources detail",
    "moto.logs.models:LogStream._send_log_events": "self service destination_arn filter_name log_events",
    "moto.logs.models:LogsBackend.put_subscription_filter": (
        "self log_group_name filter_name filter_pattern destination_arn role_arn"
    ),
    "moto.logs.utils:EventMessageFilter.matches": "self message",
    "moto.secretsmanager.models:SecretsManagerBackend.rotate_secret": (
        "self secret_id client_request_token rotation_lambda_arn rotation_rules rotate_immediately"
    ),
    "moto.secretsmanager.models:SecretsManagerBackend.update_secret_version_stage": (
        "self secret_id version_stage remove_from_version_id move_to_version_id"
    ),
    "moto.secretsmanager.models:FakeSecret.set_default_version_id": "self version_id",
    "moto.sqs.models:SQSBackend.send_message": (
        "self queue_name message_body message_attributes delay_seconds deduplication_id group_id system_attributes"
        " validate_group_id"
    ),
    "moto.stepfunctions.responses:get_backend": "account region",
    "moto.moto_api._internal.models:MotoAPIBackend.reset": "self",
}
CALLERS = {
    "cloudformation/custom_model.py",
    "config/models.py",
    "dynamodb/models/table.py",
    "events/notifications.py",
    "kinesis/models.py",
    "logs/models.py",
    "s3/notifications.py",
    "secretsmanager/models.py",
    "sns/models.py",
    "sqs/models.py",
}
CALLED = {
    "get_function",
    "invoke",
    "send_dynamodb_items",
    "send_kinesis_message",
    "send_log_event",
    "send_sns_message",
    "send_sqs_batch",
}
REPLACED = {"send_log_event", "send_sns_message"}  # with the methods that call them


def found(name):
    module, _, path = name.partition(":")
    value = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(("name", "parameters"), SIGNATURES.items(), ids=SIGNATURES)
def test_moto_has_the_name_with_these_parameters(name, parameters):
    assert " ".join(inspect.signature(found(name)).parameters) == parameters


def test_the_same_modules_of_moto_call_functions():
    """A new caller would find the seam's `Functions`, with what it needs or without."""
    home = Path(moto.__file__).parent
    callers = {
        str(path.relative_to(home))
        for path in home.rglob("*.py")
        if "from moto.awslambda.utils import get_backend" in path.read_text("utf-8") and path.parent.name != "awslambda"
    }
    assert callers == CALLERS


def test_they_call_the_methods_that_the_seam_has():
    home = Path(moto.__file__).parent
    call = re.compile(
        r"(?:backend|get_backend\([^()]*\))\s*\.(send_(?!message|event|command)\w+|get_function|invoke)\("
    )
    called = {name for caller in CALLERS for name in call.findall((home / caller).read_text("utf-8"))}
    assert called == CALLED
    assert {name for name in CALLED if not hasattr(corrected.Functions, name)} == REPLACED


def test_every_correction_finds_what_it_replaces_and_puts_it_back():
    for name, correct in corrected.BY_MODULE.items():
        importlib.import_module(name)
        corrections = Corrections({name: correct})
        corrections.apply()
        replaced = list(corrections._replaced)
        assert replaced, name
        assert all(vars(owner)[attribute] is not before for owner, attribute, before in replaced)
        corrections.undo()
        assert all(vars(owner)[attribute] is before for owner, attribute, before in replaced)
