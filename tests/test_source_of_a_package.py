"""The source of docs/sources.md, installed as a package of its own, through a whole job."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from shapely.geometry import box, mapping

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.datasets.source import SourceInfo, SourceOptions
from tests.servers import free_port, running, wait_for
from tests.stack import CHECKOUT, Stack, base_config, collection, up

DOCUMENT = (CHECKOUT / "docs" / "sources.md").read_text()
MOST_LINES = 60
UNIT = {
    "type": "Feature",
    "id": "ImspTQPwCqd",
    "properties": {"name": "Delta"},
    "geometry": mapping(box(-12.4, 7.6, -11.6, 8.4)),
}


def shown() -> tuple[str, str, str]:
    """Return the three files that the document shows."""
    toml, options, source = re.findall(r"```(?:toml|python)\n(.*?)```", DOCUMENT, re.DOTALL)
    return toml, options, source


@pytest.mark.parametrize("name", [*vars(SourceOptions), *SourceInfo.__dataclass_fields__])
def test_the_page_names_all_that_a_source_can_say_of_itself(name: str) -> None:
    of_pydantic = name.startswith(("_", "model_")) or name in vars(Model)
    assert (
        of_pydantic or name in ("title", "source", "licence", "citation") or re.search(rf"`[^`]*\b{name}\b", DOCUMENT)
    )


def install(folder: Path) -> Path:
    """Install the package that the document shows, as pip does: its modules, and what its metadata say beside them."""
    toml, options, source = shown()
    project = tomllib.loads(toml)["project"]
    ((group, entries),) = project["entry-points"].items()
    package = folder / "eo_rivers"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("options", options), ("source", source)):
        (package / f"{name}.py").write_text(text)
    metadata = folder / f"eo_rivers-{project['version']}.dist-info"
    metadata.mkdir()
    about = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    (metadata / "METADATA").write_text("\n".join(about) + "\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def serve_levels(folder: Path) -> None:
    """Write two days, of 2 m and 4 m."""
    folder.mkdir()
    y, x = 9.95 - 0.1 * np.arange(40), -13.95 + 0.1 * np.arange(40)
    for day, level in (("2026-03-01", 2.0), ("2026-03-02", 4.0)):
        values = np.full((1, y.size, x.size), level, "float32")
        data = xr.Dataset(
            {"level": (("time", "lat", "lon"), values, {"units": "m"})},
            coords={"time": np.array([day], "M8[ns]"), "lat": y, "lon": x},
        )
        data.to_netcdf(folder / f"{day}.nc")


@pytest.fixture(scope="module")
def rivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rivers")
    serve_levels(folder / "served")
    (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [UNIT]}))
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "server.log"
    serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(folder / "served")]
    config = base_config()
    config["resources"]["levels"] = collection(
        "levels",
        source="rivers",
        options={"baseUrl": url},
        orgUnits={"source": "geojson", "href": str(folder / "units.geojson")},
    )
    (folder / "stack").mkdir()
    with running(serve, log) as server:
        wait_for(url, server, log)
        with up(folder / "stack", config, {"PYTHONPATH": str(install(folder / "site"))}) as stack:
            yield stack


def test_a_source_takes_no_more_than_sixty_lines() -> None:
    lines = [line for text in shown() for line in text.splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES


def test_a_job_has_the_values_of_a_source_from_another_package(rivers: Stack) -> None:
    result = rivers.result(datasetId="levels", start="2026-03-01", end="2026-03-03")
    assert (result["source"], result["rowCount"]) == ("River levels", 2)
    assert [(entry["period"], entry["reason"]) for entry in result["leftOut"]] == [("20260303", "not published")]
    values = {f["properties"]["period"]: f["properties"]["value"] for f in rivers.features("levels")}
    assert values == {"20260301": 2.0, "20260302": 4.0}


def test_the_check_of_the_file_knows_its_options(rivers: Stack, tmp_path: Path) -> None:
    config = tmp_path / "wrong.yml"
    config.write_text(rivers.config.read_text().replace("baseUrl:", "baseURL:"))
    checked = rivers.command("check", "--config", str(config))
    assert checked.returncode == 1
    assert "resources.levels.eo.options.baseURL: is not known here; allowed: baseUrl" in checked.stderr + checked.stdout
