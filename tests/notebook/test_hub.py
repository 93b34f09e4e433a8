"""On a hub: a real Jupyter server with jupyter-server-proxy at a user's path, as JupyterHub starts one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
import requests
from jupyter_client import BlockingKernelClient

from labkit.lesson.run import search_path

pytestmark = pytest.mark.process

PREFIX = "/user/ada/"
TOKEN = {"Authorization": "token labkit-hub-tests"}
PATIENCE_S = 120
HUB = "hub.example.org"

CELLS = (
    "%load_ext labkit",
    '%%function where\ndef handler(event, context):\n    return {"statusCode": 200, "body": event["rawPath"]}',
    "where.function_url()",
    "lab = where.lab; lab.deploy(\"get\", \"def handler(event, context): return {'statusCode': 200, 'body': event['path']}\")\n"
    'lab.api("shop", {"GET /a": "get"})',
    "lab.endpoint",
)


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if tag == "a" and name == "href"]


class Hub:
    """A user's server, of which other machines know the name `HUB`."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.runtime = folder / "runtime"
        places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        command = [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *(f"--ServerApp.port={self.port}", f"--ServerApp.base_url={PREFIX}", f"--ServerApp.root_dir={folder}"),
            *("--IdentityProvider.token=labkit-hub-tests", "--ServerApp.allow_remote_access=True"),
            "--ServerApp.jpserver_extensions={'jupyter_server_proxy': True, 'jupyterlab': False, 'notebook': False}",
        ]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **places, "JUPYTERHUB_SERVICE_PREFIX": PREFIX, "PYTHONPATH": search_path()},
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if self.get(f"{PREFIX}api").ok:
                    return
            except requests.ConnectionError:
                pass
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def get(self, path: str) -> requests.Response:
        """What a browser gets, which knows the server by the hub's name."""
        return requests.get(self.url + path, headers={**TOKEN, "Host": HUB}, timeout=PATIENCE_S)

    def kernel(self) -> BlockingKernelClient:
        made = requests.post(f"{self.url}{PREFIX}api/kernels", headers=TOKEN, timeout=PATIENCE_S).json()
        client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{made['id']}.json"))
        client.load_connection_file()
        client.start_channels()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                client.wait_for_ready(timeout=PATIENCE_S)
            except RuntimeError:  # on a loaded machine a heart may beat late
                assert time.monotonic() < deadline, "the kernel does not answer"
            else:
                return client

    def stop(self) -> None:
        below = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        for process in psutil.wait_procs(below, timeout=15)[1]:
            process.kill()


def shown(client: BlockingKernelClient, cell: str) -> dict[str, str]:
    """The bundle that a cell shows."""
    bundles: list[dict[str, str]] = []

    def note(message) -> None:
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "execute_result":
            bundles.append(message["content"]["data"])

    client.execute_interactive(cell, output_hook=note, timeout=PATIENCE_S)
    return bundles[-1] if bundles else {}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    pytest.importorskip("jupyter_server_proxy")
    hub = Hub(tmp_path_factory.mktemp("hub"))
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def notebook(hub):
    client = hub.kernel()
    yield {cell: shown(client, cell) for cell in CELLS}
    client.stop_channels()


def test_a_function_urls_link_leads_a_browser_to_the_handler(hub, notebook):
    bundle = notebook["where.function_url()"]
    (link,) = Links(bundle["text/html"]).found
    assert re.fullmatch(rf"{PREFIX}proxy/\d+/lambda-url/\w+/", link)
    assert (hub.get(f"{link}any/path").status_code, hub.get(f"{link}any/path").text) == (200, "/any/path")
    assert link in bundle["text/plain"], "the text is enough alone"
    # programs in the notebook have the plain address
    plain = re.search(r"http://127\.0\.0\.1:\d+/lambda-url/\w+/", bundle["text/plain"])
    assert requests.get(f"{plain[0]}x", timeout=PATIENCE_S).text == "/x"


def test_an_apis_link_leads_a_browser_to_the_handler(hub, notebook):
    (link,) = Links(notebook[CELLS[3]]["text/html"]).found
    assert (hub.get(f"{link}/a").status_code, hub.get(f"{link}/a").text) == (200, "/a")


def test_the_proxy_opens_nothing_but_function_urls_and_apis(hub, notebook):
    port = re.search(r":(\d+)", notebook["lab.endpoint"]["text/plain"])[1]
    refused = hub.get(f"{PREFIX}proxy/{port}/_labkit/status")
    assert (refused.status_code, refused.json()) == (
        403,
        {"message": "labkit answers on 127.0.0.1 and localhost only."},
    )


def test_without_the_proxys_words_another_host_is_refused(hub, notebook):
    endpoint = notebook["lab.endpoint"]["text/plain"].strip("'")
    (link,) = Links(notebook["where.function_url()"]["text/html"]).found
    path = link[link.index("/lambda-url") :]
    assert requests.get(endpoint + path, headers={"Host": HUB}, timeout=PATIENCE_S).status_code == 403


@pytest.fixture
def own_hub(tmp_path):
    """A server that the test may kill."""
    hub = Hub(tmp_path)
    yield hub
    hub.stop()


def test_a_server_that_is_killed_takes_the_lab_with_it(own_hub):
    client = own_hub.kernel()
    for cell in CELLS[:2]:
        shown(client, cell)
    shown(client, '%invoke where {"rawPath": "/"}')
    below = psutil.Process(own_hub.process.pid).children(recursive=True)
    assert len(below) >= 3, "a kernel, an emulator and an environment should run"
    own_hub.process.send_signal(signal.SIGKILL)
    own_hub.process.wait()
    client.stop_channels()
    assert psutil.wait_procs(below, timeout=60)[1] == []
