"""Options that several commands have, and the settings that they give."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eo_pygeoapi.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file [default: pygeoapi-config.yml]")
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of `eo-pygeoapi up` [default: .eo-pygeoapi]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]


def placed_settings(config: Path | None = None, data_dir: Path | None = None) -> "Settings":
    """Return the settings of the environment, with what these options say."""
    from eo_pygeoapi.settings import Settings

    return Settings().placed(config, data_dir)
