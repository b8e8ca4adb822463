"""A Kubernetes API that knows Jobs only, as far as Prefect's worker asks it: it runs a pod's container as a process.

It takes what the schema of Kubernetes allows. A container has in its environment what is in the ConfigMaps and Secrets
that the cluster is made with, and folders of the image that it mounts are folders here.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate

VERSION = "1.34"
Manifest = dict[str, Any]


def problems(manifest: Manifest) -> list[str]:
    """What the schema of Kubernetes says against a manifest; members that it does not know count, too."""
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error.message)]
    return []


def without_strays(manifest: Manifest) -> Manifest:
    """A Job without the two members that Prefect wants in the pod, where Kubernetes drops them."""
    copied: Manifest = json.loads(json.dumps(manifest))
    for member in ("completions", "parallelism"):
        copied["spec"]["template"]["spec"].pop(member, None)
    return copied


@dataclass
class Cluster:
    """What has been made, and what pods find."""

    folder: Path
    objects: Mapping[tuple[str, str], Mapping[str, str]]  # the data of ConfigMaps and Secrets, by kind and name
    mounts: Mapping[str, str]  # what a container mounts, and where that is here
    jobs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    manifests: list[Manifest] = field(default_factory=list)
    url: str = ""

    def environment(self, container: Manifest) -> dict[str, str]:
        """The environment of a container."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            for kind in ("configMap", "secret"):
                if f"{kind}Ref" in source:
                    found |= self.objects[kind, source[f"{kind}Ref"]["name"]]
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                of = variable["valueFrom"]["secretKeyRef"]
                found[variable["name"]] = self.objects["secret", of["name"]][of["key"]]
            else:
                found[variable["name"]] = variable["value"]
        return {name: self.mapped(value) for name, value in found.items()}

    def mapped(self, text: str) -> str:
        for inside, here in self.mounts.items():
            text = text.replace(inside, here)
        return text

    def start(self, manifest: Manifest) -> Manifest:
        """Run the container of a Job; returns the Job as Kubernetes does."""
        assert not (wrong := problems(without_strays(manifest))), wrong
        name = f"{manifest['metadata']['generateName']}{len(self.manifests)}"
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        own = {k: v for k, v in os.environ.items() if not re.match("EO_|PREFECT|PYGEOAPI|HOME", k)}
        command = [sys.executable, "-m", *container["args"]]  # as the image has it on its PATH
        with (self.folder / f"{name}.log").open("ab") as log:
            self.jobs[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=own | self.environment(container), cwd=self.folder
            )
        self.manifests.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "name": name, "uid": name}}

    def delete(self, name: str) -> None:
        self.jobs[name].terminate()


@contextmanager
def serving(cluster: Cluster) -> Iterator[Cluster]:
    """Serve the API while the block runs, and end all pods after it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(201, cluster.start(body))

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            cluster.delete(self.path.partition("?")[0].rsplit("/", 1)[-1])
            self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

        def _answer(self, status: int, content: Manifest) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        for process in cluster.jobs.values():
            if process.poll() is None:
                process.kill()
            process.wait()
