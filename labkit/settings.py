"""The only reader of `LABKIT_*`: one frozen `Settings`, made once at a process's start and passed down.

Every field is one variable, `LABKIT_` and its name in capitals; the README lists them (a test compares).
"""

from __future__ import annotations

import getpass
import re
import string
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from labkit.errors import BadSetting

KEY_LETTERS = string.ascii_uppercase + "234567"
NETWORK_RULES = ("auto", "hook")
NETWORKS = ("open", "local")
USERS = ("mine", "all")
CLIENTS = ("auto", "awslambdaric", "native", "fallback")
SOLUTIONS = ("attempts", "open", "locked")


@dataclass(frozen=True, slots=True)
class Settings:
    account_id: str = "123456789012"
    region: str = "us-east-1"
    endpoint: str = ""
    """Attach to this running emulator instead of starting one."""
    account_concurrency: int = 32
    """Environments at once, in the whole account. AWS's default is 1,000; a lab's machine is smaller."""
    idle_timeout_s: float = 300.0
    """An environment that nobody used for this long is shut down."""
    runtime_client: str = "auto"
    """Who drives a handler, one of CLIENTS. `auto` takes awslambdaric where it is installed, else the fallback."""
    network_rules: str = "auto"
    """What holds functions in a VPC to their rules, one of NETWORK_RULES. `auto`: a network namespace where it can."""
    network: str = "open"
    """What handlers reach, one of NETWORKS: everything, or this machine only, as in `labkit run`."""
    users: str = "mine"
    """Whose processes may connect to the lab, one of USERS: this user's, or all of this machine."""
    access_key_id: str = ""
    secret_access_key: str = ""
    """Every call of the API must be signed with both (SigV4); with neither set, each lab makes new ones."""
    proxy_prefix: str = ""
    """Where a browser finds jupyter-server-proxy, such as /user/ada/; a hub says it as JUPYTERHUB_SERVICE_PREFIX."""
    scratch: str = ""
    """Where environments and packages live while the emulator runs; the system's temporary folder if empty."""
    progress: str = ""
    """The file that keeps a student's progress; `.labkit/progress.sqlite3` in the home folder if empty."""
    solutions: str = "attempts"
    """When `%solution` opens, one of SOLUTIONS: after two honest attempts, at once, or never."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Reads the variables. Raises BadSetting for one that is unknown or has the wrong type."""
        known = {f"LABKIT_{f.name.upper()}": f for f in fields(cls)}
        unknown = sorted(name for name in environ if name.startswith("LABKIT_") and name not in known)
        if unknown:
            raise BadSetting(unknown[0], "there is no such setting", known=sorted(known))
        values = {f.name: _convert(name, environ[name], f.type) for name, f in known.items() if name in environ}
        if hub := environ.get("JUPYTERHUB_SERVICE_PREFIX", "").strip("/"):
            values.setdefault("proxy_prefix", f"/{hub}/")
        settings = replace(cls(), **values)
        settings._check()
        return settings

    def variables(self) -> dict[str, str]:
        """What tells another process these settings."""
        return {f"LABKIT_{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}

    def with_credentials(self) -> Settings:
        """These settings, with random credentials if none are set."""
        if self.access_key_id:
            return self
        from secrets import token_urlsafe  # it brings hashlib: whoever makes credentials needs it

        return replace(self, access_key_id=new_key_id("AKIA"), secret_access_key=token_urlsafe(30))

    def _check(self) -> None:
        wrong = {
            "account_id": None if re.fullmatch(r"\d{12}", self.account_id) else "an account id has 12 digits",
            "account_concurrency": None if self.account_concurrency >= 1 else "must be at least 1",
            "idle_timeout_s": None if self.idle_timeout_s > 0 else "must be above 0",
            "secret_access_key": None
            if bool(self.access_key_id) == bool(self.secret_access_key)
            else "LABKIT_ACCESS_KEY_ID and LABKIT_SECRET_ACCESS_KEY go together",
            "proxy_prefix": None
            if re.fullmatch(r"(/([\w.~%@!+-]+/)*)?", self.proxy_prefix)
            else "expected a path that begins and ends with /, such as /user/ada/",
            "solutions": None if self.solutions in SOLUTIONS else f"must be one of {', '.join(SOLUTIONS)}",
            "runtime_client": None if self.runtime_client in CLIENTS else f"must be one of {', '.join(CLIENTS)}",
            "users": None if self.users in USERS else f"must be one of {', '.join(USERS)}",
            "network": None if self.network in NETWORKS else f"must be one of {', '.join(NETWORKS)}",
            "network_rules": None
            if self.network_rules in NETWORK_RULES
            else f"must be one of {', '.join(NETWORK_RULES)}",
        }
        for name, problem in wrong.items():
            if problem:
                shown = "(not shown)" if name == "secret_access_key" else repr(getattr(self, name))
                raise BadSetting(f"LABKIT_{name.upper()}", f"{shown}: {problem}", known=())

    def scratch_folder(self) -> Path:
        """A folder of this user's, not yet made."""
        return Path(self.scratch or tempfile.gettempdir()) / f"labkit-{getpass.getuser()}"

    def progress_file(self) -> Path:
        """The file of this student's progress, not yet made."""
        return Path(self.progress).expanduser() if self.progress else Path.home() / ".labkit" / "progress.sqlite3"


def new_key_id(kind: str) -> str:
    """A random access key id of AWS's form; `kind` is AKIA for a user's, ASIA for a session's."""
    from secrets import choice  # as above

    return kind + "".join(choice(KEY_LETTERS) for _ in range(16))


def _convert(name: str, text: str, kind: object) -> Any:
    parsers: dict[str, Callable[[str], object]] = {"int": int, "float": float, "str": str}
    try:
        return parsers[str(kind)](text)
    except ValueError:
        raise BadSetting(name, f"{text!r} is not a number", known=()) from None
