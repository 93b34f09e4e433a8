"""Which resource or route answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.apigateway.configuration import Method, Resource, Route
from labkit.emulator.apigateway.routing import arn_path, rest_match, route_match


def resources(**verbs):
    """Resources by path, each with these methods."""
    return [Resource(path, path, {verb: Method(verb) for verb in given.split()}) for path, given in verbs.items()]


API = resources(
    **{"/": "GET", "/pets": "GET POST", "/pets/{id}": "ANY", "/pets/mine": "GET", "/{proxy+}": "ANY", "/a": ""}
)


@pytest.mark.parametrize(
    ("verb", "path", "resource", "parameters"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/pets", "/pets", {}),
        ("GET", "/pets/", "/pets", {}),
        ("GET", "/pets/7", "/pets/{id}", {"id": "7"}),
        ("GET", "/pets/a%2Fb", "/pets/{id}", {"id": "a%2Fb"}),
        ("GET", "/pets/mine", "/pets/mine", {}),
        ("DELETE", "/pets/mine", "/pets/{id}", {"id": "mine"}),
        ("GET", "/pets/7/toys", "/{proxy+}", {"proxy": "pets/7/toys"}),
        ("GET", "/pets/../x", "/{proxy+}", {"proxy": "pets/../x"}),
        ("PUT", "/pets", "/{proxy+}", {"proxy": "pets"}),
        ("GET", "/a", "/{proxy+}", {"proxy": "a"}),
    ],
)
def test_the_most_specific_resource_answers(verb, path, resource, parameters):
    match = rest_match(API, verb, path)
    assert (match.resource.path, dict(match.parameters)) == (resource, parameters)


@pytest.mark.parametrize(("verb", "path"), [("POST", "/"), ("GET", "/x/y")])
def test_what_no_resource_has_is_not_answered(verb, path):
    assert rest_match(resources(**{"/": "GET", "/x": "ANY"}), verb, path) is None


@given(
    st.lists(st.sampled_from(["/", "/a", "/{p}", "/a/{p+}", "/{p+}", "/a/b", "/{p}/b"]), min_size=1, unique=True),
    st.sampled_from(["/", "/a", "/a/b", "/c/b", "/c/d/e"]),
)
def test_a_literal_resource_always_wins(paths, path):
    match = rest_match(resources(**dict.fromkeys(paths, "GET")), "GET", path)
    if path in paths:
        assert match.resource.path == path


def routes(*keys):
    return [Route(key, "i") for key in keys]


@pytest.mark.parametrize(
    ("verb", "path", "key"),
    [
        ("GET", "/pets/1", "GET /pets/{id}"),
        ("POST", "/pets/1", "ANY /pets/{id}"),
        ("GET", "/pets/dog", "GET /pets/dog"),
        ("GET", "/pets/dog/1", "ANY /pets/{proxy+}"),
        ("GET", "/x", "$default"),
        ("GET", "/pets/", "$default"),
    ],
)
def test_a_route_is_chosen_by_awss_priority(verb, path, key):
    api = routes("$default", "ANY /pets/{proxy+}", "ANY /pets/{id}", "GET /pets/{id}", "GET /pets/dog")
    assert route_match(api, verb, path).route.key == key


def test_parameters_of_a_route_are_decoded():
    assert route_match(routes("GET /a/{id}"), "GET", "/a/x%20y").parameters == {"id": "x y"}


def test_without_a_default_route_nothing_answers():
    assert route_match(routes("GET /a"), "GET", "/b") is None


def test_variables_are_stars_in_an_arn():
    assert arn_path("/pets/{id}/{proxy+}") == "pets/*/*"
