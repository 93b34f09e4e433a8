"""A function's LoggingConfig through boto3."""

from __future__ import annotations

import pytest

from labkit.emulator.operations.logging_config import LEVEL_WITH_TEXT, checked_logging, describe_logging
from labkit.errors import InvalidParameterValue
from labkit.model import FunctionConfig, LoggingConfig


def test_nothing_given_is_text():
    assert checked_logging({}) == LoggingConfig("Text", "", "", "")


def test_everything_given_is_kept():
    given = {"LogFormat": "JSON", "ApplicationLogLevel": "TRACE", "SystemLogLevel": "WARN", "LogGroup": "shop"}
    assert checked_logging(given) == LoggingConfig("JSON", "TRACE", "WARN", "shop")
    assert describe_logging(FunctionConfig("f", "f.handler", logging=checked_logging(given))) == given


@pytest.mark.parametrize("level", ["ApplicationLogLevel", "SystemLogLevel"])
@pytest.mark.parametrize("given", [{"LogFormat": "Text"}, {}])
def test_levels_need_json(given, level):
    with pytest.raises(InvalidParameterValue) as refused:
        checked_logging({**given, level: "INFO"})
    assert str(refused.value) == LEVEL_WITH_TEXT


def test_json_says_its_default_levels():
    config = FunctionConfig("f", "f.handler", logging=LoggingConfig("JSON"))
    assert describe_logging(config) == {
        "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/f"
    }  # fmt: skip


def test_text_says_no_levels():
    assert describe_logging(FunctionConfig("f", "f.handler")) == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
