"""How environments are made: the command line, the variables, the folder and the log stream of each."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from labkit.emulator.environment import Environment
from labkit.emulator.loglines import Origin, stream_name
from labkit.emulator.packages import PackageStore
from labkit.emulator.recorder import LogStream, Recorder
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.sandbox import Sandbox
from labkit.emulator.signing import Credentials
from labkit.emulator.variables import module_folders, process_variables
from labkit.settings import Settings

BOOTSTRAP = Path(__file__).resolve().parent.parent / "runtime" / "bootstrap.py"


def maker(
    settings: Settings, role: Credentials, recorder: Recorder, packages: PackageStore, folder: Path
) -> Callable[[str, FunctionVersion, Callable[[Environment, str], None]], Environment]:
    start = [sys.executable, "-I", "-S", str(BOOTSTRAP), "{lifeline}", "{report}", settings.runtime_client, sys.prefix]
    own_paths = tuple(path for path in sys.path if path and Path(path).exists())

    def make(env_id: str, version: FunctionVersion, notify: Callable[[Environment, str], None]) -> Environment:
        opt = packages.opt_of([layer.package for layer in version.layers])
        paths = (*(module_folders(opt) if opt else ()), *own_paths)
        variables = process_variables(version, region=settings.region, credentials=role, opt=opt, paths=paths)
        stream = log_stream(recorder, version, initialization_type=variables["AWS_LAMBDA_INITIALIZATION_TYPE"])

        def sandbox(environment: Environment) -> Sandbox:
            code = packages.folder_of(version.package)
            return Sandbox(folder / env_id, code, on_output=environment.on_output, on_exit=environment.on_exit)

        return Environment(
            env_id,
            version,
            sandbox=sandbox,
            stream=stream,
            argv=[*start, *paths],
            variables=variables,
            record=recorder.record,
            notify=notify,
        )

    return make


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
    )
    return recorder.stream(origin, stream_name(config, version.version, today, instance))
