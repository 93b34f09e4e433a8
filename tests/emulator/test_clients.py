"""The emulator's own calls of other services."""

from __future__ import annotations

import asyncio

import pytest

from labkit.emulator.clients import CallFailed, Clients
from labkit.emulator.signing import Credentials


def called(endpoint, service, operation, *, times=1, **params):
    async def calls():
        clients = Clients(endpoint, Credentials("x", "y"), region="us-east-1")
        return await asyncio.gather(*(clients.call(service, operation, **params) for _ in range(times)))

    return asyncio.run(calls())


@pytest.mark.process
def test_a_call_returns_what_boto3_would(lab):
    assert called(lab.endpoint, "sts", "get_caller_identity")[0]["Account"] == "123456789012"


@pytest.mark.process
def test_calls_go_to_the_region_that_is_asked_for(lab):
    (made,) = called(lab.endpoint, "sns", "create_topic", region="eu-west-1", Name="clients")
    assert made["TopicArn"] == "arn:aws:sns:eu-west-1:123456789012:clients"
    called(lab.endpoint, "sns", "delete_topic", region="eu-west-1", TopicArn=made["TopicArn"])


@pytest.mark.process
def test_many_calls_at_once_share_one_client(lab, monkeypatch):
    made = []
    original = Clients._client
    monkeypatch.setattr(Clients, "_client", lambda self, *key: made.append(key) or original(self, *key))
    assert len(called(lab.endpoint, "sqs", "list_queues", times=10)) == 10
    assert made == [("sqs", "us-east-1")]


@pytest.mark.process
def test_a_refusal_has_the_services_code_and_words(lab):
    with pytest.raises(CallFailed) as caught:
        called(lab.endpoint, "s3", "get_object", Bucket="no-such-bucket", Key="k")
    assert (caught.value.code, caught.value.message) == ("NoSuchBucket", "The specified bucket does not exist")


def test_an_endpoint_that_does_not_answer_is_the_same_error():
    with pytest.raises(CallFailed, match="EndpointConnectionError"):
        called("http://127.0.0.1:1", "sqs", "list_queues")


def test_wrong_parameters_are_the_same_error():
    with pytest.raises(CallFailed, match="ParamValidationError"):
        called("http://127.0.0.1:1", "sqs", "send_message", QueueUrl="u")


def test_a_users_own_profile_says_nothing_here(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(CallFailed, match="EndpointConnectionError"):
        called("http://127.0.0.1:1", "sqs", "list_queues")
