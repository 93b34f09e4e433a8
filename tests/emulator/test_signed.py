"""An emulator that wants signatures: LABKIT_ACCESS_KEY_ID and LABKIT_SECRET_ACCESS_KEY are set."""

from __future__ import annotations

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from labkit import Lab
from labkit.errors import LabkitError

pytestmark = pytest.mark.process


@pytest.fixture
def signed_lab(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCESS_KEY_ID", "AKIALAB")
    monkeypatch.setenv("LABKIT_SECRET_ACCESS_KEY", "s3cret")
    with Lab() as lab:
        lab.deploy("f", "def handler(event, context): return event")
        yield lab


def code(lab, key, secret, region="us-east-1"):
    aws = boto3.client(
        "lambda", endpoint_url=lab.endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret
    )
    codes = set()
    for call in (lambda: aws.invoke(FunctionName="f"), lambda: aws.get_function(FunctionName="f")):
        with pytest.raises(ClientError) as caught:
            call()
        codes.add((caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]))
    return codes


def test_the_lab_itself_signs_and_is_let_in(signed_lab):
    assert signed_lab.invoke("f", {"x": [1, "ü"]}).payload == {"x": [1, "ü"]}
    assert signed_lab.names() == ["f"]


def test_a_wrong_secret_is_refused(signed_lab):
    assert code(signed_lab, "AKIALAB", "wrong") == {("InvalidSignatureException", 403)}


def test_an_unknown_key_is_refused(signed_lab):
    assert code(signed_lab, "AKIAOTHER", "s3cret") == {("UnrecognizedClientException", 403)}


def test_a_request_without_a_signature_is_refused(signed_lab):
    for path in ("/2015-03-31/functions/f/invocations", "/2015-03-31/functions/"):
        answer = requests.post(signed_lab.endpoint + path, json={}, timeout=5)
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_a_body_of_six_megabytes_is_signed_too(signed_lab):
    signed_lab.deploy("g", "def handler(event, context): return len(event)", memory_mb=512, timeout_s=20)
    assert signed_lab.invoke("g", "x" * 6_000_000).payload == 6_000_000


def test_without_any_set_each_lab_makes_its_own(lab, own_lab):
    own, other = own_lab.connection, lab.connection
    assert own["aws_access_key_id"] != other["aws_access_key_id"]
    own_lab.deploy("f", "def handler(event, context): return event")
    assert code(own_lab, other["aws_access_key_id"], other["aws_secret_access_key"]) == {
        ("UnrecognizedClientException", 403)
    }


def test_labkits_own_pages_are_signed_too(lab):
    for page in ("status", "traces", "logs/f"):
        answer = requests.get(f"{lab.endpoint}/_labkit/{page}", timeout=5)
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_the_location_of_a_package_needs_no_more_than_itself(signed_lab):
    location = signed_lab.boto3("lambda").get_function(FunctionName="f")["Code"]["Location"]
    assert requests.get(location, timeout=5).content[:2] == b"PK"
    assert requests.get(location.partition("?")[0], timeout=5).status_code == 403
    assert requests.get(location.replace("X-Amz-Expires=600", "X-Amz-Expires=601"), timeout=5).status_code == 403


def test_a_handler_may_call_the_lab_with_its_roles_credentials(lab):
    lab.deploy("callee", "def handler(event, context): return 2 * event")
    source = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    aws = boto3.client('lambda', endpoint_url=event)\n"
        "    return aws.invoke(FunctionName='callee', Payload=b'21')['Payload'].read().decode()\n"
    )
    assert lab.deploy("caller", source, timeout_s=20, memory_mb=256).invoke(lab.endpoint).payload == "42"


def test_a_lab_with_other_credentials_says_how_to_get_the_right_ones(lab):
    with Lab(lab.endpoint) as other, pytest.raises(LabkitError, match="AWS_ACCESS_KEY_ID"):
        other.status()
