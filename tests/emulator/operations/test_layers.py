"""Layers, through an unmodified boto3 client."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile

import pytest

pytestmark = pytest.mark.process

ARN = "arn:aws:lambda:us-east-1:123456789012:layer:tools"


def layer_zip(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(f"python/{path}.py", text)
    return buffer.getvalue()


def publish(aws, name="tools", **files):
    return aws.publish_layer_version(LayerName=name, Content={"ZipFile": layer_zip(**files)}, Description="shared")


def test_a_layer_is_on_the_path_of_the_handler(aws, create, zipped):
    arn = publish(aws, shared="answer = 42")["LayerVersionArn"]
    create(Layers=[arn])
    aws.update_function_code(FunctionName="f", ZipFile=zipped("import shared\ndef handler(e, c): return shared.answer"))
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == 42
    assert aws.get_function_configuration(FunctionName="f")["Layers"][0]["Arn"] == arn


def test_a_handlers_own_file_comes_before_a_layers_and_a_layers_before_the_environments(aws, create, zipped):
    arn = publish(aws, requests="whose = 'layer'", app="raise SystemExit('not this one')")["LayerVersionArn"]
    create(Layers=[arn])
    aws.update_function_code(
        FunctionName="f", ZipFile=zipped("import requests\ndef handler(e, c): return requests.whose")
    )
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "layer"


def test_a_later_layer_replaces_an_earlier_ones_file(aws, create, zipped):
    one = publish(aws, "one", shared="x = 'one'")["LayerVersionArn"]
    two = publish(aws, "two", shared="x = 'two'")["LayerVersionArn"]
    create(Layers=[one, two])
    aws.update_function_code(FunctionName="f", ZipFile=zipped("import shared\ndef handler(e, c): return shared.x"))
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "two"
    aws.update_function_configuration(FunctionName="f", Layers=[two, one])
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "one"


def test_layers_can_be_taken_away(aws, create):
    create(Layers=[publish(aws, shared="x = 1")["LayerVersionArn"]])
    assert not aws.update_function_configuration(FunctionName="f", Layers=[]).get("Layers")


def test_every_publishing_makes_a_new_version(aws):
    first, second = publish(aws, "numbered", a="x = 1")["Version"], publish(aws, "numbered", a="x = 1")["Version"]
    assert second == first + 1
    versions = [v["Version"] for v in aws.list_layer_versions(LayerName="numbered")["LayerVersions"]]
    assert versions == sorted(versions, reverse=True)


def test_a_layer_is_listed_with_its_newest_version(aws):
    newest = publish(aws, "listed", a="x = 1")["LayerVersionArn"]
    listed = {layer["LayerName"]: layer for layer in aws.list_layers()["Layers"]}
    assert listed["listed"]["LatestMatchingVersion"]["LayerVersionArn"] == newest


def test_a_layers_content_can_be_downloaded(aws):
    arn = publish(aws, shared="x = 'content'")["LayerVersionArn"]
    location = aws.get_layer_version_by_arn(Arn=arn)["Content"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == layer_zip(shared="x = 'content'")


def test_a_deleted_layer_stays_with_the_functions_that_use_it(aws, create, zipped, refused):
    made = publish(aws, "passing", shared="x = 'kept'")
    create(Layers=[made["LayerVersionArn"]])
    aws.delete_layer_version(LayerName="passing", VersionNumber=made["Version"])
    aws.update_function_code(FunctionName="f", ZipFile=zipped("import shared\ndef handler(e, c): return shared.x"))
    assert json.load(aws.invoke(FunctionName="f")["Payload"]) == "kept"
    code, _, message = refused(aws.get_layer_version, LayerName="passing", VersionNumber=made["Version"])
    assert (code, message) == ("ResourceNotFoundException", "The resource you requested does not exist.")


def test_a_layer_that_is_not_there_is_refused(aws, create, refused):
    code, _, message = refused(create, Layers=[f"{ARN}:99"])
    assert (code, message) == ("InvalidParameterValueException", f"Layer version {ARN}:99 does not exist.")


def test_six_layers_are_refused(aws, create, refused):
    arns = [publish(aws, f"many{n}", a="x = 1")["LayerVersionArn"] for n in range(6)]
    assert refused(create, Layers=arns)[2] == "Cannot reference more than 5 layers."


def test_two_versions_of_one_layer_are_refused(aws, create, refused):
    arns = [publish(aws, "same", a=f"x = {n}")["LayerVersionArn"] for n in range(2)]
    assert refused(create, Layers=arns)[2].startswith("Two different versions of the same layer are not allowed")


def test_the_magics_option_names_layers(lab, aws):
    arn = publish(aws, shared="answer = 'from a layer'")["LayerVersionArn"]
    f = lab.deploy("g", "import shared\ndef handler(event, context): return shared.answer", layers=[arn])
    assert (f.invoke().payload, f.missing) == ("from a layer", ())
    source = "import shared\ndef handler(event, context): return shared.answer"
    assert lab.deploy("g", source, layers=[arn]).change == "unchanged"


@pytest.fixture
def three_versions(aws):
    """A layer whose versions are for different runtimes and architectures; gone after the test."""
    for runtime, architecture in (("python3.12", "x86_64"), ("python3.13", "arm64"), ("python3.14", "arm64")):
        aws.publish_layer_version(
            LayerName="fitting", Content={"ZipFile": layer_zip(a=runtime)},
            CompatibleRuntimes=[runtime], CompatibleArchitectures=[architecture],
        )  # fmt: skip
    yield
    for version in aws.list_layer_versions(LayerName="fitting")["LayerVersions"]:
        aws.delete_layer_version(LayerName="fitting", VersionNumber=version["Version"])


@pytest.mark.parametrize(
    ("wanted", "runtime"),
    [
        ({}, ["python3.14"]),
        ({"CompatibleRuntime": "python3.12"}, ["python3.12"]),
        ({"CompatibleArchitecture": "arm64"}, ["python3.14"]),
        ({"CompatibleRuntime": "python3.13", "CompatibleArchitecture": "arm64"}, ["python3.13"]),
        ({"CompatibleRuntime": "python3.13", "CompatibleArchitecture": "x86_64"}, []),
    ],
    ids=str,
)
def test_a_layer_is_listed_with_its_newest_version_that_fits(aws, three_versions, wanted, runtime):
    listed = [layer for layer in aws.list_layers(**wanted)["Layers"] if layer["LayerName"] == "fitting"]
    assert [layer["LatestMatchingVersion"]["CompatibleRuntimes"] for layer in listed] == [[r] for r in runtime]


def test_the_versions_of_a_layer_are_filtered_and_come_in_pages(aws, three_versions):
    asked = {"LayerName": "fitting", "CompatibleArchitecture": "arm64", "PaginationConfig": {"PageSize": 1}}
    pages = list(aws.get_paginator("list_layer_versions").paginate(**asked))
    runtimes = [[v["CompatibleRuntimes"][0] for v in p["LayerVersions"]] for p in pages]
    assert runtimes == [["python3.14"], ["python3.13"]]
