"""An emulator that wants signatures: LABKIT_ACCESS_KEY_ID and LABKIT_SECRET_ACCESS_KEY are set."""

from __future__ import annotations

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from labkit import Lab

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
