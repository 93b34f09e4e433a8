"""Reserved concurrency, through an unmodified boto3 client."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from labkit.emulator.operations.concurrency import unreserved_minimum

pytestmark = pytest.mark.process


def test_reserved_concurrency_is_put_read_and_deleted(aws, create):
    create()
    assert (
        aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)["ReservedConcurrentExecutions"]
        == 2
    )
    assert aws.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 2
    assert aws.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 2}
    assert aws.delete_function_concurrency(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName="f")


def test_reserved_zero_throttles_and_names_the_pool(aws, create):
    create()
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        aws.invoke(FunctionName="f")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    aws.delete_function_concurrency(FunctionName="f")
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "one"


def test_no_more_run_at_once_than_are_reserved(aws, create, zipped):
    create(Timeout=20)
    source = "import time\ndef handler(event, context): time.sleep(1); return context.log_stream_name"
    aws.update_function_code(FunctionName="f", ZipFile=zipped(source))
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)

    def call(_):
        try:
            return json.load(aws.invoke(FunctionName="f")["Payload"])
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(6)))
    assert answers.count("TooManyRequestsException") == 4
    assert len(set(answers)) == 3


def test_the_others_must_keep_a_share(aws, create, refused):
    create()
    code, status, message = refused(aws.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=30)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [3]."
    )


def test_an_account_of_awss_size_keeps_awss_share():
    assert unreserved_minimum(1000) == 100


def test_a_deleted_function_gives_back_what_it_reserved(aws, create):
    create("f")
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=25)
    aws.delete_function(FunctionName="f")
    create("g")
    assert aws.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=25)
