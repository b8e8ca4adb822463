"""What the web process, the worker and the watch of `up` log: with the day, and no secrets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eo_pygeoapi.commands.configuration.effective_config import write_effective
from eo_pygeoapi.commands.running import OPENAPI
from eo_pygeoapi.commands.up.stack import child_environment
from eo_pygeoapi.redaction import MASK
from tests.stack import base_config
from tests.worker.farm import until

SECRET = "secret-of-this-test"
# each has Prefect loaded before, as in a fork of what `up` has loaded
SAYS = f'import logging; logging.getLogger("eo_pygeoapi.tests").error("it is {SECRET}")'
PROGRAMS = {
    "web": f"import prefect.main, eo_pygeoapi.flask_app; {SAYS}",
    "worker": "import sys, prefect.main; from eo_pygeoapi.cli import main; sys.argv[1:] = ['worker']; main()",
    "watch": f"""
import prefect.main
from eo_pygeoapi.watch.log import begin_log
from eo_pygeoapi.settings import process_settings
begin_log(process_settings().secrets())
{SAYS}
""",
}


@pytest.mark.parametrize("service", PROGRAMS)
def test_a_line_has_the_day_and_no_secret(service: str, tmp_path: Path) -> None:
    (edited := tmp_path / "my-config.yml").write_text(yaml.safe_dump(base_config()))
    environment = {
        **child_environment(os.environ, tmp_path, f"http://127.0.0.1:1/{SECRET}/api"),
        "EO_DHIS2_TESTS_TOKEN": SECRET,
        "EO_ZYGOTE_ENABLED": "false",
        "PYGEOAPI_CONFIG": str(write_effective(edited, tmp_path, 5000)),
        "PYGEOAPI_OPENAPI": str(tmp_path / OPENAPI),
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAMS[service]], stdout=output, stderr=output, env=environment
        )
    try:
        line = until(lambda: next((line for line in log.read_text().splitlines() if MASK in line), None), 60)
    finally:
        process.terminate()
        process.wait(30)
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line), line
    assert SECRET not in log.read_text()
