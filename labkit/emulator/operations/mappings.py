"""Event source mappings: which queue or stream feeds which function, and in what batches.

The records; `triggers.pollers` reads the sources. `enabled` is what the user wants, `polled` what a poller reports of
itself, and State follows from both (API reference, EventSourceMappingConfiguration, has these states):

              polled      not polled
    enabled   Enabled     Enabling
    disabled  Disabling   Disabled

The answers to Create, Update and Delete name the change under way, as AWS's do: Creating, Updating, Enabling,
Disabling, Deleting. As at AWS, a mapping outlives its function: "To delete Lambda event source mappings that invoke a
function, use DeleteEventSourceMapping" (API reference, DeleteFunction).

Words of conflicts, filters, positions and batches: LocalStack's provider and its tests, which were recorded against
AWS, and AWS's messages in public bug reports; a message that names labkit is labkit's own.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any

import msgspec

from labkit.emulator.account import Account, Operation, Params
from labkit.emulator.operations.pagination import page
from labkit.emulator.registry import EventSourceMapping, StreamSettings, parse_reference
from labkit.emulator.triggers.filters import parsed
from labkit.emulator.triggers.patterns import InvalidPattern
from labkit.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound

PAGE = 100
BATCH_SIZES = {"sqs": 10, "kinesis": 100, "dynamodb": 100}
"""The default of each kind of source that labkit knows."""
SMALL_BATCH = 10
LEAST_RECORD_AGE_S = 60
FAILURE_SERVICES = frozenset({"sqs", "sns", "s3"})
NOT_YET = (
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "KMSKeyArn",
    "LoggingConfig",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
)
STREAM_FIELDS = {
    "StartingPosition": "starting_position",
    "StartingPositionTimestamp": "starting_at",
    "ParallelizationFactor": "parallelization_factor",
    "BisectBatchOnFunctionError": "bisects_batches",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "MaximumRecordAgeInSeconds": "maximum_record_age_s",
    "TumblingWindowInSeconds": "tumbling_window_s",
}
FIELDS = {"BatchSize": "batch_size", "MaximumBatchingWindowInSeconds": "batching_window_s", "Enabled": "enabled"}


async def create_mapping(account: Account, params: Params) -> dict[str, Any]:
    _refuse_what_would_be_ignored(params)
    source_arn = params.get("EventSourceArn") or ""
    service = _service(source_arn)
    stream = _new_stream(source_arn, params) if service != "sqs" else None
    name, arn = _function_arn(account, params["FunctionName"])
    if account.role_checks:
        await account.role_checks.check_source(account.registry.version(parse_reference(arn)), source_arn)
    mapping = _changed(
        EventSourceMapping(
            mapping_id=str(uuid.uuid4()),
            source_arn=source_arn,
            function_arn=arn,
            batch_size=BATCH_SIZES[service],
            batching_window_s=0,
            last_modified=0,
            stream=stream,
            tags=dict(params.get("Tags") or {}),
        ),
        params,
    )
    await _check_source(account, mapping)
    _refuse_duplicate(account, mapping, name)
    account.registry.mappings[mapping.mapping_id] = mapping
    account.pollers.changed(mapping.mapping_id)
    return _describe(account, mapping) | {"State": "Creating"}


async def get_mapping(account: Account, params: Params) -> dict[str, Any]:
    return _describe(account, _mapping(account, params))


async def update_mapping(account: Account, params: Params) -> dict[str, Any]:
    old = _mapping(account, params)
    _refuse_what_would_be_ignored(params)
    mapping = _changed(old, params)
    if params.get("FunctionName"):
        name, arn = _function_arn(account, params["FunctionName"])
        mapping = msgspec.structs.replace(mapping, function_arn=arn)
        _refuse_duplicate(account, mapping, name)
        await _check_source(account, mapping)
    now = _mapping(account, params)  # its poller, or another caller, may have changed it meanwhile
    mapping = msgspec.structs.replace(mapping, polled=now.polled, last_result=now.last_result)
    account.registry.mappings[mapping.mapping_id] = mapping
    account.pollers.changed(mapping.mapping_id)
    switched = "Enabling" if mapping.enabled else "Disabling"
    return _describe(account, mapping) | {"State": "Updating" if mapping.enabled == old.enabled else switched}


async def delete_mapping(account: Account, params: Params) -> dict[str, Any]:
    mapping = _mapping(account, params)
    del account.registry.mappings[mapping.mapping_id]
    account.pollers.changed(mapping.mapping_id)
    return _describe(account, mapping) | {"State": "Deleting"}


async def list_mappings(account: Account, params: Params) -> dict[str, Any]:
    source = params.get("EventSourceArn")
    wanted = [
        mapping
        for mapping in account.registry.mappings.values()
        if source in (None, mapping.source_arn) and _is_for(mapping, params.get("FunctionName"))
    ]
    shown, more = page(wanted, params, most=PAGE, name_of=lambda mapping: mapping.mapping_id)
    return {"EventSourceMappings": [_describe(account, mapping) for mapping in shown]} | more


def state(mapping: EventSourceMapping) -> str:
    """The State of a mapping that no request is just changing: see the module's table."""
    if mapping.polled:
        return "Enabled" if mapping.enabled else "Disabling"
    return "Enabling" if mapping.enabled else "Disabled"


# --- how they do it -----------------------------------------------------------------------------------------


def _mapping(account: Account, params: Params) -> EventSourceMapping:
    mapping = account.registry.mappings.get(params["UUID"])
    if mapping is None:
        raise ResourceNotFound("The resource you requested does not exist.")
    return mapping


def _is_for(mapping: EventSourceMapping, function: str | None) -> bool:
    """Whether the mapping feeds this function; without a qualifier, any version or alias of it."""
    if not function:
        return True
    wanted, fed = parse_reference(function), parse_reference(mapping.function_arn)
    return wanted.name == fed.name and wanted.qualifier in (None, fed.qualifier)


def _service(source_arn: str) -> str:
    if not source_arn:
        raise InvalidParameterValue("Unrecognized event source.")
    service = source_arn.split(":")[2]
    if service not in BATCH_SIZES:
        known = ", ".join(BATCH_SIZES)
        raise InvalidParameterValue(f"Unrecognized event source. labkit knows {known}; {service} is not one of them.")
    return service


def _function_arn(account: Account, text: str) -> tuple[str, str]:
    """The function's name, and its ARN with the qualifier that the caller gave."""
    reference = parse_reference(text)
    try:
        account.registry.function(reference)
    except ResourceNotFound:
        raise InvalidParameterValue("Function does not exist") from None
    arn = account.registry.arn(reference.name)
    return reference.name, f"{arn}:{reference.qualifier}" if reference.qualifier else arn


async def _check_source(account: Account, mapping: EventSourceMapping) -> None:
    """Raises InvalidParameterValue if the queue or stream is not there, or does not suit the function."""
    version = account.registry.version(parse_reference(mapping.function_arn))
    await account.pollers.check(mapping, timeout_s=version.config.timeout_s)


def _refuse_what_would_be_ignored(params: Params) -> None:
    if params.get("TumblingWindowInSeconds"):
        raise InvalidParameterValue(
            "labkit does not implement tumbling windows yet: leave TumblingWindowInSeconds out."
        )
    given = next((name for name in NOT_YET if params.get(name)), None)
    if given:
        raise InvalidParameterValue(f"labkit does not implement {given} of event source mappings yet: leave it out.")


def _refuse_duplicate(account: Account, mapping: EventSourceMapping, function: str) -> None:
    ends = (mapping.source_arn, mapping.function_arn)
    for other in account.registry.mappings.values():
        if (other.source_arn, other.function_arn) != ends or other.mapping_id == mapping.mapping_id:
            continue
        advice = f"Please update or delete the existing mapping with UUID {other.mapping_id}"
        if mapping.service == "sqs":
            raise ResourceConflict(
                f'An event source mapping with SQS arn (" {mapping.source_arn} ") and function (" {function} ") '
                f"already exists. {advice}"
            )
        raise ResourceConflict(
            f'The event source arn (" {mapping.source_arn} ") and function (" {function} ") '
            f"provided mapping already exists. {advice}"
        )


def _new_stream(source_arn: str, params: Params) -> StreamSettings:
    position = params.get("StartingPosition")
    missing = "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null."
    if position is None:
        raise InvalidParameterValue(missing.format("startingPosition"))
    if position == "AT_TIMESTAMP" and _service(source_arn) == "dynamodb":
        raise InvalidParameterValue(f"Unsupported starting position for arn type: {source_arn}")
    if position == "AT_TIMESTAMP" and params.get("StartingPositionTimestamp") is None:
        raise InvalidParameterValue(missing.format("startingPositionTimestamp"))
    return StreamSettings(starting_position=position)


def _changed(mapping: EventSourceMapping, params: Params) -> EventSourceMapping:
    """The mapping with what the parameters say, checked as a whole. Raises InvalidParameterValue."""
    changes: dict[str, Any] = {to: params[name] for name, to in FIELDS.items() if params.get(name) is not None}
    if params.get("FilterCriteria") is not None:
        changes["filters"] = _filters(params["FilterCriteria"])
    if params.get("FunctionResponseTypes") is not None:
        changes["reports_item_failures"] = "ReportBatchItemFailures" in params["FunctionResponseTypes"]
    if params.get("ScalingConfig") is not None:
        changes["maximum_concurrency"] = params["ScalingConfig"].get("MaximumConcurrency")
    if mapping.stream is not None:
        changes["stream"] = _changed_stream(mapping.stream, params)
    changed = msgspec.structs.replace(mapping, last_modified=time.time(), **changes)
    if changed.stream is None:
        _check_queue(changed, params)
    else:
        _check_stream(changed, changed.stream)
    return changed


def _changed_stream(stream: StreamSettings, params: Params) -> StreamSettings:
    changes: dict[str, Any] = {to: params[name] for name, to in STREAM_FIELDS.items() if params.get(name) is not None}
    if isinstance(changes.get("starting_at"), datetime):
        changes["starting_at"] = changes["starting_at"].timestamp()
    destinations = params.get("DestinationConfig")
    if destinations is not None:
        if (destinations.get("OnSuccess") or {}).get("Destination"):
            raise InvalidParameterValue("Unsupported DestinationConfig parameter for given event source mapping type.")
        changes["on_failure"] = (destinations.get("OnFailure") or {}).get("Destination") or None
    return msgspec.structs.replace(stream, **changes)


def _filters(criteria: Params) -> tuple[str, ...]:
    patterns = tuple(each.get("Pattern") or "" for each in criteria.get("Filters") or ())
    for pattern in patterns:
        try:
            parsed(pattern)
        except InvalidPattern:
            raise InvalidParameterValue("Invalid filter pattern definition.") from None
    return patterns


def _check_queue(mapping: EventSourceMapping, params: Params) -> None:
    strange = next((n for n in (*STREAM_FIELDS, "DestinationConfig") if params.get(n) is not None), None)
    if strange:
        raise InvalidParameterValue(f"{strange} is not valid for SQS event sources.")
    if mapping.source_arn.endswith(".fifo"):
        if mapping.batching_window_s:
            raise InvalidParameterValue("Batching window is not supported for FIFO queues")
        if mapping.batch_size > SMALL_BATCH:
            raise InvalidParameterValue(f"Batch size of a FIFO queue must be {SMALL_BATCH} or less.")
    if mapping.batch_size > SMALL_BATCH and not mapping.batching_window_s:
        raise InvalidParameterValue(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )


def _check_stream(mapping: EventSourceMapping, stream: StreamSettings) -> None:
    if mapping.maximum_concurrency is not None:
        raise InvalidParameterValue("ScalingConfig is only valid for SQS event sources.")
    if -1 < stream.maximum_record_age_s < LEAST_RECORD_AGE_S:
        raise InvalidParameterValue(
            f"MaximumRecordAgeInSeconds must be -1 or {LEAST_RECORD_AGE_S} and more, not {stream.maximum_record_age_s}."
        )
    on_failure = stream.on_failure
    if on_failure and (not on_failure.startswith("arn:") or on_failure.split(":")[2] not in FAILURE_SERVICES):
        raise InvalidParameterValue(
            "The provided destination config DestinationConfig(onSuccess=null, "
            f"onFailure=OnFailure(destination={on_failure})) is invalid."
        )


def _describe(account: Account, mapping: EventSourceMapping) -> dict[str, Any]:
    """EventSourceMappingConfiguration, as every operation returns it; None is absent on the wire."""
    registry = account.registry
    arn = f"arn:aws:lambda:{registry.region}:{registry.account_id}:event-source-mapping:{mapping.mapping_id}"
    scaling = mapping.maximum_concurrency
    return {
        "UUID": mapping.mapping_id,
        "EventSourceMappingArn": arn,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.batching_window_s,
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.reports_item_failures else [],
        "FilterCriteria": {"Filters": [{"Pattern": p} for p in mapping.filters]} if mapping.filters else None,
        "ScalingConfig": {"MaximumConcurrency": scaling} if scaling is not None else None,
        "LastModified": mapping.last_modified,
        "State": state(mapping),
        "StateTransitionReason": _reason(mapping),
        "LastProcessingResult": mapping.last_result or ("No records processed" if mapping.stream else None),
    } | (_describe_stream(mapping.stream) if mapping.stream else {})


def _reason(mapping: EventSourceMapping) -> str:
    return "USER_INITIATED" if mapping.service == "sqs" else "User action"


def _describe_stream(stream: StreamSettings) -> dict[str, Any]:
    return {name: getattr(stream, to) for name, to in STREAM_FIELDS.items()} | {
        "DestinationConfig": {"OnFailure": {"Destination": stream.on_failure}},
    }


OPERATIONS: dict[str, Operation] = {
    "CreateEventSourceMapping": create_mapping,
    "DeleteEventSourceMapping": delete_mapping,
    "GetEventSourceMapping": get_mapping,
    "ListEventSourceMappings": list_mappings,
    "UpdateEventSourceMapping": update_mapping,
}
