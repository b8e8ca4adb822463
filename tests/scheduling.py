"""Which tests run in one process: those of one file, and all that share servers which take long to start.

Servers that tests share are stopped after the last of them: a stack that nobody asks takes a twentieth of a core.
"""

import ast
import re
from collections.abc import Callable, Generator
from functools import cache, partial
from pathlib import Path

import pytest
from _pytest.fixtures import SubRequest
from xdist.scheduler import LoadScopeScheduling

# session fixtures that start servers, and what the group of tests that use them is called
SERVERS = {"stack": "stack", "jobs": "stack", "scheduled": "scheduled", "prefect_api": "prefect"}
FARM = "tests/worker/"  # the folder whose tests share the servers of `farm.py`
SHARED_GROUPS = ("stack", FARM, "prefect", "scheduled")  # in this order, the longest first
SERVER_FIXTURES = {"servers", *SERVERS}  # the farm's and the others'
STARTS = re.compile(r"\bwith .*\b(up|web|prefect_server)\(")  # what a file does that has servers of its own


class SharedServersScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Starts no server twice: files whose tests use the same servers go to the same process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


class StopOfServers:
    """Plugin that stops what tests share before the first test of another group."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: SubRequest
    ) -> Generator[None, object, object]:
        if fixturedef.scope == "session" and fixturedef.argname in SERVER_FIXTURES:
            self._stops.append(partial(fixturedef.finish, request))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
        yield
        if nextitem is None or group_of(nextitem.nodeid) != group_of(item.nodeid):
            while self._stops:
                self._stops.pop()()


def place_of(nodeid: str) -> int:
    """Return when a test is run: groups first, then files with servers of their own; short files end the run."""
    group = group_of(nodeid)
    if group in SHARED_GROUPS:
        return SHARED_GROUPS.index(group)
    return len(SHARED_GROUPS) + (not _starts_servers(group))


@cache
def _starts_servers(file: str) -> bool:
    return bool(STARTS.search(Path(file).read_text()))


def group_of(nodeid: str) -> str:
    """Return the group of a test, which is its file where that shares nothing with others."""
    return _group_of_file(nodeid.split("::", 1)[0])


@cache
def _group_of_file(file: str) -> str:
    if file.startswith(FARM):
        return FARM
    text = Path(file).read_text()
    if not any(f"{fixture}: " in text for fixture in SERVERS):
        return file
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    asks = (function for function in functions if function.name.startswith("test_") or _is_fixture(function))
    used = {argument.arg for function in asks for argument in function.args.args}
    return next((group for fixture, group in SERVERS.items() if fixture in used), file)


def _is_fixture(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).startswith("pytest.fixture") for decorator in function.decorator_list)
