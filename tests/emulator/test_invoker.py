"""Request ids."""

from __future__ import annotations

import uuid

from labkit.emulator.invoker import IDS_AT_ONCE, RequestIds


def test_request_ids_are_uuids_of_version_4_and_never_come_twice():
    new_id = RequestIds()
    ids = [new_id() for _ in range(3 * IDS_AT_ONCE)]
    read = [uuid.UUID(text) for text in ids]
    assert [str(each) for each in read] == ids
    assert {(each.version, each.variant) for each in read} == {(4, uuid.RFC_4122)}
    assert len(set(ids)) == len(ids)
