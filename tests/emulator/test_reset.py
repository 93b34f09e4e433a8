"""`POST /moto-api/reset`: clears what is ours and what is moto's, for who may."""

from __future__ import annotations

import io
import zipfile

import psutil
import pytest
import requests

pytestmark = pytest.mark.process

PATH = "/moto-api/reset"
FAILING = "def handler(event, context): raise ValueError"


def mocked_accounts(lab):
    return [p for p in psutil.Process(lab.status()["pid"]).children() if "labkit.mockaws" in " ".join(p.cmdline())]


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("python/thing.py", "")
    return content.getvalue()


def test_everything_in_the_account_is_gone_and_the_lab_goes_on(own_lab):
    own_lab.deploy("f", FAILING)
    client = own_lab.boto3("lambda")
    queue = own_lab.boto3("sqs").create_queue(QueueName="q")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:q"
    client.create_event_source_mapping(FunctionName="f", EventSourceArn=arn)
    client.publish_layer_version(LayerName="tools", Content={"ZipFile": zipped()})
    profile = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/v"
    client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [profile]})
    own_lab.boto3("s3").create_bucket(Bucket="photos")
    own_lab.reset()
    assert own_lab.names() == []
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    assert client.list_layers()["Layers"] == []
    assert client.list_code_signing_configs()["CodeSigningConfigs"] == []
    assert own_lab.boto3("s3").list_buckets()["Buckets"] == []
    assert "QueueUrls" not in own_lab.boto3("sqs").list_queues(), queue
    own_lab.deploy("f", "def handler(event, context): return 1")
    assert own_lab.invoke("f").payload == 1


def test_events_that_wait_are_forgotten(own_lab, wait_until):
    own_lab.deploy("f", FAILING)
    own_lab.invoke("f", kind="Event")
    wait_until(lambda: own_lab.traces("f"))
    own_lab.reset()
    own_lab.deploy("f", FAILING)
    own_lab.advance("10m")
    assert own_lab.traces("f") == []


def test_a_function_of_the_same_name_has_no_past(lab):
    lab.deploy("f", "def handler(event, context): print('before')")
    lab.invoke("f")
    lab.reset()
    lab.deploy("f", FAILING)
    assert lab.traces() == []
    assert lab.logs("f") == []


def test_a_lab_that_uses_only_lambda_starts_no_moto_for_it(lab):
    before = len(mocked_accounts(lab))
    lab.reset()
    assert len(mocked_accounts(lab)) == before


def test_it_must_be_signed(lab, signature):
    lab.deploy("f", FAILING)
    unsigned = requests.post(lab.endpoint + PATH, timeout=10)
    assert unsigned.status_code == 403
    assert lab.names() == ["f"]
    signed = requests.post(lab.endpoint + PATH, auth=signature, timeout=10)
    assert (signed.status_code, signed.json()) == (200, {"status": "ok"})
    assert lab.names() == []


def test_a_signature_for_another_service_clears_nothing(lab):
    lab.deploy("f", FAILING)
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    }
    assert requests.post(lab.endpoint + PATH, headers=headers, timeout=10).status_code == 403
    assert lab.names() == ["f"]
