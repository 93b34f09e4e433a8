"""The account's settings and what else can be read of a function, by an unmodified boto3."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.process


def test_the_accounts_limits_are_awss_but_for_this_labs_concurrency(aws, lab):
    concurrency = lab.status()["concurrency_limit"]
    assert aws.get_account_settings()["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": concurrency,
        "UnreservedConcurrentExecutions": concurrency,
    }


def test_the_accounts_use_follows_what_is_deployed(aws, create):
    assert aws.get_account_settings()["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    size = create()["CodeSize"] + create("g")["CodeSize"]
    assert aws.get_account_settings()["AccountUsage"] == {"TotalCodeSize": size, "FunctionCount": 2}


def test_loops_are_terminated_unless_allowed(aws, arn):
    assert aws.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate"
    assert aws.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert aws.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"


def test_a_runtime_is_updated_automatically_unless_told_otherwise(aws, arn):
    assert aws.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
    aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
    answer = aws.get_runtime_management_config(FunctionName="f")
    assert (answer["UpdateRuntimeOn"], answer["FunctionArn"]) == ("FunctionUpdate", f"{arn}:$LATEST")
    assert "RuntimeVersionArn" not in answer


def test_a_pinned_runtime_is_refused_because_it_would_not_be_used(aws, arn, refused):
    pinned = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64
    code, _, message = refused(
        aws.put_runtime_management_config, FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=pinned
    )
    assert (code, "cannot pin" in message) == ("InvalidParameterValueException", True)
    assert aws.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
