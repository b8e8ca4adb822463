"""Settings with what blocks of Prefect hold, for commands that start no job themselves."""

from eo_pygeoapi.commands.running import running_stack
from eo_pygeoapi.errors import EoError
from eo_pygeoapi.settings import Settings


def with_known_blocks(settings: Settings) -> tuple[Settings, list[str]]:
    """Return the settings with what Prefect's blocks hold, and a remark where Prefect does not answer.

    The Prefect server is that of the stack that runs on the data folder, else the one of the settings, if any.
    """
    running = running_stack(settings.data_dir)
    api = running.prefect_api_url if running else settings.prefect_api_url
    settings = settings.where_set(running.variables if running else None)
    if not api:
        return settings, []
    # Prefect's client takes a second to import
    from eo_pygeoapi.gateway.credentials import read_blocks
    from eo_pygeoapi.gateway.gateway import PrefectGateway

    gateway = PrefectGateway(api)
    try:
        gateway.ping()  # fails within seconds where Prefect does not answer
        return settings.with_blocks(read_blocks(api)), []
    except EoError:
        return settings, [f"Prefect at {api} does not answer, so what its blocks hold is not known"]
    finally:
        gateway.close()
