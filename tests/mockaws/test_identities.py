"""What the emulator is told of moto's users, roles and resources: pins what is read inside the installed moto."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from labkit.mockaws import identities

REGION = "us-east-1"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def policy(action):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield boto3.client


def asked(page, **params):
    return identities.PAGES[page](**params)


def test_a_users_key_is_known_with_its_secret_and_all_the_users_policies(aws):
    iam = aws("iam")
    iam.create_user(UserName="ada")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="ada")
    managed = iam.create_policy(PolicyName="m", PolicyDocument=policy("sns:*"))["Policy"]["Arn"]
    iam.put_user_policy(UserName="ada", PolicyName="p", PolicyDocument=policy("s3:*"))
    iam.attach_user_policy(UserName="ada", PolicyArn=managed)
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=policy("sqs:*"))
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    found = asked("key", key_id=key["AccessKeyId"])
    assert (found["secret"], found["arn"]) == (key["SecretAccessKey"], "arn:aws:iam::123456789012:user/ada")
    actions = {json.loads(document)["Statement"][0]["Action"] for document in found["documents"]}
    assert actions == {"s3:*", "sns:*", "sqs:*"}
    iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert asked("key", key_id=key["AccessKeyId"]) is None


def test_a_role_is_known_with_its_trust_and_the_newest_version_of_what_is_attached(aws):
    iam = aws("iam")
    managed = iam.create_policy(PolicyName="m", PolicyDocument=policy("sns:*"))["Policy"]["Arn"]
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=managed)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=managed)
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=policy("ses:*"), SetAsDefault=True)
    found = asked("role", arn=arn)
    assert json.loads(found["trust"]) == json.loads(TRUST)
    assert [json.loads(d)["Statement"][0]["Action"] for d in (*found["documents"], found["boundary"])] == ["ses:*"] * 2
    assert asked("role", arn=arn + "x") is None


def test_a_session_is_known_by_its_key_until_it_expires(aws):
    arn = aws("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    sts = aws("sts")
    made = sts.assume_role(RoleArn=arn, RoleSessionName="session", Policy=policy("s3:*"))["Credentials"]
    found = asked("key", key_id=made["AccessKeyId"])
    assert (found["secret"], found["token"]) == (made["SecretAccessKey"], made["SessionToken"])
    assert found["arn"] == "arn:aws:sts::123456789012:assumed-role/r/session"
    assert found["session"] == policy("s3:*")
    assert abs(found["expires_at"] - made["Expiration"].timestamp()) < 2


def test_all_keys_that_are_somebodys_are_known_with_their_secrets(aws):
    iam, sts = aws("iam"), aws("sts")
    assert asked("keys") == {}
    iam.create_user(UserName="ada")
    key, other = (iam.create_access_key(UserName="ada")["AccessKey"] for _ in range(2))
    iam.update_access_key(UserName="ada", AccessKeyId=other["AccessKeyId"], Status="Inactive")
    role = "arn:aws:iam::123456789012:role/r"
    made = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    found = asked("keys")
    assert found.keys() == {key["AccessKeyId"], made["AccessKeyId"]}
    assert found[key["AccessKeyId"]] == {"secret": key["SecretAccessKey"], "token": "", "expires_at": None}
    of_session = found[made["AccessKeyId"]]
    assert (of_session["secret"], of_session["token"]) == (made["SecretAccessKey"], made["SessionToken"])
    assert abs(of_session["expires_at"] - made["Expiration"].timestamp()) < 2


def of_resource(service, name):
    return asked("resource", service=service, name=name, account="123456789012", region=REGION)


def test_resources_are_known_with_their_policies_and_keys(aws):
    s3, sqs, sns, kms = aws("s3"), aws("sqs"), aws("sns"), aws("kms")
    secrets = aws("secretsmanager")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/app", TargetKeyId=key["KeyId"])
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_policy(Bucket="photos", Policy=policy("s3:*"))
    s3.put_object(Bucket="photos", Key="k/1", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["Arn"])
    sqs.create_queue(QueueName="q", Attributes={"Policy": policy("sqs:*")})
    topic = sns.create_topic(Name="t")["TopicArn"]
    secret = secrets.create_secret(Name="db", SecretString="s")["ARN"]
    assert of_resource("s3", "photos/k/1") == {"policy": policy("s3:*"), "kms_key_id": key["Arn"]}
    assert json.loads(of_resource("sqs", "q")["policy"]) == json.loads(policy("sqs:*"))
    assert "Statement" in json.loads(of_resource("sns", topic)["policy"])
    assert of_resource("secretsmanager", "db")["arn"] == secret
    assert {of_resource("kms", name)["arn"] for name in ("alias/app", key["KeyId"], key["Arn"])} == {key["Arn"]}
    assert {json.dumps(of_resource(s, "none")) for s in ("s3", "sqs", "sns", "secretsmanager", "kms")} == {"{}"}


def test_awss_own_policies_are_there_once_they_are_loaded(aws):
    iam = aws("iam")
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_policy(PolicyArn=arn)
    mine = iam.create_policy(PolicyName="m", PolicyDocument=policy("sns:*"))["Policy"]["Arn"]
    identities.ManagedPolicies().load("123456789012")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PolicyName"] == "AWSLambdaBasicExecutionRole"
    assert iam.get_policy(PolicyArn=mine)["Policy"]["Arn"] == mine


def test_the_emulator_s_questions_have_a_path_of_their_own():
    environ = {"PATH_INFO": "/ask/key", "QUERY_STRING": "key_id=AKIA"}
    assert identities.answer(environ) == b"null"
    assert identities.answer({**environ, "PATH_INFO": "/photos"}) is None
