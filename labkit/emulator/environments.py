"""How environments are made: the command line, the variables, the folder and the log stream of each."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from labkit.emulator.daemon import Daemon
from labkit.emulator.dispatcher import Maker
from labkit.emulator.environment import Environment
from labkit.emulator.extensions import executables
from labkit.emulator.loglines import Origin, stream_name
from labkit.emulator.logstream import LogStream
from labkit.emulator.packages import PackageStore
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.sandbox import Sandbox
from labkit.emulator.signing import Credentials
from labkit.emulator.template import Template
from labkit.emulator.variables import initialization_type, module_folders, process_variables
from labkit.emulator.vpc import Vpc
from labkit.settings import Settings

BOOTSTRAP = Path(__file__).resolve().parent.parent / "runtime" / "bootstrap.py"
OWN_PATHS = tuple(path for path in sys.path if path and Path(path).exists())


class Workshop(msgspec.Struct, frozen=True):
    """Makes environments and SnapStart's templates, of the same parts, in `folder`."""

    settings: Settings
    credentials: Callable[[FunctionVersion], Credentials]
    """What a version's environments sign with."""
    recorder: Recorder
    daemon: Daemon
    packages: PackageStore
    vpc: Vpc
    folder: Path
    endpoint: str
    """Where handlers reach the account's services."""

    def environments(self, template_of: Callable[[FunctionVersion], Template | None]) -> Maker:
        """What makes environments, forked where their version has a template."""

        def make(
            env_id: str, version: FunctionVersion, notify: Callable[[Environment, str], None], *, provisioned: bool
        ) -> Environment:
            parts = self._parts(version, provisioned=provisioned)
            return Environment(
                env_id,
                version,
                sandbox=lambda environment: self._sandbox(env_id, version, environment),
                stream=parts.stream,
                argv=[*self._start(), *parts.paths],
                variables=parts.variables,
                extensions=parts.extensions,
                record=self.recorder.record,
                lengthen=self.recorder.lengthen,
                notify=notify,
                provisioned=provisioned,
                template=None if provisioned else template_of(version),
            )

        return make

    def template(self, version: FunctionVersion) -> Template:
        parts = self._parts(version, provisioned=False)
        return Template(
            version,
            sandbox=lambda template: self._sandbox(f"template-{secrets.token_hex(8)}", version, template),
            stream=parts.stream,
            argv=[*self._start(control=",{control}"), *parts.paths],
            variables=parts.variables,
            obstacle=self._obstacle(parts),
        )

    def _obstacle(self, parts: Parts) -> str:
        """To a template."""
        if parts.extensions:
            return "it has extensions"
        return "the native transport keeps its first address" if self.settings.runtime_client == "native" else ""

    def _start(self, control: str = "") -> list[str]:
        client = self.settings.runtime_client + control
        return [sys.executable, "-I", "-S", str(BOOTSTRAP), "{lifeline}", "{report}", client, sys.prefix]

    def _sandbox(self, name: str, version: FunctionVersion, owner: Environment | Template) -> Sandbox:
        on_member_exit = {"on_member_exit": owner.on_member_exit} if isinstance(owner, Environment) else {}
        return Sandbox(
            self.folder / name,
            self.packages.folder_of(version.package),
            on_output=owner.on_output,
            on_exit=owner.on_exit,
            **on_member_exit,
        )

    def _parts(self, version: FunctionVersion, *, provisioned: bool) -> Parts:
        opt = self.packages.opt_of([layer.package for layer in version.layers])
        paths = (*(module_folders(opt) if opt else ()), *OWN_PATHS)
        kind = initialization_type(version, provisioned=provisioned)
        variables = process_variables(
            version,
            region=self.settings.region,
            endpoint=self.endpoint,
            credentials=self.credentials(version),
            opt=opt,
            paths=paths,
            daemon=self.daemon.address(),
        )
        extensions = executables(opt) if opt else ()
        offline = {"_LABKIT_OFFLINE": "1"} if self.settings.network == "local" else {}
        network = {**offline, **self.vpc.variables(version, extensions=bool(extensions))}
        return Parts(
            paths,
            {**variables, "AWS_LAMBDA_INITIALIZATION_TYPE": kind, **network},
            log_stream(self.recorder, version, initialization_type=kind),
            extensions,
        )


class Parts(msgspec.Struct, frozen=True):
    """What an environment and its template have in kind."""

    paths: tuple[str, ...]  # where modules are found behind the task root
    variables: Mapping[str, str]
    stream: LogStream
    extensions: Sequence[str]


def log_stream(recorder: Recorder, version: FunctionVersion, *, initialization_type: str) -> LogStream:
    """An environment's own log stream; its name ends with 32 hexadecimal digits."""
    config, today, instance = version.config, datetime.now(UTC), secrets.token_hex(16)
    origin = Origin(
        function_name=config.name,
        version=version.version,
        memory_mb=config.memory_mb,
        instance_id=f"{today:%Y/%m/%d}/{config.name}[{version.version}]{instance}",
        region=version.arn.split(":")[3],
        initialization_type=initialization_type,
        logging=config.logging,
        traced=config.tracing == "Active",
    )
    return recorder.stream(origin, stream_name(config, version.version, today, instance))
