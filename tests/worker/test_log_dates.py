"""The log of a worker says on which day something was."""

import os
import re
import subprocess
import sys

from eo_pygeoapi.settings import Settings
from eo_pygeoapi.worker.environment import set_environment

PROGRAM = """
from prefect.logging import get_logger
from prefect.logging.configuration import setup_logging
setup_logging()
get_logger("eo_pygeoapi.worker").warning("said")
"""


def test_a_line_begins_with_day_and_time() -> None:
    environment = dict(os.environ)
    set_environment(Settings(), environment)
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| WARNING \| .*said$", done.stderr, re.MULTILINE), (
        done.stderr
    )
