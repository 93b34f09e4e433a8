"""Bodies against the schemas of models."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.apigateway.validation import body_problem

ADDRESS = "https://apigateway.amazonaws.com/restapis/abc/models/"
MODELS = {
    "Name": json.dumps({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}),
    "Tree": json.dumps(
        {"type": "object", "properties": {"next": {"$ref": ADDRESS + "Tree"}, "who": {"$ref": ADDRESS + "Name"}}}
    ),
}


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (b'{"name": "Ada"}', True),
        (b'{"name": "Ada", "more": 1}', True),
        (b'{"name": 5}', False),
        (b"{}", False),
        (b"", False),
        (b"{", False),
        (b"\xff", False),
    ],
)
def test_a_body_fits_its_model_or_not(body, good):
    assert (body_problem(body, MODELS["Name"], MODELS) == "") is good


def test_models_refer_to_each_other_and_to_themselves():
    assert body_problem(b'{"next": {"next": {"who": {"name": "x"}}}}', MODELS["Tree"], MODELS) == ""
    assert "name" in body_problem(b'{"next": {"next": {"who": {}}}}', MODELS["Tree"], MODELS)


@pytest.mark.parametrize(
    "schema", ["[]", '{"type": 5}', '{"$ref": "http://example.com/x.json"}', '{"$ref": "#/definitions/none"}', "no"]
)
def test_a_schema_that_is_none_is_an_error(schema):
    with pytest.raises(ValueError, match=r"."):
        body_problem(b"{}", schema, {})
