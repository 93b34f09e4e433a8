"""`$input`, `$util`, `$context` and `$stageVariables` in mapping templates."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.apigateway.templates import MISSING, Parameters, at_path, rendered
from labkit.emulator.apigateway.velocity_parser import TemplateError

BODY = json.dumps({"name": 'Ada "A"', "pets": [{"kind": "cat", "age": 3}, {"kind": "dog", "age": 9}], "n": None})
PARAMETERS = Parameters({"id": "7"}, {"q": "x y"}, {"X-Who": "me"})


def text(template, body=BODY):
    return rendered(template, body, PARAMETERS, {"stage": "prod", "identity": {"sourceIp": "::1"}}, {"v": "1"}).text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$input.json('$.name')", '"Ada \\"A\\""'),
        ("$input.json('$.pets[0]')", '{"kind":"cat","age":3}'),
        ("$input.json('$.nope')", '""'),
        ("$input.path('$.pets[1].kind')", "dog"),
        ("$input.path('$.pets').size()", "2"),
        ("$input.path('$.pets[?(@.age > 5)].kind')", '["dog"]'),
        ("$input.path('$..kind')", '["cat","dog"]'),
        ("$input.params('id')$input.params('q')$input.params('x-who')$input.params('none')", "7x yme"),
        ("$input.params().path.id $input.params('querystring')", "7 {q=x y}"),
        ("$util.escapeJavaScript($input.path('$.name'))", 'Ada \\"A\\"'),
        ("$util.urlEncode($input.params('q')) $util.urlDecode('a%20b')", "x+y a b"),
        ("$util.base64Encode('hi') $util.base64Decode('aGk=')", "aGk= hi"),
        ('$util.parseJson(\'{"a":{"b":[1,2]}}\').a.b[1]', "2"),
        ("$context.stage $context.identity.sourceIp $stageVariables.v $stageVariables.w", "prod ::1 1 "),
    ],
)
def test_awss_variables_are_there(template, expected):
    assert text(template) == expected


def test_the_whole_body_is_there_as_it_came():
    assert text("$input.body") == BODY
    assert text("$input.body", body="") == "{}"


def test_a_template_of_awss_documentation():
    template = """#set($allParams = $input.params())
{
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
}"""
    assert json.loads(text(template)) == {"path": {"id": "7"}, "querystring": {"q": "x y"}, "header": {"X-Who": "me"}}


def test_a_template_overrides_status_and_headers():
    made = rendered(
        '#set($context.responseOverride.status = 404)#set($context.responseOverride.header.X = "y")',
        "",
        PARAMETERS,
        {},
        {},
    )
    assert (made.text, made.response_override) == ("", {"status": 404, "header": {"X": "y"}})


@pytest.mark.parametrize(
    ("template", "body"), [("$input.json('$')", "{"), ("$input.path('$.a[?(')", "{}"), ("$util.parseJson('{')", "{}")]
)
def test_what_cannot_be_read_is_an_error(template, body):
    with pytest.raises(TemplateError):
        text(template, body=body)


@pytest.mark.parametrize("path", ["$.b", "$.a[3]", "$.a.b", "$['x y'].z"])
def test_a_path_that_leads_nowhere(path):
    assert at_path({"a": [1]}, path) is MISSING
