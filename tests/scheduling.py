"""Which tests run in one process: those of one file, and all that share servers which take long to start."""

import ast
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

# session fixtures that start servers, and what the group of tests that use them is called
SERVERS = {"stack": "stack", "jobs": "stack", "scheduled": "scheduled", "prefect_api": "prefect"}
FARM = "tests/worker/"  # the folder whose tests share the servers of `farm.py`
SHARED_GROUPS = {FARM, *SERVERS.values()}


class SharedServersScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Starts no server twice: files whose tests use the same servers go to the same process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.split("::", 1)[0])


@cache
def group_of(file: str) -> str:
    """Return the group of a test file, which is the file itself where its tests share nothing with others."""
    if file.startswith(FARM):
        return FARM
    text = Path(file).read_text()
    if not any(f"{fixture}: " in text for fixture in SERVERS):
        return file
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    used = {argument.arg for function in functions for argument in function.args.args}
    return next((group for fixture, group in SERVERS.items() if fixture in used), file)
