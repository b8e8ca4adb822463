"""The commands `eo-pygeoapi cache …`: list, size, prune."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from eo_pygeoapi.commands.tables import print_table
from eo_pygeoapi.errors import ConfigError

if TYPE_CHECKING:
    from eo_pygeoapi.settings import Settings
    from eo_pygeoapi.store.download_cache import Product

app = typer.Typer(help="List, size and prune the cache of downloads.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

DataDir = Annotated[Path | None, typer.Option(help="Folder that holds the cache [default: .eo-pygeoapi]")]


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List each product and box in the cache, with its days, files and size."""
    from eo_pygeoapi.store.download_cache import products

    settings = _settings(data_dir)
    if shared := _shared(settings):
        out.print(f"in {settings.shared_cache}:", markup=False)
        _print(shared)
        out.print(f"copies on this machine, in {settings.cache_folder()}:", markup=False)
    _print(products(settings.cache_folder()))


def _print(products: Iterable["Product"]) -> None:
    table = Table("product", "days", "files", "size", "provisional", "box", box=None, pad_edge=False)
    for product in products:
        box = ", ".join(f"{edge:g}" for edge in product.about.get("box", []))
        days = " to ".join(dict.fromkeys(str(day) for day in (product.first, product.last) if day))
        provisional = str(product.provisional or "")
        table.add_row(escape(product.name), days, str(product.files), decimal(product.size), provisional, box)
    print_table(table)


@app.command()
def size(data_dir: DataDir = None) -> None:
    """Say how many bytes the cache holds, by source."""
    from eo_pygeoapi.store.download_cache import products

    settings = _settings(data_dir)
    if shared := _shared(settings):
        _print_sizes(shared, settings.shared_cache)
    _print_sizes(products(settings.cache_folder()), str(settings.cache_folder()))


def _print_sizes(products: Iterable["Product"], where: str) -> None:
    sizes: dict[str, int] = {}
    for product in products:
        source = product.name.partition("/")[0]
        sizes[source] = sizes.get(source, 0) + product.size
    for source, bytes_ in sizes.items():
        out.print(f"{source}: {decimal(bytes_)}")
    out.print(f"total: {decimal(sum(sizes.values()))} in {where}", markup=False)


@app.command("prune")
def prune_(
    product: Annotated[list[str] | None, typer.Argument(help="Products or sources, as listed [default: all]")] = None,
    older_than: Annotated[int, typer.Option(min=0, help="Days since the download")] = 365,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed")] = False,
    data_dir: DataDir = None,
) -> None:
    """Remove old downloads, and what killed ones left; a run downloads again what it needs."""
    from eo_pygeoapi.store.download_cache import products, prune
    from eo_pygeoapi.store.shared_cache import prune_shared, shared_store

    settings = _settings(data_dir)
    folder = settings.cache_folder()
    known = {found.name for found in (*products(folder), *_shared(settings))}
    known |= {name.partition("/")[0] for name in known}
    if unknown := [name for name in product or [] if name not in known]:
        raise ConfigError(f"cache: holds no {unknown[0]!r} (it holds: {', '.join(sorted(known)) or 'nothing'})")
    done = prune(folder, older_than, product or (), dry_run=dry_run)
    word = "would remove" if dry_run else "removed"
    if store := shared_store(settings.shared_cache):
        before = time.time() - older_than * 24 * 3600
        files, size = prune_shared(store, before, product or (), dry_run=dry_run)
        out.print(f"{word} {files} files, {decimal(size)}, in {settings.shared_cache}", markup=False)
        out.print("other machines remove their copies of these within a day")
    out.print(f"{word} {done.files} files, {decimal(done.size)}, in {folder}", markup=False)


def _settings(data_dir: Path | None) -> "Settings":
    from eo_pygeoapi.settings import process_settings

    settings = process_settings()
    return settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir})


def _shared(settings: "Settings") -> list["Product"]:
    """Return what workers share in an object store; nothing where they share none."""
    from eo_pygeoapi.store.shared_cache import shared_products, shared_store

    store = shared_store(settings.shared_cache)
    return shared_products(store, settings.cache_folder()) if store else []
