"""Events of EventBridge, its schedules, and of services that call a function for a task of their own.

Shapes: EventBridge user guide, "Events in Amazon EventBridge"; EventBridge Scheduler, as its targets get it; Secrets
Manager user guide, "Lambda rotation functions"; Cognito developer guide, "Lambda trigger event"; CloudFormation user
guide, "Custom resource request objects"; Lambda developer guide, "Retaining records of asynchronous invocations".
"""

from __future__ import annotations

import base64
import json
from typing import Any

from labkit.events.facts import ACCOUNT_ID, MILLISECOND, REGION, SECOND, an_id, arn, one_of

Event = dict[str, Any]
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CONDITIONS = ("Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency")
REQUESTS = ("Create", "Update", "Delete")
FUNCTION_ARN = arn("lambda", "function:predict")
# what a pool adds to `request`, and expects in `response`, by the trigger
COGNITO: dict[str, tuple[Event, Event]] = {
    "PreSignUp_SignUp": (
        {"validationData": {}},
        {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    ),
    "PostConfirmation_ConfirmSignUp": ({}, {}),
    "PreAuthentication_Authentication": ({"validationData": {}, "userNotFound": False}, {}),
    "PostAuthentication_Authentication": ({"newDeviceUsed": False}, {}),
    "TokenGeneration_Authentication": (
        {"groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None}},
        {"claimsOverrideDetails": None},
    ),
}


def eventbridge(source: str = "shop", detail_type: str = "sold", detail: dict[str, Any] | None = None) -> Event:
    """An event of a bus that matched a rule's pattern."""
    return {
        "version": "0",
        "id": an_id(source, detail_type),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": SECOND,
        "region": REGION,
        "resources": [],
        "detail": {"order": 7} if detail is None else detail,
    }


def schedule(rule: str = "every-morning") -> Event:
    """A rule of EventBridge with rate(...) or cron(...) has come to its time."""
    return {
        **eventbridge("aws.events", "Scheduled Event", {}),
        "resources": [arn("events", f"rule/{rule}")],
    }


def scheduler(schedule: str = "every-morning", group: str = "default") -> Event:
    """A schedule of EventBridge Scheduler without an Input of its own; its `detail` is text."""
    return {
        **eventbridge("aws.scheduler", "Scheduled Event"),
        "resources": [arn("scheduler", f"schedule/{group}/{schedule}")],
        "detail": "{}",
    }


def stepfunctions(payload: dict[str, Any] | None = None, token: str = "") -> Event:
    """A Task state's input, or with a token what a task gets that waits for its callback.

    A function gets just what its state gives it. With `.waitForTaskToken` that is here, as in the guide's examples,
    {"input.$": "$", "taskToken.$": "$$.Task.Token"}.
    """
    given = {"order": 7} if payload is None else payload
    return {"input": given, "taskToken": token} if token else dict(given)


def secretsmanager(secret: str = "database", step: str = "createSecret") -> Event:
    """One of the four steps of a secret's rotation: createSecret, setSecret, testSecret, finishSecret."""
    one_of(step, STEPS, "step of a rotation")
    return {
        "Step": step,
        "SecretId": arn("secretsmanager", f"secret:{secret}-AbCdEf"),
        "ClientRequestToken": an_id(secret),
    }


def cognito(trigger: str = "PreSignUp_SignUp", user: str = "ada", email: str = "ada@example.com") -> Event:
    """A user pool asks before or after somebody signs up or in; the handler gives the event back."""
    request, response = COGNITO[one_of(trigger, tuple(COGNITO), "trigger of a user pool")]
    return json.loads(  # type: ignore[no-any-return]
        json.dumps(
            {
                "version": "1",
                "region": REGION,
                "userPoolId": f"{REGION}_Ab1Cd2Ef3",
                "userName": user,
                "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
                "triggerSource": trigger,
                "request": {"userAttributes": {"sub": an_id(user), "email": email}} | request,
                "response": response,
            }
        )
    )


def destination(condition: str = "Success", payload: dict[str, Any] | None = None) -> Event:
    """The record of an asynchronous invocation, as a function that is its destination gets it."""
    one_of(condition, CONDITIONS, "condition of a destination")
    event: Event = {
        "version": "1.0",
        "timestamp": MILLISECOND,
        "requestContext": {
            "requestId": an_id(condition),
            "functionArn": f"{FUNCTION_ARN}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": {"Success": 1, "RetriesExhausted": 3}.get(condition, 0),
        },
        "requestPayload": {"order": 7} if payload is None else payload,
    }
    if condition == "Success":
        event["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
        event["responsePayload"] = {"ok": True}
    if condition == "RetriesExhausted":
        event["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        event["responsePayload"] = {"errorMessage": "'x'", "errorType": "KeyError", "stackTrace": []}
    return event


def cloudformation(request: str = "Create", properties: dict[str, Any] | None = None) -> Event:
    """A custom resource of a stack is created, updated or deleted; the answer goes to its ResponseURL."""
    one_of(request, REQUESTS, "request for a custom resource")
    given = {"Name": "labkit"} if properties is None else properties
    event: Event = {
        "RequestType": request,
        "ServiceToken": FUNCTION_ARN,
        "ResponseURL": f"https://cloudformation-custom-resource-response.s3.amazonaws.com/{an_id('response')}",
        "StackId": arn("cloudformation", f"stack/labkit/{an_id('stack')}"),
        "RequestId": an_id(request),
        "LogicalResourceId": "Thing",
        "ResourceType": "Custom::Thing",
        "ResourceProperties": {"ServiceToken": FUNCTION_ARN, **given},
    }
    if request != "Create":
        event["PhysicalResourceId"] = base64.b16encode(b"thing").decode().lower()
    if request == "Update":
        event["OldResourceProperties"] = {"ServiceToken": FUNCTION_ARN}
    return event
