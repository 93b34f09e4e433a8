"""moto's process as the emulator sees it: one start, however many wait; an end; another start after its death."""

from __future__ import annotations

import asyncio
import os
import signal

import httpcore
import psutil
import pytest

from labkit.emulator.services import Services
from labkit.errors import ServicesNotStarted

pytestmark = pytest.mark.process

# stands for moto: says that it is ready, and ends with its pipe
READY = "import sys; print('ready', flush=True); sys.stdin.read()"
DEAF = "import time; print('ready', flush=True); time.sleep(600)"
BROKEN = "import sys; sys.exit(3)"


def started_in(folder):
    return [p for p in psutil.Process().children() if any(str(folder) in part for part in p.cmdline())]


def play(folder, script, scene):
    async def run():
        services = Services(folder, account_id="123456789012", argv=("-c", script))
        try:
            return await scene(services)
        finally:
            await services.stop()

    return asyncio.run(run())


def test_nothing_runs_before_it_is_needed(tmp_path):
    async def scene(services):
        return services.pid

    assert play(tmp_path, READY, scene) is None


def test_all_who_need_it_first_wait_for_one_start(tmp_path):
    async def scene(services):
        pools = await asyncio.gather(*(services.reached() for _ in range(20)))
        return len({id(pool) for pool in pools}), len(started_in(tmp_path))

    assert play(tmp_path, READY, scene) == (1, 1)


def test_it_is_told_where_the_emulator_is(tmp_path):
    script = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(os.environ['AWS_ENDPOINT_URL']); {READY}"

    async def scene():
        where = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        services = Services(tmp_path, account_id="123456789012", argv=("-c", script), variables=where)
        await services.reached()
        await services.stop()

    asyncio.run(scene())
    assert (tmp_path / "seen").read_text() == "http://127.0.0.1:1"


def test_what_the_emulator_itself_asks_starts_nothing(tmp_path):
    async def scene(services):
        await services.tell("/rest")
        return services.pid

    assert play(tmp_path, READY, scene) is None


def test_who_gives_up_waiting_does_not_stop_the_start_for_others(tmp_path):
    async def scene(services):
        impatient = asyncio.create_task(services.reached())
        patient = asyncio.create_task(services.reached())
        await asyncio.sleep(0)
        impatient.cancel()
        return isinstance(await patient, httpcore.AsyncConnectionPool)

    assert play(tmp_path, READY, scene)


def test_after_its_death_the_next_use_starts_another_and_the_log_says_what_is_lost(tmp_path, capsys):
    async def scene(services):
        first = await services.reached()
        before = services.pid
        os.kill(before, signal.SIGKILL)
        while services.pid:
            await asyncio.sleep(0.005)
        second = await services.reached()
        return before != services.pid, first is not second

    assert play(tmp_path, READY, scene) == (True, True)
    assert "ended with status -9; its queues, topics and buckets are gone" in capsys.readouterr().err


def test_a_start_that_fails_is_an_error_and_the_next_use_tries_again(tmp_path):
    async def scene(services):
        for _ in range(2):
            with pytest.raises(ServicesNotStarted, match="ended with status 3"):
                await services.reached()

    play(tmp_path, BROKEN, scene)


@pytest.mark.parametrize("script", [READY, DEAF])
def test_stopping_ends_it_also_when_it_does_not_listen(tmp_path, script, monkeypatch):
    monkeypatch.setattr("labkit.emulator.services.STOP_S", 0.2)

    async def scene(services):
        await services.reached()
        pid = services.pid
        await services.stop()
        return psutil.pid_exists(pid)

    assert play(tmp_path, script, scene) is False


def test_after_the_end_nothing_is_started(tmp_path):
    async def scene(services):
        await services.stop()
        with pytest.raises(ServicesNotStarted, match="is ending"):
            await services.reached()

    play(tmp_path, READY, scene)


def test_a_folder_whose_name_is_too_long_for_a_socket_is_a_clear_error(tmp_path):
    async def scene(services):
        with pytest.raises(ServicesNotStarted, match="LABKIT_SCRATCH"):
            await services.reached()

    play(tmp_path / ("x" * 120), READY, scene)


def mocked_accounts(emulator):
    return [p for p in emulator.children() if "labkit.mockaws" in " ".join(p.cmdline())]


def test_a_lab_starts_it_on_first_use_only(own_lab):
    own_lab.deploy("f", "def handler(event, context): return 1")
    own_lab.invoke("f")
    emulator = psutil.Process(own_lab.status()["pid"])
    assert mocked_accounts(emulator) == []
    own_lab.boto3("sqs").list_queues()
    assert len(mocked_accounts(emulator)) == 1


def test_a_killed_emulator_takes_it_with_it(own_lab):
    own_lab.boto3("sqs").list_queues()
    emulator = psutil.Process(own_lab.status()["pid"])
    processes = mocked_accounts(emulator)
    assert len(processes) == 1
    emulator.kill()
    assert psutil.wait_procs(processes, timeout=15)[1] == []


def test_a_lab_that_stops_leaves_none_behind(own_lab):
    own_lab.boto3("s3").list_buckets()
    processes = mocked_accounts(psutil.Process(own_lab.status()["pid"]))
    own_lab.stop()
    assert psutil.wait_procs(processes, timeout=15)[1] == []


def test_a_lab_whose_mocked_account_died_has_a_new_and_empty_one(own_lab):
    own_lab.boto3("sqs").create_queue(QueueName="q")
    (process,) = mocked_accounts(psutil.Process(own_lab.status()["pid"]))
    process.kill()
    psutil.wait_procs([process], timeout=15)
    assert "QueueUrls" not in own_lab.boto3("sqs").list_queues()
