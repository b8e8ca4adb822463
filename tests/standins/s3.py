"""An object store: moto's S3 server, a process of its own."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from fsspec import get_filesystem_class

from tests.servers import free_port, running, wait_for


@dataclass(frozen=True)
class StandIn:
    """A running server; `environment` is what its clients need to know."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def new_bucket(self) -> str:
        """Make a bucket and return the address of a folder in it."""
        bucket = f"results-{uuid.uuid4()}"
        requests.put(f"{self.url}/{bucket}", timeout=10).raise_for_status()
        return f"s3://{bucket}/eo"


@contextmanager
def serving(folder: Path) -> Iterator[StandIn]:
    port, log = free_port(), folder / "s3.log"
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log) as process:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", process, log)
        # clients are kept for all of a process, with the address that they began with
        get_filesystem_class("s3").clear_instance_cache()
        yield StandIn(f"http://127.0.0.1:{port}")
        get_filesystem_class("s3").clear_instance_cache()
