"""Whether a mapping's queue or stream is there, in the words of AWS's refusals.

Those of queues, streams and visibility timeouts are in LocalStack's provider and in public bug reports.
"""

from __future__ import annotations

from labkit.emulator.clients import CallFailed
from labkit.emulator.destinations import Call
from labkit.emulator.registry import EventSourceMapping
from labkit.errors import InvalidParameterValue

NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
NOT_OURS = "The provided execution role does not have permissions to call {} on {}"


async def check_source(call: Call, mapping: EventSourceMapping, *, account_id: str, timeout_s: float) -> None:
    """Raises InvalidParameterValue; of a queue also if the function may run longer than its messages are hidden."""
    _, _, service, region, owner, name = mapping.source_arn.split(":", 5)
    if service == "sqs":
        if owner != account_id:
            raise InvalidParameterValue(NOT_OURS.format("ReceiveMessage", "SQS"))
        await _check_queue(call, region, f"https://sqs.{region}.amazonaws.com/{owner}/{name}", timeout_s)
        return
    try:
        label = await _stream_label(call, service, region, mapping.source_arn)
    except CallFailed as error:
        raise InvalidParameterValue(_not_found(mapping.source_arn, error)) from None
    if service == "dynamodb" and label != name.rpartition("/")[2]:
        raise InvalidParameterValue(f"Stream not found: {mapping.source_arn}")


async def _check_queue(call: Call, region: str, url: str, timeout_s: float) -> None:
    try:
        answer = await call(
            "sqs", "get_queue_attributes", region=region, QueueUrl=url, AttributeNames=["VisibilityTimeout"]
        )
    except CallFailed as error:
        what = f"SQS Error Code: {error.code}. SQS Error Message: {error.message}"
        raise InvalidParameterValue(f"Error occurred while ReceiveMessage. {what}") from None
    visibility_s = int(answer["Attributes"]["VisibilityTimeout"])
    if visibility_s < timeout_s:
        raise InvalidParameterValue(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {timeout_s:.0f} seconds"
        )


async def _stream_label(call: Call, service: str, region: str, arn: str) -> str:
    if service == "kinesis":
        await call("kinesis", "describe_stream_summary", region=region, StreamARN=arn)
        return ""
    answer = await call("dynamodbstreams", "describe_stream", region=region, StreamArn=arn)
    return str(answer["StreamDescription"].get("StreamLabel", ""))


def _not_found(arn: str, error: CallFailed) -> str:
    unreached = error.code in ("503", "ServiceUnavailableException") or error.code.endswith("Error")
    return f"Stream not found: {arn}" + (f" ({error})" if unreached else "")
