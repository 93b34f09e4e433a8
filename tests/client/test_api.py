"""Lab.api: an address for several functions."""

from __future__ import annotations

import pytest
import requests

from labkit.client.api import checked
from labkit.errors import BadRoute, NotebookError


@pytest.mark.parametrize(
    ("routes", "kind"),
    [({}, "REST"), ({"predict": "f"}, "REST"), ({"GET predict": "f"}, "HTTP"), ({"GET /": "f"}, "SOAP")],
)
def test_what_is_no_route_is_refused_with_an_example(routes, kind):
    with pytest.raises(BadRoute, match=r"lab\.api"):
        checked(routes, kind)


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "result"), [("REST", "{'body': event['pathParameters']['id']}"), ("HTTP", "event['pathParameters']['id']")]
)
def test_an_api_answers_and_can_be_made_again(lab, kind, result):
    lab.deploy("find_pet", f"def handler(event, context): return {result}")
    for _ in range(2):
        api = lab.api("pets", {"GET /pets/{id}": "find_pet", "POST /pets/{id}": "find_pet"}, kind=kind)
    assert requests.get(f"{api.url}/pets/7", timeout=15).text == "7"
    assert "GET /pets/{id} -> find_pet" in repr(api)


@pytest.mark.process
def test_an_api_of_an_unknown_function_names_the_nearest(lab):
    lab.deploy("find_pet", "def handler(event, context): return 1")
    with pytest.raises(NotebookError, match="find_pet"):
        lab.api("pets", {"GET /": "find_pets"})
