"""`Lab(iam=True)`: roles, users and sessions may do what their policies say, and nothing else."""

from __future__ import annotations

import io
import json
import zipfile

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit import Lab

pytestmark = pytest.mark.process

ACCOUNT = "123456789012"
CODE = """
import boto3

def handler(event, context):
    client = boto3.client(event["service"], endpoint_url=event["url"])
    try:
        answer = getattr(client, event["call"])(**event["params"])
    except Exception as error:
        return str(error)
    answer.pop("ResponseMetadata")
    return str(answer)
"""


@pytest.fixture(scope="module")
def iam_lab():
    with Lab(iam=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def role(iam_lab):
    """Makes roles that Lambda may assume, with the policies given."""
    iam = iam_lab.boto3("iam")

    def make(name, *statements, trust="lambda.amazonaws.com"):
        principal = {"Service": trust} if trust.endswith(".com") else {"AWS": trust}
        trusted = {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusted | {"Version": "2012-10-17"}))
        grant(iam, name, *statements)
        return made["Role"]["Arn"]

    return make


def grant(iam, name, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def package(code=CODE):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", code)
    return data.getvalue()


@pytest.fixture
def function(iam_lab):
    """Makes functions with a role, and calls services from inside them."""
    client, made = iam_lab.boto3("lambda"), []

    def make(name, role_arn, **more):
        fixed = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 30}
        client.create_function(FunctionName=name, Role=role_arn, Code={"ZipFile": package()}, **fixed, **more)
        made.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name)

        def call(service, operation, **params):
            event = {"service": service, "call": operation, "params": params, "url": iam_lab.endpoint}
            return json.loads(client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())

        return call

    yield make
    for name in made:
        client.delete_function(FunctionName=name)


def test_a_handler_may_do_what_its_role_allows_and_a_change_counts_at_once(iam_lab, role, function):
    s3, iam = iam_lab.boto3("s3"), iam_lab.boto3("iam")
    s3.create_bucket(Bucket="photos")
    call = function("uploader", role("uploader-role"))
    denied = call("s3", "put_object", Bucket="photos", Key="a/1.jpg", Body="x")
    assert denied == (
        "An error occurred (AccessDenied) when calling the PutObject operation: User: arn:aws:sts::123456789012:"
        "assumed-role/uploader-role/uploader is not authorized to perform: s3:PutObject on resource: "
        '"arn:aws:s3:::photos/a/1.jpg" because no identity-based policy allows the s3:PutObject action'
    )
    grant(iam, "uploader-role", allow("s3:PutObject", "arn:aws:s3:::photos/a/*"))
    assert "ETag" in call("s3", "put_object", Bucket="photos", Key="a/1.jpg", Body="x")
    assert "AccessDenied" in call("s3", "put_object", Bucket="photos", Key="b/1.jpg", Body="x")
    assert "AccessDenied" in call("s3", "get_object", Bucket="photos", Key="a/1.jpg")
    iam.attach_role_policy(RoleName="uploader-role", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert "ETag" in call("s3", "get_object", Bucket="photos", Key="a/1.jpg")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/*"}
    s3.put_bucket_policy(Bucket="photos", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert "explicit deny in a resource-based policy" in call("s3", "get_object", Bucket="photos", Key="a/1.jpg")


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "said"),
    [
        (
            "sqs",
            "send_message",
            {"QueueUrl": "http://127.0.0.1/123456789012/jobs", "MessageBody": "x"},
            "AccessDenied",
            "sqs:sendmessage on resource: arn:aws:sqs:us-east-1:123456789012:jobs because",
        ),
        (
            "sns",
            "publish",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news", "Message": "x"},
            "AuthorizationError",
            "SNS:Publish on resource: arn:aws:sns:us-east-1:123456789012:news because",
        ),
        (
            "dynamodb",
            "get_item",
            {"TableName": "t", "Key": {"id": {"S": "1"}}},
            "AccessDeniedException",
            "dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/t because",
        ),
        ("cloudwatch", "list_metrics", {}, "AccessDeniedException", "cloudwatch:ListMetrics on resource: * because"),
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation", "ec2:DescribeVpcs because"),
        (
            "lambda",
            "invoke",
            {"FunctionName": "other:live"},
            "AccessDeniedException",
            "lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:other:live because",
        ),
        (
            "scheduler",
            "get_schedule",
            {"Name": "n"},
            "AccessDeniedException",
            "scheduler:GetSchedule on resource: arn:aws:scheduler:us-east-1:123456789012:schedule/default/n because",
        ),
    ],
)
def test_each_service_refuses_in_its_own_form(role, function, iam_lab, service, operation, params, code, said):
    name = f"asks-{service}"
    answer = function(name, role(f"{name}-role"))(service, operation, **params)
    assert f"({code})" in answer
    assert said in answer


def test_a_role_that_does_not_exist_or_does_not_trust_lambda_is_refused(iam_lab, role, function):
    for arn in (f"arn:aws:iam::{ACCOUNT}:role/nobody", role("for-ec2", allow("*"), trust="ec2.amazonaws.com")):
        with pytest.raises(
            ClientError, match="The role defined for the function cannot be assumed by Lambda"
        ) as caught:
            function("orphan", arn)
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_role_that_is_gone_starts_nothing_more(iam_lab, role, function):
    iam, client = iam_lab.boto3("iam"), iam_lab.boto3("lambda")
    function("bereft", role("short-lived"))
    iam.delete_role(RoleName="short-lived")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        client.invoke(FunctionName="bereft")


def test_the_labs_own_role_is_made_when_it_is_needed(iam_lab):
    iam_lab.deploy("hello", "def handler(event, context): return 'hello'")
    assert iam_lab.invoke("hello").payload == "hello"
    attached = iam_lab.boto3("iam").list_attached_role_policies(RoleName="labkit")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AWSLambdaBasicExecutionRole"]
    iam_lab.delete("hello")


def test_an_event_source_needs_a_role_that_may_read_it(iam_lab, role, function):
    queue, client = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs", iam_lab.boto3("lambda")
    iam_lab.boto3("sqs").create_queue(QueueName="jobs")
    function("reader", role("reader-role", allow("sqs:ReceiveMessage", queue)))
    with pytest.raises(ClientError, match="does not have permissions to call DeleteMessage on SQS"):
        client.create_event_source_mapping(EventSourceArn=queue, FunctionName="reader")
    stream = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/clicks"
    with pytest.raises(ClientError, match="Please ensure the role can perform the GetRecords, GetShardIterator"):
        client.create_event_source_mapping(EventSourceArn=stream, FunctionName="reader", StartingPosition="LATEST")
    grant(iam_lab.boto3("iam"), "reader-role", allow("sqs:*", queue))
    made = client.create_event_source_mapping(EventSourceArn=queue, FunctionName="reader")
    client.delete_event_source_mapping(UUID=made["UUID"])


def test_variables_that_the_role_may_not_decrypt_start_no_environment(iam_lab, role, function):
    kms, iam, client = iam_lab.boto3("kms"), iam_lab.boto3("iam"), iam_lab.boto3("lambda")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    function("sealed", role("sealed-role"), KMSKeyArn=key, Environment={"Variables": {"TOKEN": "t"}})
    assert client.get_function_configuration(FunctionName="sealed")["KMSKeyArn"] == key
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName="sealed")
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("KMSAccessDeniedException", 502)
    assert error["Error"]["Message"].startswith(
        "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the "
        "function's KMS key settings. KMS Exception: AccessDeniedExceptionKMS Message: User: arn:aws:sts::123456789012:"
        f"assumed-role/sealed-role/sealed is not authorized to perform: kms:Decrypt on resource: {key} because"
    )
    grant(iam, "sealed-role", allow("kms:Decrypt", key))
    kms.disable_key(KeyId=key.rpartition("/")[2])
    with pytest.raises(ClientError, match="the KMS key used is disabled"):
        client.invoke(FunctionName="sealed")
    kms.enable_key(KeyId=key.rpartition("/")[2])
    assert client.invoke(FunctionName="sealed")["StatusCode"] == 200


def test_what_a_key_encrypts_needs_the_key_to_be_read(iam_lab, role, function):
    s3, kms, iam = iam_lab.boto3("s3"), iam_lab.boto3("kms"), iam_lab.boto3("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="vault")
    s3.put_object(Bucket="vault", Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    call = function("opener", role("opener-role", allow("s3:*")))
    assert f"kms:Decrypt on resource: {key} because" in call("s3", "get_object", Bucket="vault", Key="k")
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    assert "kms:GenerateDataKey" in call("s3", "put_object", Bucket="vault", Key="n", Body="x", **sealed)
    grant(iam, "opener-role", allow(["s3:*", "kms:Decrypt"]))
    assert "ETag" in call("s3", "get_object", Bucket="vault", Key="k")


def test_a_secret_is_known_by_its_whole_arn(iam_lab, role, function):
    secret = iam_lab.boto3("secretsmanager").create_secret(Name="db", SecretString="s3cret")
    call = function("asker", role("asker-role", allow("secretsmanager:GetSecretValue", secret["ARN"])))
    assert "s3cret" in call("secretsmanager", "get_secret_value", SecretId="db")
    assert "on resource: other because" in call("secretsmanager", "get_secret_value", SecretId="other")


def test_a_function_knows_who_it_is(role, function):
    call = function("self", role("self-role"))
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/self-role/self" in call("sts", "get_caller_identity")


def as_user(lab, key, service, **config):
    return boto3.client(
        service,
        endpoint_url=lab.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def code_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_a_user_with_an_access_key_may_do_what_the_users_policies_say(iam_lab):
    iam, s3 = iam_lab.boto3("iam"), iam_lab.boto3("s3")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    s3.create_bucket(Bucket="home")
    s3.put_object(Bucket="home", Key="ada/1", Body=b"x")
    own = allow("s3:GetObject", "arn:aws:s3:::home/${aws:username}/*")
    document = {"Version": "2012-10-17", "Statement": [own, allow("lambda:ListFunctions")]}
    iam.put_user_policy(UserName="ada", PolicyName="own", PolicyDocument=json.dumps(document))
    mine = as_user(iam_lab, key, "s3")
    assert mine.get_object(Bucket="home", Key="ada/1")["Body"].read() == b"x"
    assert code_of(mine.get_object, Bucket="home", Key="eve/1") == "AccessDenied"
    for version in ("s3", "s3v4"):
        address = as_user(iam_lab, key, "s3", signature_version=version).generate_presigned_url(
            "get_object", Params={"Bucket": "home", "Key": "ada/1"}
        )
        assert requests.get(address, timeout=10).content == b"x"
        assert requests.get(address.replace("ada", "eve"), timeout=10).status_code == 403
    assert as_user(iam_lab, key, "lambda").list_functions()["Functions"] is not None
    assert code_of(as_user(iam_lab, key, "lambda").get_account_settings) == "AccessDeniedException"
    iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert code_of(mine.get_object, Bucket="home", Key="ada/1") == "InvalidAccessKeyId"
    assert code_of(as_user(iam_lab, key, "lambda").list_functions) == "UnrecognizedClientException"


def test_a_signature_with_another_secret_is_nobodys(iam_lab):
    known = iam_lab.connection
    wrong = {"AccessKeyId": known["aws_access_key_id"], "SecretAccessKey": "wrong"}
    assert code_of(as_user(iam_lab, wrong, "sqs").list_queues) == "InvalidSignatureException"
    assert code_of(as_user(iam_lab, wrong, "s3").list_buckets) == "SignatureDoesNotMatch"
    assert code_of(as_user(iam_lab, wrong, "lambda").list_functions) == "InvalidSignatureException"


def test_a_session_of_an_assumed_role_may_do_what_the_role_and_its_own_policy_allow(iam_lab, role):
    sqs, sts = iam_lab.boto3("sqs"), iam_lab.boto3("sts")
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    arn = role("temporary", allow("sqs:*"), trust=f"arn:aws:iam::{ACCOUNT}:root")
    reads = json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:ReceiveMessage")]})
    narrow = sts.assume_role(RoleArn=arn, RoleSessionName="session", Policy=reads)["Credentials"]
    wide = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    assert as_user(iam_lab, wide, "sqs").send_message(QueueUrl=url, MessageBody="x")["MessageId"]
    assert code_of(as_user(iam_lab, narrow, "sqs").send_message, QueueUrl=url, MessageBody="x") == "AccessDenied"
    assert as_user(iam_lab, narrow, "sqs").receive_message(QueueUrl=url)["Messages"]
    stolen = {**wide, "SessionToken": "another"}
    assert code_of(as_user(iam_lab, stolen, "sqs").list_queues) == "UnrecognizedClientException"


def test_a_role_is_assumed_by_whom_it_trusts(iam_lab, role, function):
    other = role("trusting", trust=f"arn:aws:iam::{ACCOUNT}:role/trusted-role")
    call = function("trusted", role("trusted-role"))
    assert "not authorized to perform: sts:AssumeRole" in call(
        "sts", "assume_role", RoleArn=other, RoleSessionName="session"
    )
    grant(iam_lab.boto3("iam"), "trusted-role", allow("sts:AssumeRole"))
    assert "Credentials" in call("sts", "assume_role", RoleArn=other, RoleSessionName="session")
    closed = role("closed", trust="ec2.amazonaws.com")
    assert "AccessDenied" in call("sts", "assume_role", RoleArn=closed, RoleSessionName="session")


def test_whom_a_functions_own_policy_names_may_invoke_it(iam_lab, role, function):
    client = iam_lab.boto3("lambda")
    function("callee", role("callee-role"))
    caller = role("caller-role")
    call = function("caller", caller)
    assert "AccessDenied" in call("lambda", "invoke", FunctionName="callee", InvocationType="DryRun")
    client.add_permission(FunctionName="callee", StatementId="s", Action="lambda:InvokeFunction", Principal=caller)
    assert "204" in call("lambda", "invoke", FunctionName="callee", InvocationType="DryRun")


def test_labkits_own_pages_are_the_owners(iam_lab, role, function):
    call = function("curious", role("curious-role", allow("*")))
    assert "ResponseMetadata" not in call("sqs", "list_queues")
    key = iam_lab.boto3("sts").assume_role(
        RoleArn=role("nosy", allow("*"), trust=f"arn:aws:iam::{ACCOUNT}:root"), RoleSessionName="session"
    )["Credentials"]
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", f"{iam_lab.endpoint}/_labkit/status")
    signer = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
    SigV4Auth(signer, "lambda", "us-east-1").add_auth(request)
    answer = requests.get(request.url, headers=dict(request.headers), timeout=10)
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_a_lab_that_does_not_ask_for_it_lets_every_role_do_everything(lab):
    lab.deploy("free", CODE, timeout_s=30)
    event = {"service": "s3", "call": "create_bucket", "params": {"Bucket": "free"}, "url": lab.endpoint}
    assert "Location" in lab.invoke("free", event).payload
