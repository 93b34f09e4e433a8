"""Section 6: concurrency."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from labkit.conformance.behaviour import Behaviour, Pattern, Place, Source, nothing_to_see
from labkit.conformance.trial import ECHO, Trial

SECTION = "6. Concurrency"
KEEPER = "import json\ndef handler(event, context): print('record', json.dumps(event), flush=True)\n"


def account_limits(trial: Trial) -> object:
    return trial.aws.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]


def too_much_reserved(trial: Trial) -> object:
    trial.create()
    return trial.refusal("put_function_concurrency", ReservedConcurrentExecutions=901)


def most_reserved(trial: Trial) -> object:
    trial.create()
    answer = trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=900)
    return answer["ReservedConcurrentExecutions"]


def zero(trial: Trial) -> object:
    trial.create()
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=0)
    return trial.refusal("invoke")


def zero_event(trial: Trial) -> object:
    """The request context of the record that the failure destination gets, without its ids."""
    keeper = trial.create(KEEPER, name=f"{trial.name}-keeper")
    trial.create()
    trial.aws.put_function_event_invoke_config(
        FunctionName=trial.name, DestinationConfig={"OnFailure": {"Destination": keeper}}
    )
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=0)
    trial.send()
    context = json.loads(trial.log_line("record ", f"{trial.name}-keeper")[7:])["requestContext"]
    return {key: context[key] for key in ("condition", "approximateInvokeCount")}


def provisioned_on(qualifier: str) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        trial.create()
        return trial.refusal(
            "put_provisioned_concurrency_config", Qualifier=qualifier, ProvisionedConcurrentExecutions=1
        )

    return probe


def provision(trial: Trial, qualifier: str = "1", count: int = 1) -> Any:
    return trial.aws.put_provisioned_concurrency_config(
        FunctionName=trial.name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def provisioning(source: str, *, alias: bool = False) -> Callable[[Trial], object]:
    """The states that provisioning a version, or an alias of it, goes through; with the reason of the last one."""

    def probe(trial: Trial) -> object:
        trial.create(source, Publish=True)
        qualifier = "1"
        if alias:
            trial.aws.create_alias(FunctionName=trial.name, Name="live", FunctionVersion="1")
            qualifier = "live"
        first = provision(trial, qualifier)["Status"]

        def now() -> Any:
            return trial.aws.get_provisioned_concurrency_config(FunctionName=trial.name, Qualifier=qualifier)

        trial.wait(lambda: now()["Status"] != "IN_PROGRESS")
        return [first, now()["Status"], now().get("StatusReason")]

    return probe


def reserved_below_provisioned(trial: Trial) -> object:
    trial.create(Publish=True)
    provision(trial, count=2)
    return trial.refusal("put_function_concurrency", ReservedConcurrentExecutions=1)


def deleted(trial: Trial) -> object:
    """The status of the deletion, and what is read afterwards."""
    trial.create()
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=1)
    path = f"/functions/{trial.name}/concurrency"
    status = trial.request("DELETE", f"/2017-10-31{path}").status
    return [status, trial.request("GET", f"/2019-09-30{path}").payload]


def invalid(message: str) -> dict[str, object]:
    return {"status": 400, "code": "InvalidParameterValueException", "message": message, "type": "User"}


def row(
    claim: str, source: Source, expected: object, probe: Callable[[Trial], object], *, place: Place = Place.SHARED
) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe, place=place)


REC, DOC = Source.REC, Source.DOC
TOO_FEW = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [100]."
)
BEHAVIOURS = (
    row("an account has 1,000 by default, and says so", DOC, 1000, account_limits),
    row("a smaller account says its own limit", DOC, 1, account_limits, place=Place.SMALL),
    row("100 must stay unreserved", REC, invalid(TOO_FEW), too_much_reserved),
    row("900 of 1,000 can be reserved", REC, 900, most_reserved, place=Place.ALONE),
    Behaviour(
        SECTION,
        "growth: 1,000 environments every 10 s per function",
        DOC,
        1000,
        nothing_to_see,
        excuse="It is enforced, but to see it takes a thousand processes.",
    ),
    row(
        "reserved 0: a synchronous call is throttled",
        REC,
        {
            "status": 429,
            "code": "TooManyRequestsException",
            "message": "Rate Exceeded.",
            "type": "User",
            "reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        },
        zero,
    ),
    row(
        "reserved 0: an event goes straight to the failure destination",
        REC,
        {"condition": "ZeroReservedConcurrency", "approximateInvokeCount": 0},
        zero_event,
    ),
    row(
        "provisioned: not for $LATEST",
        REC,
        invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions."),
        provisioned_on("$LATEST"),
    ),
    row(
        "provisioned: not for a version that is not there",
        REC,
        {
            "status": 404,
            "code": "ResourceNotFoundException",
            "type": "User",
            "message": Pattern(r"Function not found: arn:aws:lambda:us-east-1:\d{12}:function:\w+:7"),
        },
        provisioned_on("7"),
    ),
    row("provisioned: a version is IN_PROGRESS, then READY", REC, ["IN_PROGRESS", "READY", None], provisioning(ECHO)),
    row("provisioned: so is an alias", REC, ["IN_PROGRESS", "READY", None], provisioning(ECHO, alias=True)),
    row(
        "provisioned: a failing init",
        REC,
        ["IN_PROGRESS", "FAILED", "FUNCTION_ERROR_INIT_FAILURE"],
        provisioning("raise ValueError('no')"),
    ),
    row(
        "reserved below the provisioned sum",
        REC,
        invalid(
            " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
        ),
        reserved_below_provisioned,
    ),
    row("DELETE …/concurrency 204, then an empty object", REC, [204, {}], deleted),
)
