"""The fixtures `lab` and `aws`, in pytest processes of their own, as a project's tests have them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil
import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
INSTALLED = any(point.value == "labkit.pytest_plugin" for point in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "labkit.pytest_plugin")
HANDLER = "def handler(event, context): return 2 * event"
ARGUMENTS = ("-p", "no:cacheprovider", "-p", "no:nbmake", *PLUGIN)


@pytest.fixture
def project(pytester):
    """A project's folder: `project.run(tests, *arguments)`."""
    return Project(pytester)


class Project:
    def __init__(self, pytester) -> None:
        self.pytester, self.path = pytester, pytester.path

    def run(self, tests, *arguments):
        self.pytester.makepyfile(tests)
        return self.pytester.runpytest_subprocess(*ARGUMENTS, *arguments, timeout=300)


def examples():
    """The files that the README shows, by name."""
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = readme.partition("<!-- pytest -->")[2].partition("<!-- /pytest -->")[0]
    return dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", shown, re.DOTALL))


WRONG = """
def test_wrong(lab):
    assert lab.deploy("wrong", "def handler(event, context): print('not so')").invoke().payload == 1
"""


def test_the_readmes_example_passes_and_a_failing_test_shows_what_its_functions_printed(pytester):
    files = examples()
    assert set(files) == {"app.py", "test_app.py"}
    assert sum(len([line for line in text.splitlines() if line.strip()]) for text in files.values()) <= 12
    for name, text in {**files, "test_wrong.py": WRONG}.items():
        (pytester.path / name).write_text(text)
    done = pytester.runpytest_subprocess(*ARGUMENTS, timeout=300)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["*test_wrong*", "*labkit: log of wrong*", "not so", "*FAILED test_wrong.py::test_wrong*"]
    )


LEAVING = """
import boto3

def test_first(lab, aws):
    f = lab.deploy("f", "def handler(event, context): print('first'); return 1")
    f.invoke()
    client = lab.boto3("lambda")
    version = client.publish_version(FunctionName="f")["Version"]
    client.create_alias(FunctionName="f", Name="live", FunctionVersion=version)
    f.function_url()
    aws.client("s3").create_bucket(Bucket="left")
    queue = aws.client("sqs").create_queue(QueueName="left")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{client.get_function(FunctionName='f')['Configuration']['FunctionArn'].split(':')[4]}:left"
    client.create_event_source_mapping(EventSourceArn=arn, FunctionName="f")
    client.publish_layer_version(LayerName="left", Content={"ZipFile": EMPTY})
    print("EMULATOR", lab.status()["pid"])

EMPTY = b"PK\\x05\\x06" + bytes(18)

def test_second(lab, aws):
    client = aws.client("lambda")
    assert lab.names() == []
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    assert client.list_layers()["Layers"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert "QueueUrls" not in aws.client("sqs").list_queues()
    assert lab.status()["environments"] == []
    # the same name is another function, without the first one's alias, address, past
    lab.deploy("f", "def handler(event, context): return 2")
    assert client.list_aliases(FunctionName="f")["Aliases"] == []
    assert client.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"] == []
    assert [name for name, text in lab.logs("f")] == []
    assert lab.traces("f") == []
    print("EMULATOR", lab.status()["pid"])

def test_a_test_may_stop_its_lab(lab):
    lab.stop()

def test_the_next_one_has_one_again(lab):
    assert lab.deploy("f", "def handler(event, context): return event").invoke(7).payload == 7
"""


def test_a_test_finds_nothing_of_the_test_before_it(project):
    done = project.run(LEAVING, "-s")
    done.assert_outcomes(passed=4)
    first, second = re.findall(r"EMULATOR (\d+)", done.stdout.str())
    assert first == second, "one emulator for the session"
    assert not psutil.pid_exists(int(first))


UNDER_TEST = """
import boto3, os, subprocess, sys

boto3.setup_default_session(aws_access_key_id="mine", aws_secret_access_key="mine", region_name="eu-west-1")

def test_plain_clients_and_programs_reach_the_lab(aws, lab):
    boto3.client("s3").create_bucket(Bucket="photos")
    assert [b.name for b in aws.resource("s3").buckets.all()] == ["photos"]
    assert os.environ["AWS_ENDPOINT_URL"] == lab.endpoint
    program = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "photos"
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"} & set(os.environ)

def test_everything_is_as_it_was_afterwards():
    assert os.environ["AWS_PROFILE"] == "work" and os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9"
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert boto3.DEFAULT_SESSION.get_credentials().access_key == "mine"
"""


def test_code_under_test_that_uses_plain_boto3_reaches_the_lab_and_no_other_account(project, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    config = project.path / "config"
    config.write_text("[profile work]\naws_access_key_id = real\naws_secret_access_key = real\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    project.run(UNDER_TEST).assert_outcomes(passed=2)


OWN = """
import sys
import pytest

def test_a_test_that_uses_no_fixture_starts_nothing():
    assert not [m for m in sys.modules if m.startswith(("labkit.client", "labkit.model", "boto3", "moto"))]

@pytest.fixture
def lab():
    return "the project's own"

def test_own(lab, aws, labkit_lab):
    assert lab == "the project's own"
    assert aws.client("s3").list_buckets()["Buckets"] == [] and labkit_lab.names() == []
"""


def test_nothing_starts_unasked_and_a_projects_own_fixture_wins_over_ours(project):
    project.run(OWN).assert_outcomes(passed=2)


def test_a_session_that_asks_for_nothing_loads_nothing():
    def loaded(imports):
        program = f"{imports}\nimport sys\nprint(*sys.modules)"
        return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())

    assert loaded("import pytest, labkit.pytest_plugin") - loaded("import pytest") == {"labkit", "labkit.pytest_plugin"}


def test_a_setting_that_is_wrong_is_said_in_words(project, monkeypatch):
    monkeypatch.setenv("LABKIT_ACOUNT_ID", "123456789012")
    done = project.run("def test_it(lab): pass")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*labkit: LABKIT_ACOUNT_ID: there is no such setting*"])
    assert "Traceback" not in done.stdout.str()
    assert "pytest_plugin.py" not in done.stdout.str().partition("ERRORS")[2]


def test_a_running_lab_that_others_use_is_left_alone(project, monkeypatch, lab):
    lab.deploy("mine", HANDLER)
    monkeypatch.setenv("LABKIT_ENDPOINT", lab.endpoint)
    project.run("def test_it(lab): assert lab.names() == []").assert_outcomes(passed=1)
    assert lab.names() == ["mine"]


PARALLEL = """
import pytest

@pytest.mark.parametrize("n", range(4))
def test_it(lab, n, worker_id):
    assert lab.deploy("f", "def handler(event, context): return event").invoke(n).payload == n
    with open(worker_id, "a") as file:
        print(lab.status()["pid"], file=file)
"""


def test_each_worker_of_xdist_has_an_emulator_of_its_own(project):
    project.run(PARALLEL, "-n", "2", "--dist", "each").assert_outcomes(passed=8)
    pids = [set((project.path / worker).read_text().split()) for worker in ("gw0", "gw1")]
    assert [len(of_worker) for of_worker in pids] == [1, 1]
    assert pids[0] != pids[1]
    assert not [pid for of_worker in pids for pid in of_worker if psutil.pid_exists(int(pid))]


WAITING = """
import psutil, sys

def test_it(lab):
    lab.deploy("f", "def handler(event, context): return event").invoke()
    print("BELOW", *[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
    sys.__stdin__.readline()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_an_interrupted_pytest_leaves_no_process(pytester, how):
    path = pytester.makepyfile(WAITING)
    command = [sys.executable, "-m", "pytest", "-s", *ARGUMENTS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stdout if "BELOW" in line)
        below = [psutil.Process(int(pid)) for pid in re.findall(r"\d+", line.partition("BELOW")[2])]
        assert len(below) >= 2, "an emulator and an environment should run"
        process.send_signal(how)
        process.stdout.read()
    assert psutil.wait_procs(below, timeout=15)[1] == []
