"""Names of files: AWS's in everything that shows code, the real ones where a program opens files."""

from __future__ import annotations

import _heapq
import json.decoder
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process
NAMES = """
import pkg.deep.leaf as leaf
def outer():
    def inner(): pass
    return inner
def handler(event, context):
    code = [handler.__code__, outer().__code__, (lambda: 0).__code__, leaf.Leaf.method.__code__]
    return [[c.co_filename for c in code], __file__, leaf.__file__, __spec__.origin]
"""
LEAF = "class Leaf:\n    def method(self):\n        return [x for x in 1]\n"
PACKAGE = {"app.py": NAMES, "pkg/__init__.py": "", "pkg/deep/leaf.py": LEAF}


@pytest.mark.parametrize("cached", [False, True])
def test_code_is_named_as_on_aws_and_files_as_they_are(start, cached):
    environment = start("awslambdaric", PACKAGE)
    answer = environment.invoke()
    if cached:
        task = environment.folder / "task"
        assert list(task.glob("__pycache__/app*.pyc"))
        answer = start("awslambdaric", {}, LAMBDA_TASK_ROOT=str(task)).invoke()
    task = str(environment.folder / "task")
    names, *files = answer.json()
    assert names == [*["/var/task/app.py"] * 3, "/var/task/pkg/deep/leaf.py"]
    assert files == [f"{task}/app.py", f"{task}/pkg/deep/leaf.py", f"{task}/app.py"]


def test_byte_code_keeps_no_trace_of_who_compiled_it_first(start):
    """Plain Python reads the cache that an environment wrote, and names the real file."""
    environment = start("awslambdaric", PACKAGE)
    environment.invoke()
    script = "import app; print(app.handler.__code__.co_filename, app.__cached__)"
    task = environment.folder / "task"
    done = subprocess.run([sys.executable, "-c", script], cwd=task, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == str(task / "app.py")


def test_an_error_in_a_nested_package_shows_its_line(start, client):
    source = "from pkg.deep.leaf import Leaf\ndef handler(event, context): return Leaf().method()\n"
    post = start(client, {**PACKAGE, "app.py": source}).invoke().json()
    assert post["stackTrace"] == [
        '  File "/var/task/app.py", line 2, in handler\n    def handler(event, context): return Leaf().method()\n',
        '  File "/var/task/pkg/deep/leaf.py", line 3, in method\n    return [x for x in 1]\n',
    ]


def test_source_can_be_read_back(start, client):
    source = "import inspect\ndef handler(event, context):\n    return inspect.getsource(handler)\n"
    assert start(client, source).invoke().json() == source.partition("\n")[2]


def test_a_handler_in_a_folder_without_init_is_found(start, client):
    environment = start(
        client, {"src/app.py": "def handler(event, context): return __name__\n"}, handler="src/app.handler"
    )
    assert environment.invoke().json() == "src.app"


def test_extension_modules_in_the_task_root_are_importable(start):
    built = getattr(_heapq, "__file__", None)
    if built is None:
        pytest.skip("this interpreter has _heapq built in")
    environment = start("awslambdaric", "def handler(e, c):\n    import _heapq\n    return _heapq.__file__\n")
    copy = shutil.copy(built, environment.folder / "task")
    assert environment.invoke().json() == str(copy)


def test_installed_modules_keep_their_own_names(start, client):
    source = "import json.decoder\ndef handler(e, c): return json.decoder.JSONDecoder.decode.__code__.co_filename\n"
    assert start(client, source).invoke().json() == json.decoder.JSONDecoder.decode.__code__.co_filename


def test_warnings_are_attributed_to_the_importing_line(start, client):
    files = {
        "app.py": "import warnings\nwarnings.simplefilter('always')\nimport old\ndef handler(event, context): pass\n",
        "old.py": "import warnings\nwarnings.warn('old is old', stacklevel=2)\n",
    }
    environment = start(client, files)
    environment.invoke()
    assert environment.output().startswith("/var/task/app.py:3: UserWarning: old is old")


def test_a_traceback_that_a_module_prints_itself_names_no_file_of_the_runtime(start, client):
    files = {
        "app.py": "import traceback\ntry:\n    import bad\nexcept ValueError:\n    traceback.print_exc()\n"
        "def handler(event, context): pass\n",
        "bad.py": "raise ValueError('v')\n",
    }
    environment = start(client, files)
    environment.invoke()
    assert "labkit" not in environment.output()
    assert '"/var/task/bad.py", line 1, in <module>' in environment.output()
