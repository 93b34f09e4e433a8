"""HTTP addresses on this machine, for programs here and for a browser elsewhere."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

HERE = ("127.0.0.1", "localhost", "::1")


class Address(str):
    """An address as programs on this machine use it; `link` is where a browser finds it, if that is somewhere else."""

    link: str

    @classmethod
    def of(cls, url: str, proxy_prefix: str) -> Self:
        """`proxy_prefix`: the path of the server behind which jupyter-server-proxy is, empty where there is none."""
        address = cls(url)
        address.link = proxied(url, proxy_prefix)
        return address


def proxied(url: str, prefix: str) -> str:
    """The path by which jupyter-server-proxy brings a browser to an address of this machine; empty without a prefix.

    >>> proxied("http://127.0.0.1:4566/lambda-url/abc/", "/user/ada/")
    '/user/ada/proxy/4566/lambda-url/abc/'
    """
    parts = urlsplit(url)
    if not prefix or parts.hostname not in HERE or parts.port is None:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{prefix}proxy/{parts.port}{parts.path}{query}"
