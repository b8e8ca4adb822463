"""A configuration whose dataset is tried again."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from eo_pygeoapi.pipeline.sources.chirps3.options import Chirps3Options
from tests.stack import base_config, collection

SQUARE = [[-13.0, 7.0], [-12.0, 7.0], [-12.0, 8.0], [-13.0, 8.0], [-13.0, 7.0]]


def config_file(folder: Path, provider: str = "", **policy: Any) -> Path:
    """A configuration with one dataset, its schedule and this policy."""
    unit = {"type": "Feature", "id": "A", "properties": {"name": "A"}}
    unit["geometry"] = {"type": "Polygon", "coordinates": [SQUARE]}
    (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [unit]}))
    config = base_config()
    day = not_yet_published().isoformat()
    config["resources"]["rain"] = collection(
        "rain",
        source="chirps3",
        options={"stage": "prelim", "baseUrl": provider},
        orgUnits={"source": "geojson", "href": "units.geojson"},
        policy=policy,
        schedules=[
            {
                "name": "daily",
                "cron": "0 6 * * *",
                "timezone": "Africa/Freetown",
                "inputs": {"start": day, "end": day},
            }
        ],
    )
    path = folder / "policies.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def not_yet_published() -> date:
    """A day that was to be published by now, and of a provider that has not stopped."""
    options, today = Chirps3Options(stage="prelim"), datetime.now(UTC).date()
    days = [today - timedelta(n) for n in range(1, 12)]
    return next(day for day in days if day + (today - day) / 2 <= options.expected(day) <= today)
