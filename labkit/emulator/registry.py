"""What is deployed: functions, their code and configuration. Memory only; behaviour is in control.py."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from labkit.errors import InvalidParameterValue, ResourceNotFound
from labkit.model import LATEST, DeploymentPackage, FunctionConfig

NAME = r"[a-zA-Z0-9-_]{1,64}"
REFERENCE = re.compile(
    rf"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{{12}}):function:|(?P<partial>\d{{12}}):function:)?"
    rf"(?P<name>{NAME})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a caller means by a function name: a name, a partial or a whole ARN, perhaps with a qualifier."""

    name: str
    qualifier: str | None = None


@lru_cache(maxsize=1024)
def parse_reference(text: str, qualifier: str | None = None) -> Reference:
    """Raises InvalidParameterValue if the text is no function name, or names another version than `qualifier`."""
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidParameterValue(f"{text!r} is no function name, partial ARN or ARN.")
    named = match["qualifier"]
    if named and qualifier and named != qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Reference(match["name"], named or qualifier)


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """All that an environment needs, ready at deploy time. `key` is new with every change of code or configuration."""

    key: str
    arn: str
    config: FunctionConfig
    package: DeploymentPackage
    folder: Path
    version: str
    variables: Mapping[str, str]


@dataclass(slots=True)
class Function:
    latest: FunctionVersion
    last_modified: str
    revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.latest.config.name


class Registry:
    """Functions by name."""

    def __init__(self, *, account_id: str, region: str) -> None:
        self.account_id = account_id
        self.region = region
        self.functions: dict[str, Function] = {}

    def arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"

    def function(self, reference: Reference) -> Function:
        """Raises ResourceNotFound, in AWS's words."""
        function = self.functions.get(reference.name)
        if function is None or reference.qualifier not in (None, LATEST):
            raise ResourceNotFound(f"Function not found: {self.arn(reference.name)}:{reference.qualifier or LATEST}")
        return function

    def version(self, reference: Reference) -> FunctionVersion:
        return self.function(reference).latest
