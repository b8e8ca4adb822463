"""The units of docs/servers.md, as systemd reads them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "servers.md").read_text()
UNITS = {name: text for name, text in re.findall(r"`(eo-\w+\.service)`.*?```ini\n(.*?)```", DOCUMENT, re.DOTALL)}
ANALYZE = shutil.which("systemd-analyze")


def test_there_are_units_for_what_runs() -> None:
    assert set(UNITS) == {f"eo-{name}.service" for name in ("prefect", "worker", "api", "watch")}
    hardened = [
        {line for line in text.splitlines() if re.match("Protect|Private|Restrict|NoNew|Cap", line)}
        for text in UNITS.values()
    ]
    assert all(len(lines) > 14 for lines in hardened)


@pytest.mark.skipif(not ANALYZE, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, text in UNITS.items():
        # where nothing is installed, the programs of here stand in
        here = text.replace("/opt/eo-pygeoapi/bin", str(Path(sys.executable).parent)).replace("User=eo\nGroup=eo\n", "")
        (tmp_path / name).write_text(here)
    assert ANALYZE
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", "--recursive-errors=no", *map(str, tmp_path.iterdir())],
        capture_output=True, text=True, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_the_environment_of_the_document_is_known_to_the_product() -> None:
    (text,) = re.findall(r"```\n(PYGEOAPI_CONFIG=.*?)```", DOCUMENT, re.DOTALL)
    known = (CHECKOUT / "docs" / "configuration.md").read_text() + (CHECKOUT / "docs" / "operations.md").read_text()
    for name in re.findall(r"^#? ?([A-Z_]+)=", text, re.MULTILINE):
        pattern = re.sub(r"(EO_DHIS2_)NATIONAL(_\w+)", r"\1<NAME>\2", name)
        assert pattern in known or name in known or name == "PREFECT_SERVER_ANALYTICS_ENABLED", name
