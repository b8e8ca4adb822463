"""Cases that others hand us, as whole jobs over HTTP: `../shared/cases`, where it lies beside the checkout."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack import CHECKOUT, Stack, base_config, up

CASES = CHECKOUT.parent / "shared" / "cases"
OF_FILES = ("01", "02", "03", "06", "07", "09", "13")

pytestmark = [
    pytest.mark.skipif(not CASES.exists(), reason="there are no cases beside the checkout"),
    pytest.mark.timeout(900),
]


def folders() -> list[Path]:
    return sorted(path for path in CASES.glob("*-*") if path.name.startswith(OF_FILES)) if CASES.exists() else []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with the datasets of all cases."""
    folder = tmp_path_factory.mktemp("cases")
    config = base_config()
    for case in folders():
        data = folder / case.name
        subprocess.run([sys.executable, case / "make.py", data], check=True)
        config["resources"] |= yaml.safe_load((case / "config.yml").read_text().replace("@DIR@", str(data)))[
            "resources"
        ]
    with up(folder, config, {}) as stack:
        yield stack


@pytest.mark.parametrize("case", folders(), ids=lambda case: case.name)
def test_a_case_is_right(running: Stack, case: Path) -> None:
    for request in json.loads((case / "expect.json").read_text())["requests"]:
        job = running.submit(**request["inputs"])
        status = running.ended(job, 300)
        if status["status"] == "failed":
            assert re.search(request["or_error"] or "(?!)", status["message"]), status
            assert not re.search(request.get("not_error", "(?!)"), status["message"]), status
            continue
        # those of the job itself, for a dry run need not publish them
        features = running.get(f"{job}/files/features.geojson").json()["features"]
        found = {feature["id"]: feature["properties"]["value"] for feature in features}
        for row in request["rows"]:
            assert fits(row, found.get(f"{row['unit']}-{row['period']}")), (row, found)


def fits(row: dict[str, Any], value: float | None) -> bool:
    if "want" in row:
        wanted = row["want"] if isinstance(row["want"], list) else [row["want"]]
        return any(equal(each, value, row.get("rtol", 1e-6)) for each in wanted)
    return value is None or row.get("min", -math.inf) <= value <= row.get("max", math.inf)


def equal(wanted: float | None, value: float | None, tolerance: float) -> bool:
    if wanted is None or value is None:
        return wanted is value
    return math.isclose(wanted, value, rel_tol=tolerance, abs_tol=1e-9)
