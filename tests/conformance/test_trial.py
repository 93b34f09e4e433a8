from __future__ import annotations

import re
import zipfile
from io import BytesIO

import pytest

from labkit.conformance.trial import Answer, NotSeen, Stage, Trial, zipped

pytestmark = pytest.mark.process


@pytest.fixture
def stage(lab):
    stage = Stage(lab)
    yield stage
    stage.close()


def test_what_a_trial_made_is_deleted_with_it(stage, lab):
    trial = stage.trial()
    trial.create()
    trial.create(name="another")
    assert sorted(lab.names()) == sorted([trial.name, "another"])
    trial.aws.delete_function(FunctionName="another")
    trial.close()
    assert lab.names() == []


def test_trials_have_names_of_their_own(stage):
    assert stage.trial().name != stage.trial().name


def test_an_answer_is_what_was_on_the_wire(stage):
    trial = stage.trial()
    trial.create("def handler(event, context): return [event, context.aws_request_id]")
    answer = trial.invoke("x")
    assert (answer.status, answer.function_error, answer.masked) == (200, None, ["x", "ID"])
    assert answer.tail.startswith(f"START RequestId: {answer.request_id}")
    assert answer.report("Memory Size") == 128
    with pytest.raises(NotSeen, match="Restore Duration"):
        answer.report("Restore Duration")


def test_a_refusal_has_status_code_and_message(stage):
    refused = stage.trial().refusal("get_function")
    assert (refused["status"], refused["code"]) == (404, "ResourceNotFoundException")
    assert refused["message"].startswith("Function not found")


def test_a_call_that_is_not_refused_says_so(stage):
    trial = stage.trial()
    trial.create()
    assert trial.refusal("get_function") == {"status": 200}


def test_a_plain_request_is_signed(stage):
    answer = stage.trial().request("GET", "/2015-03-31/functions/")
    assert (answer.status, answer.payload["Functions"]) == (200, [])


def test_a_scene_is_played_once(stage):
    played = []

    def scene(trial: Trial) -> str:
        played.append(trial.name)
        return trial.name

    assert stage.trial().scene(scene) == stage.trial().scene(scene) == played[0]
    assert len(played) == 1


def test_a_scene_that_failed_fails_everyone_who_looks(stage):
    def scene(trial: Trial) -> Answer:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        stage.trial().scene(scene)
    with pytest.raises(NotSeen, match="scene failed before"):
        stage.trial().scene(scene)


def test_what_a_scene_made_is_deleted_with_the_stage(lab):
    stage = Stage(lab)
    stage.played(lambda trial: trial.create())
    assert lab.names() != []
    stage.close()
    assert lab.names() == []


def test_waiting_ends_when_it_becomes_true(stage):
    values = iter([False, False, True])
    stage.trial().wait(lambda: next(values))
    assert next(values, "none left") == "none left"


def test_a_log_line_is_found_by_its_beginning(stage):
    trial = stage.trial()
    trial.create()
    trial.invoke()
    assert re.match(r"END RequestId: \S+$", trial.log_line("END"))


def test_what_is_not_python_can_be_executed():
    with zipfile.ZipFile(BytesIO(zipped({"app.py": "", "extensions/x": ""}))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {"app.py": 0o644, "extensions/x": 0o755}
