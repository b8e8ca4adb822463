"""Parts of the worker that need no server: processes, records, wake-up, and what the launcher does by itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from eo_pygeoapi.gateway.wakeup import is_private, listen, stop_listening, wake_folder, wake_workers
from eo_pygeoapi.worker.environment import run_environment
from eo_pygeoapi.worker.loaded_code import modified
from eo_pygeoapi.worker.processes import Process, end_tree, place, resident_bytes, tree
from eo_pygeoapi.worker.records import Records, said_path
from eo_pygeoapi.worker.run_process import LAUNCHER
from eo_pygeoapi.worker.zygote import prefect_settings, unsafe_to_share
from eo_pygeoapi.worker.zygote_keeper import ZygoteKeeper, zygote_environment
from tests.worker.farm import until

TREE = "import subprocess, time; subprocess.Popen(['sleep', '300'], start_new_session=True); time.sleep(300)"


def test_a_tree_is_ended_with_what_left_its_session(tmp_path: Path) -> None:
    root = subprocess.Popen([sys.executable, "-c", TREE], start_new_session=True)
    whole = until(lambda: found if len(found := tree(Process.of(root.pid))) == 2 else None)
    assert resident_bytes(whole) > 2**20
    assert end_tree(Process.of(root.pid))
    assert root.wait(5) == -signal.SIGKILL
    assert not any(Process.of(pid).is_alive() for pid in whole)


def test_what_a_dead_leader_left_in_its_session_is_ended() -> None:
    root = subprocess.Popen(
        ["sh", "-c", "sleep 300 & echo $!"], stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    known = Process.of(root.pid)
    assert root.stdout is not None
    with root.stdout as output:
        left = int(output.readline())
    root.wait(5)
    assert Process.of(left).is_alive() and not known.is_alive()
    assert end_tree(known) and not Process.of(left).is_alive()


def test_a_number_that_is_another_process_s_now_is_left_alone() -> None:
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    earlier = Process(other.pid, Process.of(other.pid).started - 1)
    assert not earlier.is_alive() and tree(earlier) == []
    assert end_tree(earlier) and other.poll() is None
    other.kill()
    other.wait()


def test_records_tell_whose_worker_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    code = f"""
import time
from pathlib import Path
from uuid import uuid4
from eo_pygeoapi.worker.records import Records
records = Records(Path({str(folder)!r}))
records.enter()
print(records.begin(uuid4(), "other").run_id, flush=True)
time.sleep(300)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other.stdout as output:
        run_id = output.readline().strip()
    ours = Records(folder)
    ours.enter()
    mine = ours.begin(uuid4(), "mine")
    found = {str(record.run_id): record for record in ours.all()}
    assert set(found) == {run_id, str(mine.run_id)} and found[run_id].place == place()
    assert ours.is_alive(found[run_id].worker) and ours.is_alive(mine.worker)
    other.kill()
    other.wait()
    assert not ours.is_alive(found[run_id].worker) and ours.is_alive(mine.worker)
    found[run_id].forget()
    ours.forget_dead_workers()
    assert [path.name for path in folder.glob("worker-*.lock")] == [mine.worker]
    (folder / "broken.json").write_text("{")
    assert [record.run_id for record in ours.all()] == [mine.run_id]
    said_path(mine.path).write_text(f"{os.getpid()} 5")
    assert mine.process == Process(os.getpid(), 5)
    ours.leave()


def test_a_datagram_wakes_and_what_is_stale_is_removed() -> None:
    api = f"http://127.0.0.1:1/{uuid4()}"
    wake_workers(api)  # nobody listens
    found = listen(api, "one")
    assert found is not None
    receiver, path = found
    assert is_private(path.parent)
    wake_workers(f"{api}/")
    assert receiver.recv(8) == b"1"
    receiver.close()
    assert path.exists()
    wake_workers(api)
    assert not path.exists()
    path.parent.chmod(0o755)
    assert listen(api, "one") is None
    path.parent.chmod(0o700)
    stop_listening(path)
    assert not path.parent.exists()
    wake_folder(api).write_text("not a folder")
    assert listen(api, "one") is None
    wake_folder(api).unlink()


@pytest.mark.parametrize("address", ["", "/nowhere/zygote.sock"])
def test_without_a_zygote_the_launcher_becomes_the_run(tmp_path: Path, address: str) -> None:
    environment = run_environment({**os.environ, "EO_ZYGOTE": address, "PREFECT__FLOW_RUN_ID": "no id"})
    command = [sys.executable, "-I", "-S", str(LAUNCHER)]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.PIPE, timeout=120
    )
    assert ended.returncode == 1 and "Invalid flow run id" in ended.stderr


def test_runs_wait_for_a_zygote_that_is_loading_and_not_for_one_that_fails() -> None:
    async def address(environment: dict[str, str], seconds: float) -> str:
        keeper = ZygoteKeeper(environment)
        keeping = asyncio.create_task(keeper.keep())
        await asyncio.sleep(0.1)  # it has been started
        try:
            found = await keeper.ready_address(seconds)
            return found if not found or Path(found).is_socket() else "nothing is there"
        finally:
            keeping.cancel()
            await keeper.close()

    assert asyncio.run(address(zygote_environment(os.environ), 120)).endswith(".sock")
    assert asyncio.run(address(zygote_environment(os.environ), 0.01)) == ""
    assert asyncio.run(address({"PYTHONHOME": "/nowhere"}, 60)) == ""


def test_only_settings_of_prefect_are_compared() -> None:
    environment = {b"PREFECT_API_URL": b"a", b"PREFECT__FLOW_RUN_ID": b"b", b"PATH": b"c"}
    assert prefect_settings(environment) == {b"PREFECT_API_URL": b"a"}


def test_newer_code_and_what_a_fork_would_share_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("1")
    before = modified([file])
    os.utime(file, (time.time() + 5, time.time() + 5))
    assert modified([file]) != before
    file.unlink()
    assert modified([file]) == {file: 0.0}
    with (tmp_path / "open").open("w"):
        assert any("the open file" in what for what in unsafe_to_share())


def test_what_a_record_holds_is_plain_json(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.enter()
    record = records.begin(uuid4(), "mine")
    assert set(json.loads(record.path.read_text())) >= {"run_id", "worker", "place", "taken", "resume"}
    records.leave()


def test_a_log_file_on_the_standard_streams_is_not_shared_with_a_run(tmp_path: Path) -> None:
    code = "from eo_pygeoapi.worker.zygote import unsafe_to_share; print(unsafe_to_share())"
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, stderr=log, cwd=Path.cwd(), check=True)
    assert (tmp_path / "log").read_text() == "[]\n"
