"""SQS keeps the X-Ray header of the request that sent a message, in the system attribute AWSTraceHeader.

So does AWS (X-Ray developer guide, "Amazon SQS and AWS X-Ray"); here it also carries the lineage by which a loop
over a queue is found, through topics and notifications too. Whoever reads the queue hands it on as the trace header.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.seam import cause

ATTRIBUTE = "AWSTraceHeader"


def correct(module: ModuleType, corrections: Corrections) -> None:
    """moto.sqs.models"""
    corrections.replace(module.SQSBackend, "send_message", _marking)


def _marking(send: Callable[..., Any]) -> Callable[..., Any]:
    def send_message(backend: Any, *args: Any, **kwargs: Any) -> Any:
        given = kwargs.get("system_attributes") or {}
        trace_id = cause().trace_id
        if trace_id and ATTRIBUTE not in given:
            given = {**given, ATTRIBUTE: {"StringValue": trace_id, "DataType": "String"}}
        return send(backend, *args, **{**kwargs, "system_attributes": given})

    return send_message
