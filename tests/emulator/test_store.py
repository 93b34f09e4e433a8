"""Records in a file: what is kept, what is set aside."""

from __future__ import annotations

import os
import sqlite3
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.registry import (
    Alias,
    CodeSigningConfig,
    Cors,
    EventSourceMapping,
    Function,
    FunctionEventInvokeConfig,
    FunctionUrl,
    FunctionVersion,
    Layer,
    LayerPolicy,
    LayerVersion,
    PolicyStatement,
    StreamSettings,
)
from labkit.emulator.store import FILE, Contents, Store, StoredEvent
from labkit.errors import StateInUse, StateUnusable
from labkit.model import DeploymentPackage, FunctionConfig, LoggingConfig, VpcConfig

PACKAGE = DeploymentPackage("sha", 10, ("app.py",), ("numpy==2.0",))
LAYER = LayerVersion("shared", 3, "arn:layer", PACKAGE, "now", runtimes=("python3.13",))
EVENT = StoredEvent("r1", "arn:f", b"\x00\xff{}", accepted_at=1.5, due_at=61.5, runs=1)


def opened(folder, **owner):
    return Store(folder, **{"account_id": "123456789012", "region": "us-east-1"} | owner)


@pytest.fixture
def store(tmp_path):
    store = opened(tmp_path)
    yield store
    store.close()


def reopened(store):
    """What another emulator finds."""
    store.close()
    return found_again(store)


def found_again(store):
    store.__init__(store.folder, account_id="123456789012", region="us-east-1")
    return store.contents()


def version(name="f", number="$LATEST"):
    config = FunctionConfig(
        name, "app.handler", variables={"K": "ü"}, layers=("a",), vpc=VpcConfig(("s",)), logging=LoggingConfig("JSON")
    )
    return FunctionVersion(f"{name}:{number}", "arn", config, PACKAGE, number, "now", "revision", (LAYER,))


def whole_function():
    """A function with something in every field."""
    return Function(
        version(),
        tags={"course": "ml"},
        published={"1": version(number="1")},
        aliases={"live": Alias("live", "1", "d", {"2": 0.25}, revision_id="r")},
        last_number=4,
        policies={"$LATEST": (PolicyStatement("sid", "lambda:InvokeFunction", "*", "arn", via_url=True),)},
        urls={"live": FunctionUrl("id", "NONE", 1.5, 2.5, cors=Cors(allow_origins=("*",), max_age_s=60))},
        event_invoke={"live": FunctionEventInvokeConfig(1, None, "ok", None, 12.5)},
        runtime_updates={"1": "Auto"},
        recursive_loop="Allow",
        code_signing_arn="arn:csc",
    )


def test_an_empty_folder_holds_nothing(store):
    assert store.contents() == Contents()


def test_a_function_comes_back_with_all_it_has(store):
    store.keep("functions", "f", whole_function())
    assert reopened(store).functions == {"f": whole_function()}


def test_a_layers_policy_and_a_code_signing_configuration_come_back(store):
    policy = LayerPolicy((PolicyStatement("s", "lambda:GetLayerVersion", "*", "arn"),), "revision")
    layer = Layer({3: LAYER}, last_number=3, policies={3: policy})
    config = CodeSigningConfig("csc-1", "arn:csc", ("profile",), "now", policy="Enforce", tags={"course": "ml"})
    store.keep("layers", "shared", layer)
    store.keep("code_signing", "csc-1", config)
    found = reopened(store)
    assert (found.layers, found.code_signing) == ({"shared": layer}, {"csc-1": config})


def test_a_layer_and_a_mapping_come_back(store):
    mapping = EventSourceMapping("m", "arn:aws:sqs:r:1:q", "arn:f", 10, 0, 1.0, stream=StreamSettings("LATEST"))
    layer = Layer({3: LAYER}, last_number=3)
    store.keep("layers", "shared", layer)
    store.keep("mappings", "m", mapping)
    found = reopened(store)
    assert (found.layers, found.mappings) == ({"shared": layer}, {"m": mapping})


def test_a_record_is_what_was_kept_last_and_none_is_deleted(store):
    store.keep("functions", "f", Function(version(), last_number=1))
    store.keep("functions", "f", Function(version(), last_number=2))
    store.keep("functions", "g", Function(version("g")))
    store.keep("functions", "g", None)
    assert {name: f.last_number for name, f in reopened(store).functions.items()} == {"f": 2}


def test_records_come_back_in_the_order_of_their_creation(store):
    for name in "cab":
        store.keep("functions", name, Function(version(name)))
    store.keep("functions", "c", Function(version("c"), last_number=9))
    assert list(reopened(store).functions) == ["c", "a", "b"]


def test_an_event_comes_back_until_it_is_dropped(store):
    store.keep_event(EVENT)
    assert reopened(store).events == [EVENT]
    store.drop_event("r1")
    assert reopened(store).events == []


def test_the_clocks_advance_comes_back(store):
    store.keep_clock(123.25)
    assert reopened(store).ahead_s == 123.25


def test_a_folder_is_held_by_one_at_a_time(store):
    with pytest.raises(StateInUse, match=f"process {os.getpid()}"):
        opened(store.folder)


def test_a_folder_belongs_to_one_account_and_region(store):
    store.close()
    with pytest.raises(StateUnusable, match="its account_id is 123456789012, this lab's is 000000000000"):
        opened(store.folder, account_id="0" * 12)
    with pytest.raises(StateUnusable, match="its region is us-east-1"):
        opened(store.folder, region="eu-west-1")
    found_again(store)


def test_a_folder_that_cannot_be_made_is_a_clear_error():
    with pytest.raises(StateUnusable, match="cannot be used"):
        opened(Path("/proc/nowhere"))


@pytest.mark.parametrize("damage", [b"", b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_with_a_message(store, capsys, damage):
    store.keep("functions", "f", Function(version()))
    store.close()
    (store.folder / FILE).write_bytes(damage)
    for ending in ("-wal", "-shm"):
        (store.folder / (FILE + ending)).unlink(missing_ok=True)
    assert found_again(store) == Contents()
    if damage:
        [aside] = store.folder.glob("*.damaged-*")
        assert aside.read_bytes() == damage
        assert "was set aside as" in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"", b"{", b'{"latest": 1}', b"\xff\xfe", b'{"latest": null, "tags": {}}'])
def test_a_damaged_record_is_set_aside_and_the_others_stay(store, capsys, body):
    for name in ("f", "g"):
        store.keep("functions", name, Function(version(name)))
    store.close()
    with sqlite3.connect(store.folder / FILE) as database:
        database.execute("UPDATE records SET body = ? WHERE name = 'f'", (body,))
    database.close()
    assert list(found_again(store).functions) == ["g"]
    assert "f (functions) cannot be used again" in capsys.readouterr().err
    with sqlite3.connect(store.folder / FILE) as database:
        assert database.execute("SELECT kind, name, body FROM aside").fetchall() == [("functions", "f", body)]
    database.close()


def test_a_damaged_event_is_set_aside(store, capsys):
    store.keep_event(EVENT)
    store.close()
    with sqlite3.connect(store.folder / FILE) as database:
        database.execute("UPDATE events SET body = '[]'")
    database.close()
    assert found_again(store).events == []
    assert "r1 (events)" in capsys.readouterr().err


NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=64)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(name=NAMES, variables=st.dictionaries(NAMES, TEXTS), tags=st.dictionaries(TEXTS, TEXTS), payload=st.binary())
def test_any_text_and_any_bytes_survive(tmp_path_factory, name, variables, tags, payload):
    store = opened(tmp_path_factory.mktemp("state"))
    config = FunctionConfig(name, "app.handler", variables=variables)
    function = Function(FunctionVersion("k", "arn", config, PACKAGE, "$LATEST", "now", "r"), tags=tags)
    event = StoredEvent(name, "arn", payload, accepted_at=0.0, due_at=0.0)
    store.keep("functions", name, function)
    store.keep_event(event)
    found = reopened(store)
    store.close()
    assert (found.functions, found.events) == ({name: function}, [event])
