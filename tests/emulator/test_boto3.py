"""An unmodified boto3 client on the endpoint: the life of a function, and AWS's errors."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile

import pytest
import requests
from botocore.exceptions import ClientError

pytestmark = pytest.mark.process

FILES = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-00000000000000000"
ROLE = "arn:aws:iam::123456789012:role/r"


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return buffer.getvalue()


ECHO = zipped(app="def handler(event, context): return event")


def create(aws, name="f", code=ECHO, **more):
    return aws.create_function(
        FunctionName=name, Runtime="python3.13", Role=ROLE, Handler="app.handler", Code={"ZipFile": code}, **more
    )


def refused(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_function_is_created_waited_for_invoked_and_deleted(aws):
    assert create(aws)["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f"
    aws.get_waiter("function_active_v2").wait(FunctionName="f")
    answer = aws.invoke(FunctionName="f", Payload=b'{"x": 1}')
    assert (answer["StatusCode"], json.load(answer["Payload"]), answer["ExecutedVersion"]) == (200, {"x": 1}, "$LATEST")
    assert aws.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(aws.get_function, FunctionName="f")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "name", ["f", "123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f", "f:$LATEST"]
)
def test_a_function_answers_to_all_its_names(aws, name):
    create(aws)
    assert json.load(aws.invoke(FunctionName=name, Payload=b"7")["Payload"]) == 7


def test_a_dry_run_runs_nothing(aws, lab):
    create(aws, code=zipped(app="def handler(event, context): raise SystemExit"))
    answer = aws.invoke(FunctionName="f", InvocationType="DryRun")
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")
    assert lab.logs("f") == []


def test_an_event_is_accepted_with_an_empty_body(aws):
    create(aws)
    answer = aws.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")


def test_the_log_comes_only_when_asked_for(aws):
    create(aws)
    assert "LogResult" not in aws.invoke(FunctionName="f")
    assert "LogResult" in aws.invoke(FunctionName="f", LogType="Tail")


def test_a_function_error_is_named_in_the_header(aws):
    create(aws, code=zipped(app="def handler(event, context): return 1 / 0"))
    answer = aws.invoke(FunctionName="f")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")


def test_the_client_context_reaches_the_handler(aws):
    import base64

    create(aws, code=zipped(app="def handler(event, context): return context.client_context.custom"))
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    assert json.load(aws.invoke(FunctionName="f", ClientContext=context)["Payload"]) == {"k": "v"}


def test_a_client_context_that_is_no_base64_json_is_refused(lab, aws, signature):
    create(aws)
    path, sent = "/2015-03-31/functions/f/invocations", {"X-Amz-Client-Context": "%%%"}
    answer = requests.post(lab.endpoint + path, headers=sent, timeout=5, auth=signature)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")


def test_updated_code_answers(aws):
    before = create(aws)
    after = aws.update_function_code(FunctionName="f", ZipFile=zipped(app="def handler(e, c): return 'new'"))
    assert after["CodeSha256"] != before["CodeSha256"]
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "new"


def test_updated_configuration_reaches_the_handler(aws):
    create(aws, code=zipped(app="import os\ndef handler(e, c): return os.environ['MODE'], c.memory_limit_in_mb"))
    aws.update_function_configuration(FunctionName="f", MemorySize=256, Environment={"Variables": {"MODE": "fast"}})
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == ["fast", "256"]


def test_an_update_of_something_older_is_refused(aws):
    old = create(aws)["RevisionId"]
    aws.update_function_configuration(FunctionName="f", Timeout=5)
    code, status, _ = refused(aws.update_function_configuration, FunctionName="f", Timeout=6, RevisionId=old)
    assert (code, status) == ("PreconditionFailedException", 412)


def test_functions_are_listed_in_pages(aws):
    for number in range(5):
        create(aws, f"f{number}")
    pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(p["Functions"]) for p in pages] == [2, 2, 1]
    assert [f["FunctionName"] for p in pages for f in p["Functions"]] == [f"f{n}" for n in range(5)]


def test_the_code_can_be_downloaded_again(aws):
    create(aws)
    location = aws.get_function(FunctionName="f")["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == ECHO


def test_an_unknown_function_is_said_in_awss_words(aws):
    assert refused(aws.invoke, FunctionName="nobody") == (
        "ResourceNotFoundException",
        404,
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody:$LATEST",
    )


def test_a_second_function_of_the_same_name_is_refused(aws):
    create(aws)
    assert refused(create, aws) == ("ResourceConflictException", 409, "Function already exist: f")


@pytest.mark.parametrize("payload", [b"{oops", b"NaN", b"[-Infinity]", b"\xff"])
def test_a_payload_that_is_no_json_is_refused(aws, payload):
    create(aws)
    code, status, message = refused(aws.invoke, FunctionName="f", Payload=payload)
    assert (code, status) == ("InvalidRequestContentException", 400)
    assert message.startswith("Could not parse request body into json: Could not parse payload into json: ")


@pytest.mark.parametrize(("kind", "size"), [("RequestResponse", 6 * 1024 * 1024), ("Event", 1024 * 1024)])
def test_a_payload_over_the_limit_is_refused(aws, kind, size):
    create(aws)
    code, status, message = refused(
        aws.invoke, FunctionName="f", InvocationType=kind, Payload=b'"' + b"x" * (size - 1) + b'"'
    )
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    assert message == f"Request must be smaller than {size} bytes for the InvokeFunction operation"


def test_more_than_4_kb_of_variables_are_refused(aws):
    code, _, message = refused(create, aws, Environment={"Variables": {"BIG": "x" * 4096}})
    assert code == "InvalidParameterValueException"
    assert "exceeded the 4KB limit. String measured: {" in message


def test_a_reserved_variable_is_refused(aws):
    _, _, message = refused(create, aws, Environment={"Variables": {"AWS_REGION": "x"}})
    assert message.endswith("Reserved keys used in this request: AWS_REGION")


@pytest.mark.parametrize("code", [b"no zip", ECHO[:-30], b""], ids=["no zip", "half", "empty"])
def test_a_broken_zip_is_refused(aws, code):
    error, _, message = refused(create, aws, code=code)
    assert error == "InvalidParameterValueException"
    assert "unzip" in message.lower() or "source for function code" in message


def test_a_zip_that_would_write_outside_its_folder_is_refused(aws):
    for name in ("../evil.py", "/tmp/evil.py", "a/../../evil.py", "a\\..\\..\\evil.py"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, "x = 1")
        assert "leaves the package" in refused(create, aws, code=buffer.getvalue())[2]


def test_a_zip_bomb_is_refused_before_it_fills_the_disk(aws):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"{number}.bin", b"\0" * 50_000_000)
    assert refused(create, aws, code=buffer.getvalue())[2] == "Unzipped size must be smaller than 262144000 bytes"


def test_a_setting_that_would_change_nothing_is_refused_by_name(aws):
    code, status, message = refused(create, aws, FileSystemConfigs=[{"Arn": FILES, "LocalMountPath": "/mnt/files"}])
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "FileSystemConfigs" in message


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ({"TracingConfig": {"Mode": "Active"}}, {"TracingConfig": {"Mode": "Active"}}),
        ({"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}, {"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}),
        ({"EphemeralStorage": {"Size": 1024}}, {"EphemeralStorage": {"Size": 1024}}),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}}),
        (
            {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "mine"}},
            {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "mine"}},
        ),
    ],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_a_setting_is_kept_and_shown(aws, setting, shown):
    create(aws, **setting)
    found = aws.get_function_configuration(FunctionName="f")
    ((name, wanted),) = shown.items()
    assert wanted.items() <= found[name].items() if isinstance(wanted, dict) else wanted == found[name]
    aws.update_function_configuration(FunctionName="f", Description="other")
    assert aws.get_function_configuration(FunctionName="f")[name] == found[name]


def test_a_network_is_kept_and_shown(aws, lab):
    ec2 = lab.boto3("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    chosen = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
    group = ec2.describe_security_groups(Filters=chosen)["SecurityGroups"][0]["GroupId"]
    create(aws, VpcConfig={"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]})
    shown = aws.get_function_configuration(FunctionName="f")["VpcConfig"]
    assert (shown["VpcId"], shown["Ipv6AllowedForDualStack"]) == (subnet["VpcId"], False)
    aws.update_function_configuration(FunctionName="f", Description="other")
    assert aws.get_function_configuration(FunctionName="f")["VpcConfig"] == shown
    aws.update_function_configuration(FunctionName="f", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
    assert "VpcId" not in aws.get_function_configuration(FunctionName="f").get("VpcConfig", {})


def test_tags_are_kept(aws):
    create(aws, Tags={"course": "ml"})
    assert aws.get_function(FunctionName="f")["Tags"] == {"course": "ml"}


def test_an_operation_that_is_not_there_is_named(aws):
    provider = {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
    role = {"CapacityProviderOperatorRoleArn": ROLE}
    code, status, message = refused(
        aws.create_capacity_provider, CapacityProviderName="p", PermissionsConfig=role, **provider
    )
    assert (code, status) == ("NotImplementedException", 501)
    assert "CreateCapacityProvider" in message


def test_a_path_of_no_operation_is_a_404(lab):
    answer = requests.get(f"{lab.endpoint}/2015-03-31/nonsense", timeout=5)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_a_foreign_host_is_refused(lab):
    for path in ("/_labkit/status", "/2015-03-31/functions/f/invocations"):
        answer = requests.post(f"{lab.endpoint}{path}", headers={"Host": "evil.example"}, timeout=5)
        assert answer.status_code == 403


def test_a_handler_file_that_is_executable_stays_so(aws):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        tool = zipfile.ZipInfo("tool.sh")
        tool.external_attr = 0o755 << 16
        archive.writestr(tool, "#!/bin/sh\necho out\n")
        archive.writestr(
            "app.py", "import subprocess\ndef handler(e, c): return subprocess.check_output(['./tool.sh']).decode()"
        )
    create(aws, code=buffer.getvalue())
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "out\n"
