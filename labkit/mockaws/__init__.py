"""The other services of the account: moto's server, in a process of its own, on a socket that only we can open.

`enable` is for those who use moto without a lab's endpoint: inside of `mock_aws`, in their own process (see
inprocess.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.mockaws.inprocess import Enabled


def enable() -> Enabled:
    """From now on functions created inside of moto's `mock_aws` really run, without Docker.

    Also a context manager, and a decorator:

    >>> with labkit.mockaws.enable(), mock_aws():
    ...     client.invoke(FunctionName="hello")["Payload"].read()
    b'"hello"'
    """
    from labkit.mockaws.inprocess import Enabled  # a cold path: the server's process has no use for it

    return Enabled().start()


def disable() -> None:
    """moto's own again; the processes that ran functions are ended."""
    from labkit.mockaws.inprocess import end  # as above

    end()
