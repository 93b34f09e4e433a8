"""A function's `LoggingConfig`: what may be set together, and how it is described.

Levels belong to JSON: with Text they are refused in AWS's words (as CloudFormation reports them, aws-cdk #28045; the
same in LocalStack). botocore's model checks names of formats, levels and groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.emulator.loglines import log_group
from labkit.errors import InvalidParameterValue
from labkit.model import FunctionConfig, LoggingConfig

LEVEL_WITH_TEXT = (
    'LogLevel is not supported when LogFormat is set to "Text". '
    'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
)


def checked_logging(given: Mapping[str, Any]) -> LoggingConfig:
    """What a request's `LoggingConfig` means, Text by default. Raises InvalidParameterValue for levels with Text."""
    config = LoggingConfig(
        format=given.get("LogFormat") or "Text",
        application_level=given.get("ApplicationLogLevel") or "",
        system_level=given.get("SystemLogLevel") or "",
        group=given.get("LogGroup") or "",
    )
    if config.format == "Text" and (config.application_level or config.system_level):
        raise InvalidParameterValue(LEVEL_WITH_TEXT)
    return config


def describe_logging(config: FunctionConfig) -> dict[str, str]:
    """`LoggingConfig` as operations return it; JSON always has both levels, INFO by default."""
    group = {"LogGroup": log_group(config)}
    if config.logging.format != "JSON":
        return {"LogFormat": "Text", **group}
    return {
        "LogFormat": "JSON",
        "ApplicationLogLevel": config.logging.application_level or "INFO",
        "SystemLogLevel": config.logging.system_level or "INFO",
        **group,
    }
