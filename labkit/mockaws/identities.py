"""What moto knows of users, roles, access keys and resources' policies, for the emulator's own question: may this be?

Pages under PREFIX, in JSON. moto's API tells no secret of an access key twice, and loads AWS's managed policies only if
it is told so at its start, six times over (one backend for each partition). So this looks into its backends; a contract
test pins what it finds there. Only the emulator may ask: no request that it passes on has this process's own host.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from typing import Any
from urllib.parse import parse_qsl

from labkit.mockaws.networks import network

PREFIX = "/ask/"
PARTITION = "aws"
Page = dict[str, Any]


def answer(environ: Mapping[str, Any]) -> bytes | None:
    """The body for a question of the emulator's; None for anything else that it asks."""
    path = environ.get("PATH_INFO", "")
    if not path.startswith(PREFIX):
        return None
    page = PAGES[path.removeprefix(PREFIX)]
    return json.dumps(page(**dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)))).encode()


# --- who signs ----------------------------------------------------------------------------------------------


def key(key_id: str) -> Page | None:
    """Whose access key this is, its secret, and the policies of its owner; inactive ones are nobody's."""
    from moto.iam.models import iam_backends

    for account_id in list(iam_backends):
        iam = iam_backends[account_id][PARTITION]
        for user in iam.users.values():
            for known in user.access_keys:
                if known.access_key_id == key_id and known.status == "Active":
                    return _user(iam, user) | {"secret": known.secret_access_key, "token": "", "expires_at": None}
        if found := _assumed(account_id, key_id):
            return found
    return None


def keys() -> Page:
    """The secrets of all keys that are somebody's: users' active ones, and those of sessions."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    found: Page = {}
    for account_id in {*iam_backends, *sts_backends}:
        for user in list(iam_backends[account_id][PARTITION].users.values()):
            for known in user.access_keys:
                if known.status == "Active":
                    found[known.access_key_id] = {"secret": known.secret_access_key, "token": "", "expires_at": None}
        for assumed in list(sts_backends[account_id][PARTITION].assumed_roles):
            found[assumed.access_key_id] = _secrets(assumed)
    return found


def _secrets(assumed: Any) -> Page:
    return {
        "secret": assumed.secret_access_key,
        "token": assumed.session_token,
        "expires_at": assumed.expiration.replace(tzinfo=UTC).timestamp(),
    }


def _user(iam: Any, user: Any) -> Page:
    groups = [group for group in iam.groups.values() if user in group.users]
    return {
        "arn": user.arn,
        "principal_arn": user.arn,
        "name": user.name,
        "id": user.id,
        "documents": [document for owner in (user, *groups) for document in _documents(owner)],
        "boundary": None,
        "session": None,
    }


def _assumed(account_id: str, key_id: str) -> Page | None:
    from moto.sts.models import sts_backends

    for assumed in sts_backends[account_id][PARTITION].assumed_roles:
        if assumed.access_key_id != key_id:
            continue
        owner = role(assumed.role_arn) or {"arn": assumed.role_arn, "id": "AROA", "documents": [], "boundary": None}
        return {
            **owner,
            "arn": assumed.arn,
            "principal_arn": assumed.role_arn,
            "name": assumed.session_name,
            "session": assumed.policy or None,
            **_secrets(assumed),
        }
    return None


def role(arn: str) -> Page | None:
    """A role by its ARN: what it may do, and who may be it."""
    from moto.iam.models import iam_backends

    iam = iam_backends[arn.split(":")[4]][PARTITION]
    found = next((each for each in iam.roles.values() if each.arn == arn), None)
    if found is None:
        return None
    boundary = iam.managed_policies.get(found.permissions_boundary_arn or "")
    return {
        "arn": found.arn,
        "id": found.id,
        "documents": _documents(found),
        "boundary": _document(boundary) if boundary else None,
        "trust": found.assume_role_policy_document,
    }


def _documents(owner: Any) -> list[str]:
    """Inline policies, and those that are attached in their default version."""
    inline = (p["policy_document"] if isinstance(p, dict) else p for p in owner.policies.values())
    return [*inline, *map(_document, owner.managed_policies.values())]


def _document(policy: Any) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


# --- what it is about ---------------------------------------------------------------------------------------


def resource(service: str, name: str, account: str, region: str) -> Page:
    """The ARN and policy of a resource as a request names it, and the key that encrypts it; empty if there is none."""
    from moto.backends import get_backend

    found: Page = {}
    with suppress(KeyError, IndexError, AttributeError):
        backends: Any = get_backend(service)
        found = RESOURCES[service](backends[account][PARTITION if service == "s3" else region], name)
    return found


def _bucket(backend: Any, name: str) -> Page:
    bucket_name, _, key_name = name.partition("/")
    bucket = backend.buckets[bucket_name]
    text = bucket.policy.decode() if bucket.policy else None
    stored: Any = bucket.keys.get(key_name) if key_name else None
    return {"policy": text, "kms_key_id": stored.kms_key_id if stored and stored.encryption == "aws:kms" else None}


def _queue(backend: Any, name: str) -> Page:
    return {"policy": backend.queues[name].policy}


def _topic(backend: Any, name: str) -> Page:
    return {"policy": backend.topics[name].policy}


def _secret(backend: Any, name: str) -> Page:
    secret = backend.secrets[name]
    return {"arn": secret.arn, "policy": secret.policy, "kms_key_id": secret.kms_key_id}


def _encryption_key(backend: Any, name: str) -> Page:
    known = backend.keys[backend.any_id_to_key_id(name)]
    return {"arn": known.arn, "state": known.key_state}


RESOURCES: dict[str, Callable[[Any, str], Page]] = {
    "s3": _bucket,
    "sqs": _queue,
    "sns": _topic,
    "secretsmanager": _secret,
    "kms": _encryption_key,
}
PAGES: dict[str, Callable[..., Page | None]] = {
    "key": key,
    "keys": keys,
    "role": role,
    "resource": resource,
    "network": network,
}


# --- AWS's own policies -------------------------------------------------------------------------------------


class ManagedPolicies:
    """AWS's managed policies, read into moto when IAM is first used: 0.1 s and 14 MB that most labs save."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._loaded: set[str] = set()

    def load(self, account_id: str) -> None:
        with self._loading:
            if account_id not in self._loaded:
                self._loaded.add(account_id)
                _load(account_id)


def _load(account_id: str) -> None:
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy, iam_backends

    iam = iam_backends[account_id][PARTITION]
    data: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    policies: Iterable[Any] = [AWSManagedPolicy.from_data(name, account_id, PARTITION, d) for name, d in data.items()]
    known = {policy.arn: policy for policy in policies}
    iam.aws_managed_policies = list(known.values())
    iam.managed_policies = known | iam.managed_policies
