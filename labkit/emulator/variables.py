"""The variables of an execution environment's process: Lambda's own, the function's, nothing of the host's.

Names and values as recorded inside real environments; what must be true here is: the paths are this machine's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.emulator.loglines import log_variables
from labkit.emulator.registry import FunctionVersion
from labkit.emulator.signing import Credentials
from labkit.model import LATEST

RESERVED = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    ]
)
"""What a function's configuration may not set (developer guide, "Defined runtime environment variables")."""


def xray_variables(daemon: tuple[str, int]) -> dict[str, str]:
    """Where X-Ray's libraries send their segments: real ones say 169.254.79.129:2000; here daemon.py listens."""
    host, port = daemon
    return {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}",
        "_AWS_XRAY_DAEMON_ADDRESS": host,
        "_AWS_XRAY_DAEMON_PORT": str(port),
    }


def module_folders(opt: Path) -> tuple[str, ...]:
    """Where Python looks for the modules of layers, in Lambda's order; `opt` stands for `/opt`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = (opt / "python" / "lib" / version / "site-packages", opt / "python")
    return tuple(str(folder) for folder in folders if folder.is_dir())


def initialization_type(version: FunctionVersion, *, provisioned: bool) -> str:
    """How its environments begin: `provisioned-concurrency`, `snap-start` or `on-demand`."""
    if provisioned:
        return "provisioned-concurrency"
    return "snap-start" if version.config.snap_start and version.version != LATEST else "on-demand"


def process_variables(
    version: FunctionVersion,
    *,
    region: str,
    endpoint: str,
    credentials: Credentials,
    opt: Path | None,
    paths: Sequence[str],
    daemon: tuple[str, int],
) -> Mapping[str, str]:
    """What every environment of this version has in common; `paths` is where Python looks behind the task root."""
    config = version.config
    layers = opt or "/opt"
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        **log_variables(config),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),  # an SDK's address of every service
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": config.handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "SHLVL": "0",
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin/:/bin:{layers}/bin",
        "LD_LIBRARY_PATH": (
            f"/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:{layers}/lib"
        ),
        **xray_variables(daemon),
        "PYTHONPATH": ":".join(paths),
        "OPENBLAS_NUM_THREADS": "1",
        **config.variables,
    }
