"""Every operation that the emulator has, called through boto3: its answers and refusals against botocore's own model.

One walk through the API calls them all, on an emulator of its own; the tests then look at what came back. Whoever adds
an operation adds a call of it to `walk`, or to `refusals` if all that it can do is refuse.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from labkit import Lab
from labkit.emulator.control import OPERATIONS
from labkit.emulator.operations import functions
from labkit.emulator.wire import CORRECTED_STATUS

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("responses")]

MODEL = botocore.session.get_session().get_service_model("lambda")
WAITERS = [xform_name(name) for name in botocore.session.get_session().get_waiter_model("lambda").waiter_names]
DOORS = {"Invoke", "InvokeWithResponseStream"}
ACCOUNT = "arn:aws:lambda:us-east-1:123456789012"
FUNCTION = f"{ACCOUNT}:function:f"
EXECUTION = f"{FUNCTION}:1/durable-execution/name/id"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
ROLE = "arn:aws:iam::123456789012:role/r"
PROFILE = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/course/0123456789"
NO_REVISION = "00000000-0000-0000-0000-000000000000"

ONLY_REFUSES = {
    "DeleteCapacityProvider",
    "DeleteDurableExecution",
    "GetCapacityProvider",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "GetDurableExecutionState",
    "ListFunctionVersionsByCapacityProvider",
    "PauseDurableExecution",
    "PutFunctionScalingConfig",
    "ResumeDurableExecution",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "StopDurableExecution",
    "UpdateCapacityProvider",
}
"""Operations on what labkit never has."""
EXPLAINED = {
    ("*", "ValidationException"): "AWS's framework answers it before Lambda sees the request; no model lists it",
    ("*", "NotImplementedException"): "labkit's own, for what it does not have",
    ("CreateFunction", "RequestEntityTooLargeException"): "recorded from AWS for a large package, but not in the model",
    ("Invoke", "RequestEntityTooLargeException"): "recorded from AWS; the model calls it RequestTooLargeException",
    ("InvokeAsync", "RequestEntityTooLargeException"): "the model documents the limit and lists no error for it",
}
OPERATIONS_FOLDER = Path(functions.__file__).parent
OF_OTHERS = {
    *(
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Action",
        "Resource",
        "Condition",
        "StringEquals",
        "Bool",
        "ArnLike",
        "Service",
    ),
    *("Bucket", "Key", "VersionId", "Body", "AWS:SourceAccount", "AWS:SourceArn", "AWS"),
}
"""Names in policies, and S3's."""
RECORDED = {"LastUpdateStatusReasonCode: Creating"}
"""Values that AWS answers, by LocalStack's recordings, although the model's enumeration lacks them."""
ANSWERING = sorted((set(OPERATIONS) | DOORS) - ONLY_REFUSES)


@dataclass
class Walk:
    """A client that writes down what comes back."""

    client: Any
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    refusals: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    accepted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # which should have been refused
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def note(self, operation_model: Any, response_dict: Any, **_: Any) -> None:
        if response_dict["status_code"] < 300 and isinstance(response_dict["body"], bytes):
            self.bodies.setdefault(operation_model.name, []).append(response_dict["body"])

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.client, xform_name(operation))(**params)
        for name, value in answer.items():
            if name == "EventStream":
                answer[name] = list(value)
        self.answers.setdefault(operation, []).append(answer)
        self.sent.append((operation, params))
        return answer

    def refused(self, operation: str, **params: Any) -> None:
        try:
            getattr(self.client, xform_name(operation))(**params)
        except ClientError as error:
            self.refusals.append((operation, params, error.response))
        else:
            self.accepted.append((operation, params))


def zipped(source: str, name: str = "app.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, source)
    return buffer.getvalue()


def default_network(lab: Lab) -> dict[str, list[str]]:
    """A subnet and a security group that every account has."""
    ec2 = lab.boto3("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    of_vpc = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
    group = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"][0]
    return {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group["GroupId"]]}


def walk(call: Callable[..., dict[str, Any]], network: dict[str, list[str]]) -> None:
    """All that can be made and read; nothing is taken away."""
    make_shared(call)
    make_function(call, network)
    furnish(call)
    for kind in ("RequestResponse", "Event", "DryRun"):
        call("Invoke", FunctionName="f", InvocationType=kind, LogType="Tail", Payload=b"{}")
    call("Invoke", FunctionName="f", Qualifier="live", Payload=b'{"fail": 1}')
    call("InvokeWithResponseStream", FunctionName="f", Payload=b"{}", LogType="Tail")
    call("InvokeWithResponseStream", FunctionName="f", Payload=b'{"fail": 1}')
    call("InvokeAsync", FunctionName="f", InvokeArgs=b"{}")
    look(call)


def make_shared(call: Callable[..., dict[str, Any]]) -> None:
    publishers = {"SigningProfileVersionArns": [PROFILE]}
    for _ in range(2):
        made = call("CreateCodeSigningConfig", AllowedPublishers=publishers, Description="d", Tags={"a": "b"})
    arn = made["CodeSigningConfig"]["CodeSigningConfigArn"]
    policies = {"UntrustedArtifactOnDeployment": "Enforce"}
    call("UpdateCodeSigningConfig", CodeSigningConfigArn=arn, CodeSigningPolicies=policies)
    layer = {
        "Description": "d",
        "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.13"],
        "CompatibleArchitectures": ["x86_64"],
    }
    for content in ("x = 1", "x = 2"):
        call("PublishLayerVersion", LayerName="l", Content={"ZipFile": zipped(content, "python/m.py")}, **layer)
    use = {"Action": "lambda:GetLayerVersion", "Principal": "*"}
    call("AddLayerVersionPermission", LayerName="l", VersionNumber=1, StatementId="s", **use)


def make_function(call: Callable[..., dict[str, Any]], network: dict[str, list[str]]) -> None:
    """A function with every setting that there is, one with none, two versions and an alias with weights."""
    source = "def handler(event, context):\n    return 1 / 0 if event.get('fail') else 'one'"
    config = call("ListCodeSigningConfigs", MaxItems=1)["CodeSigningConfigs"][0]["CodeSigningConfigArn"]
    everything = {
        "Description": "d",
        "Timeout": 9,
        "MemorySize": 256,
        "Environment": {"Variables": {"MODE": "b"}},
        "Layers": [f"{ACCOUNT}:layer:l:1"],
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 1024},
        "TracingConfig": {"Mode": "Active"},
        "SnapStart": {"ApplyOn": "PublishedVersions"},
        "DeadLetterConfig": {"TargetArn": QUEUE},
        "VpcConfig": network,
        "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
        "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"},
        "Tags": {"course": "ml"},
        "CodeSigningConfigArn": config,
    }
    role = {"Runtime": "python3.13", "Role": ROLE, "Handler": "app.handler"}
    call("CreateFunction", FunctionName="plain", Code={"ZipFile": zipped(source)}, Publish=True, **role)
    call("CreateFunction", FunctionName="f", Code={"ZipFile": zipped(source)}, **role, **everything)
    call("GetFunction", FunctionName="f")
    call("UpdateFunctionConfiguration", FunctionName="f", Timeout=10, SnapStart={"ApplyOn": "None"})
    call("GetFunctionConfiguration", FunctionName="f")
    call("PublishVersion", FunctionName="f", Description="one")
    call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(source + "\n"), DryRun=True)
    call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(source + "\n"), Publish=True)
    call("GetFunctionConfiguration", FunctionName="f")
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=weights)
    call("CreateAlias", FunctionName="f", Name="spare", FunctionVersion="1")
    call("UpdateAlias", FunctionName="f", Name="live", Description="d")


def furnish(call: Callable[..., dict[str, Any]]) -> None:
    """What a function can have beside code and configuration."""
    s3 = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceAccount": "123456789012"}
    call("AddPermission", FunctionName="f", StatementId="s3", **s3)
    call("AddPermission", FunctionName="f", StatementId="s4", **s3)
    policy = call("GetResourcePolicy", ResourceArn=FUNCTION)["Policy"]
    call("PutResourcePolicy", ResourceArn=FUNCTION, Policy=policy)
    cors = {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "MaxAge": 5, "AllowCredentials": False}
    call("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE", Cors=cors, InvokeMode="RESPONSE_STREAM")
    call("CreateFunctionUrlConfig", FunctionName="f", Qualifier="live", AuthType="AWS_IAM")
    call("UpdateFunctionUrlConfig", FunctionName="f", AuthType="AWS_IAM")
    ends = {"OnFailure": {"Destination": QUEUE}, "OnSuccess": {}}
    call("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=ends)
    call("PutFunctionEventInvokeConfig", FunctionName="f", Qualifier="live", MaximumEventAgeInSeconds=60)
    call("UpdateFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60)
    call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=5)
    for qualifier in ("2", "spare"):
        provisioned = {"Qualifier": qualifier, "ProvisionedConcurrentExecutions": 1}
        call("PutProvisionedConcurrencyConfig", FunctionName="f", **provisioned)
    call("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
    call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
    config = call("GetFunctionCodeSigningConfig", FunctionName="f")["CodeSigningConfigArn"]
    call("PutFunctionCodeSigningConfig", FunctionName="f", CodeSigningConfigArn=config)
    call("TagResource", Resource=FUNCTION, Tags={"week": "2"})
    queue = {"EventSourceArn": QUEUE, "Enabled": False, "ScalingConfig": {"MaximumConcurrency": 2}}
    criteria = {
        "FilterCriteria": {"Filters": [{"Pattern": "{}"}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    call("CreateEventSourceMapping", FunctionName="f", **queue, **criteria)
    stream = {"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s", "StartingPosition": "LATEST"}
    mapping = call("CreateEventSourceMapping", FunctionName="f", Enabled=False, **stream)
    call("UpdateEventSourceMapping", UUID=mapping["UUID"], BatchSize=7)


def look(call: Callable[..., dict[str, Any]]) -> None:
    """Everything that reads, lists in pages of one."""
    for operation in ("GetAccountSettings", "ListCapacityProviders", "ListLayers", "ListEventSourceMappings"):
        call(operation, **({"MaxItems": 1} if operation.startswith("List") else {}))
    for operation in (
        "GetFunction",
        "GetFunctionConcurrency",
        "GetFunctionConfiguration",
        "GetFunctionEventInvokeConfig",
        "GetFunctionRecursionConfig",
        "GetFunctionUrlConfig",
        "GetPolicy",
        "GetRuntimeManagementConfig",
    ):
        call(operation, FunctionName="f")
    for operation in (
        "ListAliases",
        "ListDurableExecutionsByFunction",
        "ListFunctionEventInvokeConfigs",
        "ListFunctionUrlConfigs",
        "ListProvisionedConcurrencyConfigs",
        "ListVersionsByFunction",
    ):
        call(operation, FunctionName="f", MaxItems=1)
    call("GetFunction", FunctionName="f", Qualifier="1")
    call("GetAlias", FunctionName="f", Name="live")
    call("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="2")
    call("GetFunctionScalingConfig", FunctionName="f", Qualifier="1")
    call("ListFunctions", FunctionVersion="ALL", MaxItems=1)
    call("ListTags", Resource=FUNCTION)
    mapping = call("ListEventSourceMappings", FunctionName="f")["EventSourceMappings"][0]["UUID"]
    call("GetEventSourceMapping", UUID=mapping)
    call("GetLayerVersion", LayerName="l", VersionNumber=1)
    call("GetLayerVersionByArn", Arn=f"{ACCOUNT}:layer:l:1")
    call("GetLayerVersionPolicy", LayerName="l", VersionNumber=1)
    call("ListLayerVersions", LayerName="l", MaxItems=1)
    config = call("GetFunctionCodeSigningConfig", FunctionName="f")["CodeSigningConfigArn"]
    call("GetCodeSigningConfig", CodeSigningConfigArn=config)
    call("ListFunctionsByCodeSigningConfig", CodeSigningConfigArn=config)


def take_away(call: Callable[..., dict[str, Any]]) -> None:
    call("UntagResource", Resource=FUNCTION, TagKeys=["week"])
    call("RemovePermission", FunctionName="f", StatementId="s3")
    call("DeleteResourcePolicy", ResourceArn=FUNCTION)
    call("RemoveLayerVersionPermission", LayerName="l", VersionNumber=1, StatementId="s")
    call("DeleteLayerVersion", LayerName="l", VersionNumber=1)
    call("DeleteFunctionCodeSigningConfig", FunctionName="f")
    for config in call("ListCodeSigningConfigs")["CodeSigningConfigs"]:
        call("DeleteCodeSigningConfig", CodeSigningConfigArn=config["CodeSigningConfigArn"])
    for mapping in call("ListEventSourceMappings")["EventSourceMappings"]:
        call("DeleteEventSourceMapping", UUID=mapping["UUID"])
    call("DeleteFunctionEventInvokeConfig", FunctionName="f")
    call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="2")
    call("DeleteFunctionConcurrency", FunctionName="f")
    call("DeleteFunctionUrlConfig", FunctionName="f")
    call("DeleteAlias", FunctionName="f", Name="live")
    call("DeleteFunction", FunctionName="plain", Qualifier="1")
    call("DeleteFunction", FunctionName="plain")


NOT_REFUSED = {"CreateFunction", "ListEventSourceMappings", "ListLayerVersions"}
"""Need nothing that is there: a function that is not has no mappings, and such a layer no versions."""
EMPTY_LISTS = {"ListCapacityProviders", "ListDurableExecutionsByFunction"}
"""Always empty here, so that no marker is looked at."""


def refusals(refused: Callable[..., None], sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Every call of the walk again, for what is not there; and what there is of other refusals."""
    for operation, params in sent:
        if operation not in NOT_REFUSED and (absent := elsewhere(params)):
            refused(operation, **absent)
        if "MaxItems" in params and operation not in EMPTY_LISTS:
            refused(operation, **params, Marker="garbage")
    never(refused)
    conflicts(refused)


def elsewhere(params: dict[str, Any]) -> dict[str, Any] | None:
    """The same request for a function, layer, mapping or configuration that is not there."""
    absent = {
        "FunctionName": "nobody",
        "LayerName": "nothing",
        "UUID": NO_REVISION,
        "Resource": f"{ACCOUNT}:function:nobody",
        "ResourceArn": f"{ACCOUNT}:function:nobody",
        "Arn": f"{ACCOUNT}:layer:nothing:1",
        "CodeSigningConfigArn": f"{ACCOUNT}:code-signing-config:csc-{'0' * 17}",
    }
    named = [name for name in absent if name in params and "Content" not in params]
    return {**params, named[0]: absent[named[0]]} if named else None


def never(refused: Callable[..., None]) -> None:
    """The operations that only refuse, and those that are not there."""
    for operation in ("Get", "GetHistory", "Stop", "Pause", "Resume", "Delete"):
        name = f"{operation.removesuffix('History')}DurableExecution{'History' if operation == 'GetHistory' else ''}"
        refused(name, DurableExecutionArn=EXECUTION)
    refused("GetDurableExecutionState", DurableExecutionArn=EXECUTION, CheckpointToken="QUJD")
    refused("CheckpointDurableExecution", DurableExecutionArn=EXECUTION, CheckpointToken="QUJD")
    for kind in ("Success", "Failure", "Heartbeat"):
        refused(f"SendDurableExecutionCallback{kind}", CallbackId="QUJD")
    for operation in ("GetCapacityProvider", "UpdateCapacityProvider", "DeleteCapacityProvider"):
        refused(operation, CapacityProviderName="p")
    refused("ListFunctionVersionsByCapacityProvider", CapacityProviderName="p")
    refused("PutFunctionScalingConfig", FunctionName="f", Qualifier="1")


def conflicts(refused: Callable[..., None]) -> None:
    """What is there already, is in use, is out of date, or breaks a rule."""
    role = {"Runtime": "python3.13", "Role": ROLE, "Handler": "app.handler"}
    code = {"ZipFile": zipped("x = 1")}
    refused("CreateFunction", FunctionName="f", Code=code, **role)
    refused("CreateFunction", FunctionName="new", Code={"ZipFile": b"no zip"}, **role)
    refused("CreateFunction", FunctionName="new", Code={"ZipFile": b"0" * 52_428_801}, **role)
    refused("CreateFunction", FunctionName="new", Code=code, PackageType="Image", Role=ROLE)
    refused("CreateFunction", FunctionName="new", Code=code, **role, Timeout=901)
    refused("ListFunctions", MasterRegion="us-east-1")
    refused("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    refused("CreateAlias", FunctionName="f", Name="odd", FunctionVersion="7")
    refused("DeleteFunction", FunctionName="f", Qualifier="1")
    refused("DeleteFunction", FunctionName="f", Qualifier="$LATEST")
    stale = {"FunctionName": "f", "RevisionId": NO_REVISION}
    s3 = {"StatementId": "s9", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    refused("UpdateFunctionCode", **stale, **code)
    refused("UpdateFunctionConfiguration", **stale)
    refused("PublishVersion", **stale)
    refused("UpdateAlias", **stale, Name="live")
    refused("AddPermission", **stale, **s3)
    refused("AddPermission", FunctionName="f", **s3 | {"StatementId": "s3"})
    refused("AddPermission", FunctionName="f", **s3, SourceArn="arn:aws:s3:::" + "b" * 30_000)
    refused("AddPermission", FunctionName="f", **s3 | {"Principal": "nobody"})
    refused("RemovePermission", **stale, StatementId="s3")
    refused("RemovePermission", FunctionName="f", StatementId="none")
    refused("PutResourcePolicy", ResourceArn=FUNCTION, RevisionId=NO_REVISION, Policy="{}")
    refused("PutResourcePolicy", ResourceArn=FUNCTION, Policy="{}")
    refused("DeleteResourcePolicy", ResourceArn=FUNCTION, RevisionId=NO_REVISION)
    layer = {"LayerName": "l", "VersionNumber": 1, "StatementId": "s"}
    use = {"Action": "lambda:GetLayerVersion", "Principal": "*"}
    refused("AddLayerVersionPermission", **layer, **use)
    refused("AddLayerVersionPermission", **layer | {"StatementId": "t"}, **use, RevisionId=NO_REVISION)
    refused("RemoveLayerVersionPermission", **layer, RevisionId=NO_REVISION)
    refused("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
    refused("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=100_000)
    refused("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    provisioned = {"FunctionName": "f", "ProvisionedConcurrentExecutions": 1}
    refused("PutProvisionedConcurrencyConfig", **provisioned, Qualifier="$LATEST")
    refused("PutProvisionedConcurrencyConfig", **provisioned, Qualifier="1")
    refused("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    refused("PutFunctionEventInvokeConfig", FunctionName="f")
    refused("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="Manual")
    refused("CreateEventSourceMapping", FunctionName="f", EventSourceArn=QUEUE)
    refused("TagResource", Resource=f"{FUNCTION}:1", Tags={"a": "b"})
    refused("Invoke", FunctionName="f", Payload=b"{oops")
    refused("Invoke", FunctionName="f", InvocationType="Event", Payload=b'"' + b"x" * 1_048_576 + b'"')
    refused("InvokeWithResponseStream", FunctionName="f", Payload=b"{oops")
    refused("InvokeAsync", FunctionName="f", InvokeArgs=b"{oops")
    refused("InvokeAsync", FunctionName="f", InvokeArgs=b'"' + b"x" * 262_144 + b'"')


@pytest.fixture(scope="module")
def seen() -> Walk:
    """Everything that came back. Its environments end with the lab, before the tests look."""
    with Lab(notice=lambda message: None) as lab:
        client = boto3.client("lambda", **lab.connection, config=Config(retries={"total_max_attempts": 1}))
        seen = Walk(client)
        client.meta.events.register("before-parse.lambda", seen.note)
        walk(seen.call, default_network(lab))
        refusals(seen.refused, list(seen.sent))
        take_away(seen.call)
    return seen


# --- answers ------------------------------------------------------------------------------------------------


def test_every_operation_answers_or_only_refuses(seen):
    assert set(seen.answers) == set(ANSWERING)
    assert {operation for operation, _, _ in seen.refusals} >= ONLY_REFUSES
    assert not ONLY_REFUSES - set(OPERATIONS)


@pytest.mark.parametrize("operation", ANSWERING)
def test_an_answer_fits_its_shape(seen, operation):
    """Types, ranges and required members by botocore's validator, enumerations by the model."""
    shape = MODEL.operation_model(operation).output_shape
    for answer in seen.answers[operation]:
        members = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        events = members.pop("EventStream", [])
        if shape is None:
            assert members == {}
            continue
        stream = shape.members.get("EventStream")
        for part, of in [(members, shape), *((event, stream) for event in events)]:
            report = ParamValidator().validate(part, of)
            assert not report.has_errors(), report.generate_report()
            assert set(misspelt(part, of)) <= RECORDED


@pytest.mark.parametrize("operation", ANSWERING)
def test_an_answer_has_no_member_that_the_model_does_not_know(seen, operation):
    shape = MODEL.operation_model(operation).output_shape
    payload = shape.serialization.get("payload") if shape else None
    for body in seen.bodies.get(operation, []):
        if body and payload is None:
            assert unknown(json.loads(body), shape) == []


@pytest.mark.parametrize("path", sorted(OPERATIONS_FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_names_in_the_code_are_names_of_the_model(path):
    """The wire leaves behind what the model does not know: a misspelt member would only be missing."""
    known = {member for name in MODEL.shape_names for member in getattr(MODEL.shape_for(name), "members", ())}
    used = keys_in(ast.parse(path.read_text()))
    assert {name for name in used if name[:1].isupper()} - known - set(MODEL.operation_names) - OF_OTHERS == set()


@pytest.mark.parametrize("operation", ANSWERING)
def test_an_answer_has_the_models_status(seen, operation):
    expected = {CORRECTED_STATUS.get(operation, MODEL.operation_model(operation).http["responseCode"])}
    if operation == "Invoke":
        expected = {200, 202, 204}
    assert {answer["ResponseMetadata"]["HTTPStatusCode"] for answer in seen.answers[operation]} == expected


def keys_in(tree: ast.AST) -> set[str]:
    """The strings under which a module writes or reads something: keys of dicts, subscripts, arguments of `get`."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            found += node.keys
        elif isinstance(node, ast.Subscript):
            found.append(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            found += node.args[:1]
    return {key.value for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def misspelt(value: Any, shape: Any) -> list[str]:
    """Strings that are none of their enumeration's."""
    if shape.type_name == "structure":
        return [bad for name in value for bad in misspelt(value[name], shape.members[name])]
    if shape.type_name == "list":
        return [bad for item in value for bad in misspelt(item, shape.member)]
    enumerated = shape.type_name == "string" and shape.enum
    return [f"{shape.name}: {value}"] if enumerated and value not in shape.enum else []


def unknown(document: Any, shape: Any) -> list[str]:
    """Members of a JSON document that its shape does not have."""
    if shape is None or shape.type_name not in ("structure", "list", "map") or document is None:
        return []
    if shape.type_name == "list":
        return [bad for item in document for bad in unknown(item, shape.member)]
    if shape.type_name == "map":
        return [bad for item in document.values() for bad in unknown(item, shape.value)]
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    strange = [name for name in document if name not in members]
    return strange + [bad for name in document if name in members for bad in unknown(document[name], members[name])]


# --- refusals -----------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused(seen):
    assert seen.accepted == []


def test_every_refusal_is_one_that_the_model_knows_of_its_operation(seen):
    def known(operation: str, code: str) -> bool:
        listed = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
        return code in listed or (operation, code) in EXPLAINED or ("*", code) in EXPLAINED

    given = {(operation, answer["Error"]["Code"]) for operation, _, answer in seen.refusals}
    assert [pair for pair in sorted(given) if not known(*pair)] == []


def test_every_explained_refusal_happens_and_needs_its_explanation(seen):
    given = {(operation, answer["Error"]["Code"]) for operation, _, answer in seen.refusals}
    for operation, code in EXPLAINED:
        of = [name for name, other in given if other == code and operation in ("*", name)]
        assert of
        listed = {shape.name for name in of for shape in MODEL.operation_model(name).error_shapes}
        assert code not in listed


def test_a_refusal_has_the_status_and_the_members_of_its_exception(seen):
    for operation, _, answer in seen.refusals:
        name = answer["Error"]["Code"]
        shape = next((s for s in MODEL.operation_model(operation).error_shapes if s.name == name), None)
        if shape is not None:
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == shape.metadata["error"]["httpStatusCode"], operation
            own = {key for key in answer if key not in ("Error", "ResponseMetadata")}
            assert own <= {*shape.members, "message", "Message"}, operation


def test_what_is_not_there_is_not_found(seen):
    """All of the walk's calls, for nobody: 404, or in the words of a parameter that names nothing."""
    codes = {answer["Error"]["Code"] for _, params, answer in seen.refusals if "nobody" in str(params.values())}
    assert codes == {"ResourceNotFoundException", "InvalidParameterValueException"}


def test_no_refusal_is_a_fault(seen):
    """But for what labkit does not have, which is 501."""
    faults = [answer for _, _, answer in seen.refusals if answer["ResponseMetadata"]["HTTPStatusCode"] >= 500]
    assert {answer["Error"]["Code"] for answer in faults} == {"NotImplementedException"}


# --- waiters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiter", WAITERS)
def test_every_waiter_ends(hasty_aws, waiter):
    create = {"Runtime": "python3.13", "Role": ROLE, "Handler": "app.handler", "Publish": True}
    hasty_aws.create_function(FunctionName="f", Code={"ZipFile": zipped("x = 1")}, **create)
    named = {"FunctionName": "f"} | ({"Qualifier": "1"} if "version" in waiter else {})
    hasty_aws.get_waiter(waiter).wait(**named, WaiterConfig={"Delay": 1, "MaxAttempts": 3})
