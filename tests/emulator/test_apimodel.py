"""Our reading of the API's description, held against botocore's own."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from labkit.emulator.apimodel import METADATA, SERIALIZATION, Operation, description

OURS = description()
THEIRS = ServiceModel(Loader().load_service_model("lambda", "service-2"))
LOCATIONS = {"name" if trait == "locationName" else trait for trait in SERIALIZATION}


def compare(ours, theirs, above=()):
    """Everything of two shapes, and of all below them."""
    assert (ours.name, ours.type_name) == (theirs.name, theirs.type_name)
    assert ours.serialization == {k: v for k, v in theirs.serialization.items() if k in LOCATIONS}
    assert ours.metadata == {k: v for k, v in theirs.metadata.items() if k in METADATA}
    assert ours.required_members == theirs.required_members
    assert ours.enum == list(getattr(theirs, "enum", ()))
    if ours.name in above:  # a type that holds itself
        return
    inner = (*above, ours.name)
    if ours.type_name == "structure":
        assert list(ours.members) == list(theirs.members)
        for name, member in ours.members.items():
            compare(member, theirs.members[name], inner)
    elif ours.type_name == "list":
        compare(ours.member, theirs.member, inner)
    elif ours.type_name == "map":
        compare(ours.key, theirs.key, inner)
        compare(ours.value, theirs.value, inner)


@pytest.mark.parametrize("name", THEIRS.operation_names)
def test_an_operation_reads_as_botocore_reads_it(name):
    ours, theirs = Operation(name, OURS["operations"][name], OURS["shapes"]), THEIRS.operation_model(name)
    for mine, other in ((ours.input_shape, theirs.input_shape), (ours.output_shape, theirs.output_shape)):
        assert (mine is None) == (other is None)
        if mine is not None:
            compare(mine, other)
    assert ours.response_code == theirs.http["responseCode"]
    assert list(ours.errors) == [shape.name for shape in theirs.error_shapes]


def test_a_stream_of_events_is_found():
    name = "InvokeWithResponseStream"
    ours = Operation(name, OURS["operations"][name], OURS["shapes"]).event_stream
    compare(ours, THEIRS.operation_model(name).get_event_stream_output())
