"""InvokeAsync, by an unmodified boto3."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_an_event_is_accepted_and_runs(aws, create, zipped, lab, wait_until):
    create()
    source = "def handler(event, context): print('got', event['x'])"
    aws.update_function_code(FunctionName="f", ZipFile=zipped(source))
    answer = aws.invoke_async(FunctionName="f", InvokeArgs=b'{"x": 42}')
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (202, 202)
    wait_until(lambda: "got 42" in "".join(map(str, lab.logs("f"))))


def test_arguments_that_are_no_json_are_refused(aws, arn, refused):
    code, status, message = refused(aws.invoke_async, FunctionName="f", InvokeArgs=b"{oops")
    assert (code, status) == ("InvalidRequestContentException", 400)
    assert message.startswith("Could not parse request body into json: ")


def test_arguments_over_256_kb_are_refused(aws, arn, refused):
    code, status, _ = refused(aws.invoke_async, FunctionName="f", InvokeArgs=b'"' + b"x" * 262_143 + b'"')
    assert (code, status) == ("RequestEntityTooLargeException", 413)


def test_an_unknown_function_is_not_found(aws, refused):
    assert refused(aws.invoke_async, FunctionName="nobody", InvokeArgs=b"{}")[:2] == ("ResourceNotFoundException", 404)
