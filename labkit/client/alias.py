"""Versions and aliases of a function: publishing, moving, and a share of the calls for a second version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.client.endpoint import ApiError
from labkit.errors import BadAlias, nearest
from labkit.model import LATEST

if TYPE_CHECKING:
    from labkit.client.lab import Lab


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version; `weights` are the shares of calls, 0 to 1, that go to other versions."""

    function_name: str
    name: str
    version: str
    weights: tuple[tuple[str, float], ...] = ()
    description: str = ""

    @property
    def routes(self) -> str:
        """Where calls go, in words."""
        others = [f"{share:.0%} to version {version}" for version, share in self.weights]
        rest = 1 - sum(share for _, share in self.weights)
        return ", ".join([f"{rest:.0%} to version {self.version}", *others]) if others else f"version {self.version}"

    def __repr__(self) -> str:
        return f"<Alias {self.function_name}:{self.name} is {self.routes}>"


def alias_of(name: str, answer: Mapping[str, Any]) -> Alias:
    """The record of an answer of the API."""
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Alias(
        name, answer["Name"], answer["FunctionVersion"], tuple(weights.items()), answer.get("Description") or ""
    )


def put_alias(
    lab: Lab, name: str, alias: str, version: str, weights: Mapping[str, float], description: str | None
) -> Alias:
    """Creates the alias or moves it. Raises BadAlias, ApiError."""
    check(name, version, weights, lab.versions(name))
    aws: Any = lab.boto3("lambda")
    known = {each.name for each in lab.aliases(name)}
    params: dict[str, Any] = {"FunctionName": name, "Name": alias, "FunctionVersion": version}
    params["RoutingConfig"] = {"AdditionalVersionWeights": dict(weights)}
    if description is not None:
        params["Description"] = description
    from botocore.exceptions import ClientError  # a cold path, as boto3 is

    try:
        answer = aws.update_alias(**params) if alias in known else aws.create_alias(**params)
    except ClientError as error:
        raise ApiError(error.response) from None
    return alias_of(name, answer)


def check(name: str, version: str, weights: Mapping[str, float], versions: Sequence[str]) -> None:
    """Raises BadAlias."""
    for wanted in (version, *weights):
        if wanted not in versions:
            near = nearest(wanted, versions)
            hint = f"Did you mean {near}?" if near else f"Publish one: %alias {name} live --publish, or Lab.publish."
            raise BadAlias(f"{name} has no version {wanted}; it has: {', '.join(versions)}.", hint=hint)
    for other, share in weights.items():
        if not 0 <= share <= 1:
            raise BadAlias(f"The weight of version {other} is {share:g}; expected 0 to 1.")
    if len(weights) > 1:
        raise BadAlias("An alias sends calls to at most two versions: its own, and one with a weight.")
    if weights and LATEST in (version, *weights):
        raise BadAlias(f"{LATEST} takes no share of an alias's calls; only published versions do.")
    if version in weights:
        raise BadAlias(f"Version {version} is the alias's own already; a weight is another version's.")


def check_alias(name: str, alias: str, known: Sequence[str]) -> None:
    """Raises BadAlias for one that there is not."""
    if alias not in known:
        near = nearest(alias, known)
        hint = f"Did you mean {near}?" if near else f"It has: {', '.join(known) or 'none'}."
        raise BadAlias(f"{name} has no alias {alias}.", hint=hint)
