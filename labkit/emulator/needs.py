"""PURE: which permissions a request for another service than Lambda needs: IAM's names of actions, on which resources.

The operation is named by the request itself: a target's header, the field `Action` of a form, the path of RPC in CBOR.
S3 (`needs_s3`) and API Gateway have rules of their own, the other REST services are looked up in botocore's model of
them. What IAM calls an action is mostly the operation's name (Service Authorization Reference); SAME_ACTION has the
others.

Resources are known for the services in RESOURCES. An operation that has none of its own is about `*`. For the other
services the resource is UNKNOWN: a statement that allows the action allows it, whatever its Resource says.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from labkit.emulator.iam import ANY, UNKNOWN

Params = Mapping[str, Any]

RPC_PATH = re.compile(rb"/service/[^/]+/operation/([A-Za-z0-9]+)")
STATEMENT = re.compile(
    r"\s*(?P<verb>\w+)\b.*?(?:from|into|update)?\s+\"?(?P<table>[\w.-]+)\"?", re.IGNORECASE | re.DOTALL
)
GET_A_ROLE = frozenset({"CreateFunction", "UpdateFunctionConfiguration"})
FUNCTION_COLONS = 6  # of a function's ARN without a qualifier
KEY_ID_LETTERS = 36  # moto begins a ciphertext with its key's id, as AWS hides it inside
PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "execute-api": "execute-api", "es": "es"}
"""Services whose name in a signature is not their name in a policy."""
SAME_ACTION = {
    "sqs:SendMessageBatch": "SendMessage",
    "sqs:DeleteMessageBatch": "DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sns:PublishBatch": "Publish",
    "kms:ReEncrypt": "ReEncryptFrom",
    "ssm:GetParametersByPath": "GetParametersByPath",
}


class ServiceRequest(NamedTuple):
    """A signed request as it came, with the service and region that its signature names."""

    service: str
    region: str
    account_id: str
    method: str
    raw_path: bytes
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def arn(self, rest: str, *, service: str = "") -> str:
        return f"arn:aws:{service or self.service}:{self.region}:{self.account_id}:{rest}"


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a request needs. `named`: what to ask moto for, where an ARN is not in the request."""

    action: str
    resource: str = ANY
    context: Mapping[str, list[str]] = field(default_factory=dict)
    named: tuple[str, str] | None = None


def needs(request: ServiceRequest, rest_operation: str = "") -> list[Need]:
    """All of them; a request that does not name its operation means `rest_operation`."""
    operations, params = operations_of(request)
    return [n for operation in operations or [rest_operation] for n in _needs_of(request, operation, params)]


def _needs_of(request: ServiceRequest, operation: str, params: Params) -> list[Need]:
    prefix = PREFIXES.get(request.service, request.service)
    action = f"{prefix}:{SAME_ACTION.get(f'{prefix}:{operation}', operation)}"
    if special := SPECIAL.get(prefix):
        return special(request, operation, params, action)
    resources = [arn for arn in RESOURCES[prefix](request, operation, params) if arn] if prefix in RESOURCES else []
    if resources:
        return [Need(action, resource, named=_holder(prefix, resource)) for resource in dict.fromkeys(resources)]
    return [Need(action, ANY if operation.startswith("List") or prefix in RESOURCES_OF_NONE else UNKNOWN)]


def _holder(prefix: str, resource: str) -> tuple[str, str] | None:
    """Who has a policy of its own, by the name that moto keeps it under."""
    if prefix == "sqs":
        return prefix, resource.rpartition(":")[2]
    return (prefix, resource) if prefix == "sns" else None


def operations_of(request: ServiceRequest) -> tuple[list[str], Params]:
    """The operation that the request names, and its parameters; none for a REST service.

    A request may name several, in a header, its form and its query: then it needs the permissions of each, whichever
    is obeyed. Of a parameter that comes several times the first one counts.
    """
    given = parse_qsl(request.query, keep_blank_values=True)
    if request.header(b"content-type").startswith("application/x-www-form-urlencoded"):
        given = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True) + given
    target, found = request.header(b"x-amz-target"), RPC_PATH.search(request.raw_path)
    named = [target.rpartition(".")[2]] if target else []
    named += [found[1].decode()] if found else []
    named += [value for name, value in given if name == "Action"]
    return list(dict.fromkeys(named)), dict(reversed(given)) | _object(request.body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def _text(params: Params, *names: str) -> str:
    """The first of these parameters that is a text."""
    return next((params[name] for name in names if isinstance(params.get(name), str)), "")


def _each(given: object) -> Iterator[Params]:
    return (each for each in given if isinstance(each, dict)) if isinstance(given, list) else iter(())


def _named(request: ServiceRequest, name: str, prefix: str, *, service: str = "") -> str:
    """An ARN as it is, a bare name with what comes before it."""
    if not name or name.startswith("arn:"):
        return name
    return request.arn(prefix + name, service=service)


# --- resources, by service ----------------------------------------------------------------------------------


def _queue(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    if url := _text(params, "QueueUrl"):
        owner, _, name = url.rstrip("/").rpartition("/")
        account = owner.rpartition("/")[2]
        yield f"arn:aws:sqs:{request.region}:{account if account.isdigit() else request.account_id}:{name}"
    yield _named(request, _text(params, "QueueName", "SourceArn"), "")


def _topic(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    if subscription := _text(params, "SubscriptionArn"):
        yield subscription.rpartition(":")[0]
    else:
        yield _named(request, _text(params, "TopicArn", "TargetArn", "ResourceArn", "Name"), "")


def _log_group(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    """A group's ARN ends with an empty stream, as AWS's messages show it; `log-group:NAME:*` covers both."""
    arn = _text(params, "resourceArn", "resourceIdentifier", "logGroupIdentifier")
    name = _text(params, "logGroupName") or (arn if not arn.startswith("arn:") else "")
    if name:
        yield request.arn(f"log-group:{name}:log-stream:{_text(params, 'logStreamName')}")
    elif arn:
        yield arn


def _parameter(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    names = params.get("Names")
    for name in [_text(params, "Name", "Path"), *(names if isinstance(names, list) else ())]:
        if isinstance(name, str) and name:
            yield _named(request, name.removeprefix("/"), "parameter/")


def _rule_or_bus(request: ServiceRequest, operation: str, params: Params) -> Iterator[str]:
    if operation == "PutEvents":
        for entry in _each(params.get("Entries")):
            yield _named(request, _text(entry, "EventBusName") or "default", "event-bus/")
        return
    bus = _text(params, "EventBusName").rpartition("/")[2]
    if "Bus" in operation and "Rule" not in operation:
        yield _named(request, _text(params, "Name"), "event-bus/")
    elif rule := _text(params, "Rule", "Name"):
        yield _named(request, rule, "rule/" if bus in ("", "default") else f"rule/{bus}/")


def _machine(request: ServiceRequest, operation: str, params: Params) -> Iterator[str]:
    arn = _text(params, "stateMachineArn", "executionArn", "activityArn", "resourceArn", "mapRunArn")
    yield arn or _named(request, _text(params, "name"), "activity:" if "Activity" in operation else "stateMachine:")


def _stream(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    arn = _text(params, "StreamARN", "ConsumerARN", "ResourceARN", "StreamArn")
    yield arn or _named(request, _text(params, "StreamName"), "stream/")


def _delivery_stream(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    yield _named(request, _text(params, "DeliveryStreamName"), "deliverystream/")


def _identity(request: ServiceRequest, _: str, params: Params) -> Iterator[str]:
    home = f"arn:aws:iam::{request.account_id}:"
    if arn := _text(params, "PolicyArn"):
        yield arn
    for name, kind in (("RoleName", "role"), ("UserName", "user"), ("GroupName", "group"), ("PolicyName", "policy")):
        if given := _text(params, name):
            yield f"{home}{kind}{_text(params, 'Path') or '/'}{given}"
            return


def _schedule(request: ServiceRequest, operation: str, params: Params) -> Iterator[str]:
    found = re.fullmatch(rb"/(schedules|schedule-groups)/([^/?]+)", request.raw_path)
    if found and found[1] == b"schedules":
        group = _text(params, "GroupName", "groupName") or "default"
        yield request.arn(f"schedule/{group}/{found[2].decode('latin-1')}")
    elif found:
        yield request.arn(f"schedule-group/{found[2].decode('latin-1')}")


RESOURCES: dict[str, Callable[[ServiceRequest, str, Params], Iterator[str]]] = {
    "sqs": _queue,
    "sns": _topic,
    "logs": _log_group,
    "ssm": _parameter,
    "events": _rule_or_bus,
    "states": _machine,
    "kinesis": _stream,
    "firehose": _delivery_stream,
    "iam": _identity,
    "scheduler": _schedule,
}
RESOURCES_OF_NONE = frozenset({"xray", "cloudwatch", "ec2"})
"""Services whose usual operations are about nothing in particular."""


# --- services where one request may need several permissions ------------------------------------------------


def _tables(request: ServiceRequest, operation: str, params: Params, action: str) -> list[Need]:
    """Of a transaction each part needs its own action, of a batch each table the batch's."""
    found: list[Need] = []
    for item in _each(params.get("TransactItems")):
        for verb, part in item.items():
            name = {"Put": "PutItem", "Get": "GetItem", "Update": "UpdateItem", "Delete": "DeleteItem"}.get(verb, "")
            found += _table_needs(request, f"dynamodb:{name or 'ConditionCheckItem'}", part)
    if isinstance(tables := params.get("RequestItems"), dict):
        found += [need for name in tables for need in _table_needs(request, action, {"TableName": name})]
    if text := _text(params, "Statement"):
        found += _partiql(request, text)
    stream = _text(params, "StreamArn", "ShardIterator", "ResourceArn", "BackupArn").partition("|")[0]
    if stream.startswith("arn:"):
        found.append(Need(action, stream))
    found += _table_needs(request, action, params)
    return found or [Need(action)]


def _table_needs(request: ServiceRequest, action: str, params: object) -> list[Need]:
    if not isinstance(params, dict) or not (name := _text(params, "TableName")):
        return []
    table, index = _named(request, name, "table/"), _text(params, "IndexName")
    return [Need(action, f"{table}/index/{index}" if index else table)]


def _partiql(request: ServiceRequest, text: str) -> list[Need]:
    found = STATEMENT.match(
        re.sub(r"(?is)^\s*(select)\s.*?\sfrom\s|^\s*(insert)\s+into\s|^\s*(delete)\s+from\s", r"\1\2\3 ", text)
    )
    if not found:
        return [Need("dynamodb:PartiQLSelect", UNKNOWN)]
    return [Need(f"dynamodb:PartiQL{found['verb'].capitalize()}", request.arn(f"table/{found['table']}"))]


def _secrets(request: ServiceRequest, operation: str, params: Params, action: str) -> list[Need]:
    """A secret's ARN ends with six letters that a request by name does not know."""
    if secret := _text(params, "SecretId"):
        return [Need(action, _named(request, secret, "secret:"), named=("secretsmanager", secret))]
    name = _text(params, "Name")
    return [Need(action, request.arn(f"secret:{name}") if name else ANY)]


def _keys(request: ServiceRequest, operation: str, params: Params, action: str) -> list[Need]:
    """A key goes by its id, its ARN or an alias; a ciphertext knows its own."""
    key = _text(params, "KeyId", "TargetKeyId", "SourceKeyId") or _key_of(_text(params, "CiphertextBlob"))
    alias = _text(params, "AliasName")
    found = [Need(action, request.arn(alias))] if alias else []
    if key:
        found.append(Need(action, _key_arn(request, key), named=("kms", key)))
    if destination := _text(params, "DestinationKeyId"):
        found.append(Need("kms:ReEncryptTo", _key_arn(request, destination), named=("kms", destination)))
    return found or [Need(action)]


def _key_arn(request: ServiceRequest, key: str) -> str:
    return _named(request, key, "" if key.startswith("alias/") else "key/", service="kms")


def _key_of(ciphertext: str) -> str:
    try:
        return base64.b64decode(ciphertext)[:KEY_ID_LETTERS].decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _tokens(request: ServiceRequest, operation: str, params: Params, action: str) -> list[Need]:
    return [Need(action, _text(params, "RoleArn") or ANY)]


def _apis(request: ServiceRequest, operation: str, params: Params, action: str) -> list[Need]:
    """API Gateway's actions are HTTP's methods, its resources the paths of its own API."""
    path = request.raw_path.decode("latin-1").partition("?")[0]
    return [Need(f"apigateway:{request.method}", f"arn:aws:apigateway:{request.region}::{path}")]


def lambda_needs(request: ServiceRequest, operation: str, uri: Mapping[str, str]) -> list[Need]:
    """Of the Lambda API: a function that gets a role needs the permission to pass it, too."""
    params = _object(request.body) if operation in GET_A_ROLE else {}
    made = {"FunctionName": params.get("FunctionName")} if operation == "CreateFunction" else {}
    query = dict(reversed(parse_qsl(request.query)))
    invokes = operation in ("Invoke", "InvokeAsync", "InvokeWithResponseStream")
    found = [Need("lambda:InvokeFunction" if invokes else f"lambda:{operation}", _of_lambda(request, uri, made, query))]
    if role := _text(params, "Role"):
        found.append(Need("iam:PassRole", role, {"iam:passedtoservice": ["lambda.amazonaws.com"]}))
    return found


def _of_lambda(request: ServiceRequest, uri: Mapping[str, str], params: Params, query: Mapping[str, str]) -> str:
    """What a path names; a function is this account's and region's, whatever its ARN says, as for who runs it."""
    given = {**params, **uri}
    if function := _text(given, "FunctionName"):
        arn = request.arn(f"function:{function.rpartition('function:')[2]}")
        qualifier = query.get("Qualifier") or given.get("Qualifier")
        return f"{arn}:{qualifier}" if qualifier and arn.count(":") == FUNCTION_COLONS else arn
    if layer := _text(given, "LayerName"):
        version = given.get("VersionNumber")
        arn = layer if layer.startswith("arn:") else request.arn(f"layer:{layer}")
        return f"{arn}:{version}" if version else arn
    if mapping := _text(given, "UUID"):
        return request.arn(f"event-source-mapping:{mapping}")
    return _text(given, "CodeSigningConfigArn", "Resource") or ANY


SPECIAL: dict[str, Callable[[ServiceRequest, str, Params, str], list[Need]]] = {
    "dynamodb": _tables,
    "secretsmanager": _secrets,
    "kms": _keys,
    "sts": _tokens,
    "apigateway": _apis,
}
