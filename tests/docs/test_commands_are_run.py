"""Each command of the pages of operations is run by a test, or needs a system that tests do not have."""

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml
from typer.testing import CliRunner

from eo_pygeoapi.cli import app
from tests.docs.test_blocks import blocks_of, commands
from tests.stack import CHECKOUT, base_config
from tests.watch.receiver import Receiver

PAGES = {name: (CHECKOUT / "docs" / f"{name}.md").read_text() for name in ("operations", "servers")}
# the test that runs a command of ours, and how its words stand there
OURS = {
    "apply": ("test_operations.py", '"apply"'),
    "backup": ("commands/test_backup.py", '"backup"'),
    "cache size": ("store/test_download_cache.py", '"cache", "size"'),
    "check": ("test_operations.py", '"check"'),
    "dhis2 check": ("pipeline/dhis2/metadata/test_setup.py", '"check"'),
    "dhis2 setup": ("pipeline/dhis2/metadata/test_setup.py", '"setup"'),
    "history": ("test_lost_database.py", '"history"'),
    "notify test": ("docs/test_commands_are_run.py", '"notify", "test"'),
    "prune": ("watch/test_housekeeping.py", '"prune"'),
    "restore": ("commands/test_backup.py", '"restore"'),
    "schedules list": ("commands/test_schedule_commands.py", '"schedules", "list"'),
    "schedules pause": ("commands/test_schedule_commands.py", '"schedules", "pause"'),
    "schedules resume": ("commands/test_schedule_commands.py", '"schedules", "resume"'),
    "schedules run": ("commands/test_schedule_commands.py", '"schedules", "run"'),
    "status": ("commands/test_schedule_commands.py", '"status"'),
    "token create": ("test_containers.py", '"token", "create"'),
    "token list": ("api/http/test_access.py", 'token("list"'),
    "token revoke": ("api/http/test_access.py", 'token("revoke"'),
    "up": ("stack.py", '"up"'),
}
# what needs Docker's engine, and what looks at the files in place of it
CONTAINERS = {
    "docker compose up": "test_every_command_of_the_two_files_runs",
    "docker compose build": "test_all_that_is_installed_is_pinned_by_version_and_hash",
    "docker compose cp": "test_every_command_of_the_two_files_runs",
    "docker compose down": "test_what_the_containers_promise",
    "docker compose exec --no-TTY postgres pg_dump": "test_a_backup_of_the_containers_names_what_they_have",
    "docker compose ps": "test_every_command_of_the_two_files_runs",
    "docker compose run": "test_every_command_of_the_two_files_runs",
    "docker buildx imagetools inspect": "test_all_that_is_installed_is_pinned_by_version_and_hash",
}
OF_A_SHELL = {"export", "mkdir", "cp", "printf", "curl", "journalctl"}


def said(page: str) -> Iterator[list[str]]:
    """Yield the commands of a page: of its blocks, and of its sentences."""
    for block in blocks_of(page, "sh"):
        yield from commands(block)
    for text in re.findall(
        r"`((?:eo-pygeoapi|docker|journalctl) [^`]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    ):
        yield shlex.split(text)


def called(words: list[str]) -> str:
    """Return the name of a command of ours, '' of another one."""
    if "eo-pygeoapi" not in words:
        return ""
    rest = words[words.index("eo-pygeoapi") + 1 :]
    return next(name for name in sorted(OURS, key=len, reverse=True) if rest[: len(name.split())] == name.split())


def test_each_command_of_ours_is_run_by_the_test_that_is_named() -> None:
    found = {called(words) for page in PAGES.values() for words in said(page)} - {""}
    assert found == set(OURS)
    for name, (test, words) in OURS.items():
        assert words in (CHECKOUT / "tests" / test).read_text(), name


def test_each_other_command_is_run_on_a_machine_of_its_own_or_needs_a_system() -> None:
    """All blocks of docs/servers.md are run by test_server_commands.py, which fails where it leaves one out."""
    containers = (CHECKOUT / "tests" / "test_containers.py").read_text()
    for words in (words for words in said(PAGES["operations"]) if not called(words)):
        kind = next((name for name in CONTAINERS if words[: len(name.split())] == name.split()), "")
        assert words[0] in OF_A_SHELL or CONTAINERS.get(kind, "none") in containers, words


def test_a_channel_is_tried_as_the_page_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = base_config()
    config["eo"] = {"notify": {"ops": {}}}
    (path := tmp_path_factory.mktemp("notify") / "config.yml").write_text(yaml.safe_dump(config))
    receiver = Receiver()
    environment = {"EO_NOTIFY_OPS_URL": f"json://{receiver.url.removeprefix('http://')}"}
    done = CliRunner().invoke(app, ["notify", "test", "ops", "--config", str(path)], env=environment)
    receiver.status = 500
    refused = CliRunner().invoke(app, ["notify", "test", "ops", "--config", str(path)], env=environment)
    receiver.close()
    assert done.exit_code == 0 and "ops: taken" in done.output and len(receiver.taken) == 1, done.output
    assert refused.exit_code == 1 and "secret-path" not in refused.output
