"""`eo-pygeoapi up`: run the local stack in a terminal."""

import logging
import sys
from collections.abc import Callable, MutableMapping

from rich.console import Console

from eo_pygeoapi.commands.blocks import with_known_blocks
from eo_pygeoapi.commands.running import CONFIG, Running
from eo_pygeoapi.commands.up.interrupts import INTERRUPTED, ignore_interrupts, raise_interrupts
from eo_pygeoapi.commands.up.preparation import Preparation
from eo_pygeoapi.commands.up.stack import NAMES, ChildDiedError, LocalStack
from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.settings import Settings
from eo_pygeoapi.wording import counted

_LOG = logging.getLogger(__name__)


def run_up(
    settings: Settings, port: int | None, prefect_port: int | None, environ: MutableMapping[str, str], out: Console
) -> None:
    """Run the stack until Ctrl-C or SIGTERM."""
    run_stack(settings, port, prefect_port, environ, out, lambda running: print_addresses(out, running, {}))


def run_stack(
    settings: Settings,
    port: int | None,
    prefect_port: int | None,
    environ: MutableMapping[str, str],
    out: Console,
    show: Callable[[Running], None],
) -> None:
    """Check the file, start the stack, call `show`, and stop the stack at Ctrl-C or an error.

    Exits with the status of an interrupted command where Ctrl-C comes before the stack is up.
    """
    environ["EO_DATA_DIR"] = str(settings.data_dir.absolute())  # the file may name it
    stack = LocalStack(
        settings.config, settings.data_dir, port, prefect_port, environ, lambda text: out.print(text, markup=False)
    )
    try:
        raise_interrupts()
        stack.warm()
        with Preparation(settings, stack.children) as preparation:
            checked = preparation.check()
            if checked.remarks:  # a newcomer has no connection yet: one line, and where to read on
                noted = f"{counted(checked.remarks, 'remark')}, such as on schedules that are paused"
                out.print(f"note: `eo-pygeoapi check` has {noted}")
            with out.status("starting Prefect, the worker and the API"):
                running = stack.start(checked, preparation)
        show(running)
        out.print("\nRunning; Ctrl-C stops everything.")
        stack.watch()
    except KeyboardInterrupt:
        out.print()
        if not stack.is_up:
            sys.exit(INTERRUPTED)
    except ChildDiedError as error:
        if stack.is_up:
            _give_up(stack, settings, error)
        raise
    finally:
        ignore_interrupts()
        stack.stop()


def _give_up(stack: LocalStack, settings: Settings, error: ChildDiedError) -> None:
    """Stop the stack and tell the channels; while it runs, Prefect may still know their addresses."""
    from eo_pygeoapi.commands.up.given_up import tell_of_the_end  # `up` need not hold what only its end needs

    there = settings.placed(stack.data_dir / CONFIG)
    settings, _ = with_known_blocks(there.model_copy(update={"prefect_api_url": stack.running.prefect_api_url}))
    ignore_interrupts()
    stack.stop()
    try:
        tell_of_the_end(settings, NAMES[error.child], str(stack.log_file(error.child)))
    except EoError as failed:
        _LOG.warning("no channel could be told: %s", failed)


def print_addresses(out: Console, running: Running, job: dict[str, str]) -> None:
    """Print where everything of a running stack is, and what is given beside."""
    addresses = {
        "the API": running.web_url,
        "the process": f"{running.web_url}/processes/{PROCESS_ID}",
        "all jobs": f"{running.web_url}/jobs",
        **job,
        "published values": f"{running.web_url}/collections",
        "Prefect": running.prefect_api_url.removesuffix("/api"),
    }
    for name, address in addresses.items():
        out.print(f"\n{name}\n  {address}", markup=False, soft_wrap=True)
