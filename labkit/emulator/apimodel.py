"""botocore's model of the Lambda API, read without botocore.

botocore's own reader (botocore.model) brings urllib3 and the rest of an HTTP client along: a sixth of the emulator's
start. The description is one JSON file in botocore's package, and what the wire needs of it is little: names, types,
members, and two groups of traits. Names and meanings are botocore.model's; a test holds every shape of every operation
against that. Shapes are resolved when they are first looked at, because most never are.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

SERIALIZATION = frozenset(
    ["location", "locationName", "payload", "streaming", "timestampFormat", "eventstream", "event", "eventpayload"]
)
METADATA = frozenset(["required", "min", "max", "pattern", "sensitive", "enum", "document", "union", "exception"])


def description(service: str = "lambda") -> dict[str, Any]:
    """The newest description of a service that botocore has, as it stands in its file."""
    spec = find_spec("botocore")  # finds, and does not import
    assert spec is not None
    assert spec.origin is not None
    folder = max((Path(spec.origin).parent / "data" / service).iterdir())
    packed = folder / "service-2.json.gz"
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "service-2.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(content)
    return found


class Shape:
    """A type of the model, with the traits of the place where it stands."""

    def __init__(self, name: str, said: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
        self.name = name
        self.type_name: str = said["type"]
        self._said = said
        self._shapes = shapes

    def _resolved(self, reference: Mapping[str, Any]) -> Shape:
        name = reference["shape"]
        return Shape(name, {**self._shapes[name], **reference}, self._shapes)

    @cached_property
    def serialization(self) -> dict[str, Any]:
        """Where and how a value of it stands on the wire; `name` is `locationName`."""
        return {"name" if key == "locationName" else key: v for key, v in self._said.items() if key in SERIALIZATION}

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What a value of it must be like."""
        return {key: value for key, value in self._said.items() if key in METADATA}

    @property
    def required_members(self) -> list[str]:
        return list(self.metadata.get("required", ()))

    @property
    def enum(self) -> list[str]:
        return list(self.metadata.get("enum", ()))

    @cached_property
    def members(self) -> dict[str, Shape]:
        """Of a structure."""
        return {name: self._resolved(reference) for name, reference in self._said.get("members", {}).items()}

    @cached_property
    def member(self) -> Shape:
        """Of a list."""
        return self._resolved(self._said["member"])

    @cached_property
    def key(self) -> Shape:
        """Of a map."""
        return self._resolved(self._said["key"])

    @cached_property
    def value(self) -> Shape:
        """Of a map."""
        return self._resolved(self._said["value"])


class Operation:
    """An operation of the model."""

    def __init__(self, name: str, said: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
        self.name = name
        self.response_code = int(said["http"].get("responseCode", 200))
        self.input_shape = _shape(said.get("input"), shapes)
        self.output_shape = _shape(said.get("output"), shapes)
        self.errors: tuple[str, ...] = tuple(reference["shape"] for reference in said.get("errors", ()))

    @property
    def event_stream(self) -> Shape:
        """The member of the answer that is a stream of events."""
        assert self.output_shape is not None
        return next(m for m in self.output_shape.members.values() if m.serialization.get("eventstream"))


def _shape(reference: Mapping[str, Any] | None, shapes: Mapping[str, Any]) -> Shape | None:
    return None if reference is None else Shape("", {"type": ""}, shapes)._resolved(reference)
