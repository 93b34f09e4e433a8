"""A function's execution role, with `--iam`: what is asked of it when a function is made, fed by a queue, or started.

Lambda looks at the role when a function gets it (it must exist, and trust Lambda), when the function gets a network, a
dead-letter queue or an event source, and when an environment starts: the role is assumed, and the key of the function's
variables is used. Words: chalice 1342 (role), terraform-aws-gitlab-runner 1253 (KMS), sst 5737 (queues), and the
developer guide's troubleshooting pages; streams: LocalStack's tests, recorded against AWS.

The lab's own role, which `Lab.deploy` gives its functions, is made when it is first needed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from labkit.emulator.clients import CallFailed
from labkit.emulator.iam import ANY, UNKNOWN, Asked
from labkit.emulator.principals import LAMBDA, Principals, allowed
from labkit.emulator.refusals import sentence
from labkit.emulator.registry import FunctionVersion
from labkit.errors import (
    AccessDenied,
    InvalidParameterValue,
    KmsAccessDenied,
    KmsDisabled,
    KmsNotFound,
)

Call = Callable[..., Awaitable[dict[str, Any]]]

OWN_ROLE = "labkit"
BASIC_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": LAMBDA}, "Action": "sts:AssumeRole"}],
}
NOT_ASSUMED = "The role defined for the function cannot be assumed by Lambda."
NOT_PERMITTED = "The provided execution role does not have permissions to call {} on {}"
NOT_PERMITTED_TO_READ = "The function execution role does not have permissions to call {} on SQS"
QUEUE_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
STREAM_ACTIONS = {
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream", "ListShards", "ListStreams"),
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"),
}
NOT_DECRYPTED = "Lambda was unable to decrypt the environment variables because {}."
CHECK_KEY = "Please check the function's KMS key settings."


class ExecutionRole:
    """See the module's docstring."""

    def __init__(self, principals: Principals, call: Call) -> None:
        self._principals = principals
        self._call = call

    async def check_role(self, role_arn: str) -> None:
        """Raises InvalidParameterValue if Lambda cannot be this role."""
        if not await self._assumable(role_arn):
            raise InvalidParameterValue(NOT_ASSUMED)

    async def check_network(self, version: FunctionVersion) -> None:
        """A function in a VPC gets a network interface, which is made in its role's name."""
        if not await self._allows(version, "ec2:CreateNetworkInterface", UNKNOWN):
            raise InvalidParameterValue(NOT_PERMITTED.format("CreateNetworkInterface", "EC2"))

    async def check_dead_letters(self, version: FunctionVersion) -> None:
        """Failed events are sent in the role's name."""
        target = version.config.dead_letter_arn
        action, service = ("SendMessage", "SQS") if ":sqs:" in target else ("Publish", "SNS")
        if not await self._allows(version, f"{service.lower()}:{action}", target):
            raise InvalidParameterValue(NOT_PERMITTED.format(action, service))

    async def check_source(self, version: FunctionVersion, source_arn: str) -> None:
        """What an event source mapping reads, it reads in the role's name."""
        service = source_arn.split(":")[2]
        if service == "sqs":
            for action in QUEUE_ACTIONS:
                if not await self._allows(version, f"sqs:{action}", source_arn):
                    raise InvalidParameterValue(NOT_PERMITTED_TO_READ.format(action))
            return
        actions = STREAM_ACTIONS[service]
        permitted = [
            await self._allows(version, f"{service}:{action}", UNKNOWN if action == "ListStreams" else source_arn)
            for action in actions
        ]
        if not all(permitted):
            listed = f"{', '.join(actions[:-1])}, and {actions[-1]}"
            raise InvalidParameterValue(
                f"Cannot access stream {source_arn}. Please ensure the role can perform the {listed} Actions on your "
                "stream in IAM."
            )

    async def check_start(self, version: FunctionVersion) -> None:
        """Raises AccessDenied, KmsAccessDenied, KmsDisabled or KmsNotFound if no environment could start."""
        if not await self._assumable(version.config.role):
            raise AccessDenied(NOT_ASSUMED)
        if version.config.kms_key_arn and version.config.variables:
            await self._check_key(version)

    async def _check_key(self, version: FunctionVersion) -> None:
        key, region = version.config.kms_key_arn, version.arn.split(":")[3]
        principal = await self._principals.of_function(version)
        facts = {
            "kms:viaservice": [f"lambda.{region}.amazonaws.com"],
            "kms:encryptioncontext:aws:lambda:functionarn": [version.arn],
        }
        asked = Asked("kms:Decrypt", key, {**principal.context(), **facts})
        if refused := allowed(principal, asked):
            said = sentence(principal.arn, asked.action, key, refused)
            details = f"(Service: Kms, Status Code: 400, Request ID: {uuid.uuid4()})"
            raise KmsAccessDenied(
                _not_decrypted("KMS access was denied", f"AccessDeniedExceptionKMS Message: {said} {details}")
            )
        try:
            state = (await self._call("kms", "describe_key", KeyId=key))["KeyMetadata"]["KeyState"]
        except CallFailed as error:
            said = f"{error.code}KMS Message: {error.message}"
            raise KmsNotFound(_not_decrypted("the KMS key was not found", said)) from None
        if state != "Enabled":
            said = f"DisabledExceptionKMS Message: {key} is {state}."
            raise KmsDisabled(_not_decrypted("the KMS key used is disabled", said))

    async def _allows(self, version: FunctionVersion, action: str, resource: str = ANY) -> bool:
        principal = await self._principals.of_function(version)
        return allowed(principal, Asked(action, resource, principal.context())) is None

    async def _assumable(self, role_arn: str) -> bool:
        if await self._principals.may_be_assumed(role_arn, [LAMBDA]):
            return True
        if role_arn.partition(":role/")[2] != OWN_ROLE:
            return False
        await self._make_own_role()
        return await self._principals.may_be_assumed(role_arn, [LAMBDA])

    async def _make_own_role(self) -> None:
        """The lab's own role; if there is one, it stays as somebody made it."""
        try:
            await self._call("iam", "create_role", RoleName=OWN_ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
        except CallFailed as error:
            if error.code != "EntityAlreadyExists":
                raise
            return
        await self._call("iam", "attach_role_policy", RoleName=OWN_ROLE, PolicyArn=BASIC_POLICY)


def _not_decrypted(why: str, exception: str) -> str:
    return f"{NOT_DECRYPTED.format(why)} {CHECK_KEY} KMS Exception: {exception}"
