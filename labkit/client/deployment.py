"""From a source to a function: the package, then the calls that make or change the function, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.client.endpoint import ApiError
from labkit.client.package import build, code_sha256, module_name, pinned, shipped_modules
from labkit.client.source import analyse

Call = Callable[..., dict[str, Any]]
Change = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Packaged:
    """A zip file and what is known of it; `missing` are imported modules that are found nowhere."""

    handler: str
    content: bytes
    requirements: tuple[str, ...]
    missing: tuple[str, ...]


def packaged(name: str, source: str, *, handler: str | None, include: Sequence[str | Path], folder: Path) -> Packaged:
    """Raises SourceError."""
    module = module_name(name)
    shipped = shipped_modules(include, folder=folder)
    analysed = analyse(source, handler=handler, shipped=shipped, module=module)
    needs = pinned(analysed.imports, shipped=shipped)
    content = build(analysed, module=module, include=include, folder=folder, requirements=needs.pinned)
    return Packaged(f"{module}.{analysed.handler}", content, needs.pinned, needs.missing)


def put(call: Call, change: Change, params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Creates or updates, by what is there; returns the configuration and what changed. Raises ApiError."""
    name = params["FunctionName"]
    code = params["Code"]["ZipFile"]
    wanted = {k: v for k, v in params.items() if k != "Code"}
    try:
        before = call("get_function_configuration", FunctionName=name)
    except ApiError as error:
        if error.code != "ResourceNotFoundException":
            raise
        change("create_function", **params)
        return call("get_function_configuration", FunctionName=name), "created"
    revision = before["RevisionId"]
    if before["CodeSha256"] != code_sha256(code):
        change("update_function_code", FunctionName=name, ZipFile=code)
    if _differs(before, wanted):
        change("update_function_configuration", **wanted)
    after = call("get_function_configuration", FunctionName=name)
    return after, "unchanged" if after["RevisionId"] == revision else "updated"


def _differs(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    now = {
        **before,
        "Environment": {"Variables": before.get("Environment", {}).get("Variables") or {}},
        "Layers": [layer["Arn"] for layer in before.get("Layers") or ()],
    }
    return any(now.get(key) != value for key, value in wanted.items())
