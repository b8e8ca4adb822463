"""The commands `eo-pygeoapi backup` and `eo-pygeoapi restore`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eo_pygeoapi.commands.options import Config, DataDir

out = Console(highlight=False, soft_wrap=True)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, such as eo-2026-11-30.tar.gz")],
    database: Annotated[
        bool, typer.Option("--database/--without-database", help="With Prefect's database, or the rest alone")
    ] = True,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Write all that cannot be made again into one file, also while everything runs."""
    from eo_pygeoapi.commands.backup import write_backup
    from eo_pygeoapi.settings import Settings

    manifest = write_backup(Settings().placed(config, data_dir), file, database)
    size = file.stat().st_size / 1e6
    kept = "no database" if manifest.database == "none" else f"{manifest.database} database"
    held = ", ".join([kept, f"{len(manifest.results)} results", *manifest.files])
    out.print(f"wrote {file} ({size:.1f} MB): {held}; it holds secrets", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(help="File that `eo-pygeoapi backup` has written")],
    replace: Annotated[bool, typer.Option("--replace", help="In place of what is there, which goes")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Put a backup where the options and the environment say that everything lies; nothing may run meanwhile."""
    from eo_pygeoapi.commands.backup import restore_backup
    from eo_pygeoapi.settings import Settings

    manifest = restore_backup(
        Settings().placed(config, data_dir), file, lambda said: out.print(said, markup=False), replace
    )
    out.print(f"restored, as of version {manifest.version}; start everything, then `eo-pygeoapi apply`", markup=False)
