"""Addresses for programs, and the ones that a browser on a hub needs."""

from __future__ import annotations

import pytest

from labkit.client.address import Address, proxied

URL = "http://127.0.0.1:4566/lambda-url/abc/"


@pytest.mark.parametrize(
    ("url", "prefix", "link"),
    [
        (URL, "", ""),
        (URL, "/user/ada/", "/user/ada/proxy/4566/lambda-url/abc/"),
        ("http://localhost:80/a?b=c", "/", "/proxy/80/a?b=c"),
        ("http://[::1]:80/a", "/x/", "/x/proxy/80/a"),
        ("https://example.org:80/a", "/user/ada/", ""),  # not on this machine
        ("http://127.0.0.1/a", "/user/ada/", ""),
    ],
)
def test_a_browser_on_a_hub_needs_the_path_of_the_proxy(url, prefix, link):
    assert proxied(url, prefix) == link


def test_an_address_is_a_string_for_every_program():
    address = Address.of(URL, "/user/ada/")
    assert address == URL
    assert address + "x" == URL + "x"
    assert address.link == "/user/ada/proxy/4566/lambda-url/abc/"
