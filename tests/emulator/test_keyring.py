"""Which of moto's keys the lab knows, and until when; and what may be done with them on a running lab."""

from __future__ import annotations

import asyncio
import json
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit.emulator.keyring import Keyring
from labkit.emulator.signing import Credentials, Verifier

TRUST = {"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}


class Moto:
    """Answers questions about its keys; `later` are those whose answers wait."""

    def __init__(self, **keys):
        self.keys, self.gates = keys, []

    async def ask(self, page):
        assert page == "keys"
        found = dict(self.keys)
        if self.gates:
            await self.gates.pop(0)
        return found


def user(secret="s"):
    return {"secret": secret, "token": "", "expires_at": None}


def session(lasting_s):
    return {"secret": "s", "token": "t", "expires_at": time.time() + lasting_s}


def known(verifier, *keys):
    return [key for key in keys if verifier.credentials(key)]


def kept(moto):
    verifier = Verifier([Credentials("OWNER", "s")], region="us-east-1")
    return Keyring(moto.ask, verifier), verifier


def test_a_key_is_known_from_the_change_on_that_made_it_to_the_one_that_ended_it():
    moto = Moto(A=user("a's"), S=session(900))
    keyring, verifier = kept(moto)

    async def change():
        await keyring.changed("POST", "/", "us-east-1")
        assert verifier.credentials("A") == Credentials("A", "a's")
        assert verifier.credentials("S") == Credentials("S", "s", "t")
        moto.keys = {"B": user()}
        await keyring.changed("POST", "/", "us-east-1")

    asyncio.run(change())
    assert known(verifier, "OWNER", "A", "B", "S") == ["OWNER", "B"]


def test_a_session_is_nobodys_when_its_time_is_over():
    keyring, verifier = kept(Moto(OVER=session(-1), ENDING=session(0.01), LONG=session(900)))

    async def wait():
        await keyring.changed()
        assert "LONG" in known(verifier, "OVER", "LONG")
        while known(verifier, "ENDING"):
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(wait(), 15))
    assert known(verifier, "OVER", "ENDING", "LONG") == ["LONG"]


def test_an_answer_that_comes_late_undoes_no_newer_one():
    moto = Moto(A=user())
    keyring, verifier = kept(moto)

    async def change():
        late = asyncio.get_running_loop().create_future()
        moto.gates.append(late)
        first = asyncio.create_task(keyring.changed())
        await asyncio.sleep(0)
        moto.keys = {"B": user()}
        await keyring.changed()
        late.set_result(None)
        await first

    asyncio.run(change())
    assert known(verifier, "A", "B") == ["B"]


def test_when_the_account_is_emptied_only_the_labs_own_are_left():
    keyring, verifier = kept(Moto(A=user()))
    asyncio.run(keyring.changed())
    keyring.forget()
    assert known(verifier, "OWNER", "A") == ["OWNER"]


# --- on a running lab


def as_user(lab, key, service):
    keys = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "aws_session_token": key.get("SessionToken"),
    }
    return boto3.client(service, **lab.connection | keys, config=Config(retries={"total_max_attempts": 1}))


def code_of(lab, key, service, call, **params):
    with pytest.raises(ClientError) as caught:
        getattr(as_user(lab, key, service), call)(**params)
    return caught.value.response["Error"]["Code"]


@pytest.mark.process
def test_a_users_key_signs_for_all_services_until_it_is_inactive(lab):
    lab.deploy("f", "def handler(event, context): return event")
    iam = lab.boto3("iam")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    try:
        assert as_user(lab, key, "lambda").invoke(FunctionName="f", Payload=b"1")["Payload"].read() == b"1"
        assert "Buckets" in as_user(lab, key, "s3").list_buckets()
        wrong = {**key, "SecretAccessKey": "wrong"}
        assert code_of(lab, wrong, "s3", "list_buckets") == "SignatureDoesNotMatch"
        assert code_of(lab, wrong, "lambda", "invoke", FunctionName="f") == "InvalidSignatureException"
        iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
        assert code_of(lab, key, "s3", "list_buckets") == "InvalidAccessKeyId"
        assert code_of(lab, key, "lambda", "invoke", FunctionName="f") == "UnrecognizedClientException"
    finally:
        iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName="ada")


@pytest.mark.process
def test_so_does_a_session_of_a_role_and_only_with_its_token(lab):
    iam = lab.boto3("iam")
    arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    key = lab.boto3("sts").assume_role(RoleArn=arn, RoleSessionName="s")["Credentials"]
    iam.delete_role(RoleName="reader")
    assert "Buckets" in as_user(lab, key, "s3").list_buckets()
    assert code_of(lab, {**key, "SessionToken": "another"}, "s3", "list_buckets") == "InvalidToken"
    assert code_of(lab, {**key, "SecretAccessKey": "x"}, "sqs", "list_queues") == "InvalidSignatureException"


@pytest.mark.process
def test_a_handler_signs_with_its_role_for_any_service(lab):
    source = (
        "import os\n"
        "import boto3\n"
        "from botocore.exceptions import ClientError\n"
        "def handler(event, context):\n"
        "    keys = {name.lower(): os.environ[name] for name in os.environ if name.startswith(('AWS_ACC', 'AWS_SEC', 'AWS_SES'))}\n"
        "    try:\n"
        "        return list(boto3.client('s3', **{**keys, **event}).list_buckets())[0]\n"
        "    except ClientError as error:\n"
        "        return error.response['Error']['Code']\n"
    )
    f = lab.deploy("f", source, timeout_s=60, memory_mb=256)
    assert f.invoke({}).payload == "ResponseMetadata"
    assert f.invoke({"aws_secret_access_key": "wrong"}).payload == "SignatureDoesNotMatch"
    assert f.invoke({"aws_session_token": "wrong"}).payload == "InvalidToken"
