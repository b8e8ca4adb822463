"""`docs/kubernetes`: its files by the schemas of Kubernetes, and a job's way to its pod by Prefect's own worker."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import yaml
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.templating import apply_values

from eo_pygeoapi.commands.up.sample import make_sample
from tests.servers import prefect_server, running
from tests.stack import CHECKOUT, PROCESS, base_config
from tests.web import web
from tests.worker.farm import ENDED, until

WORKER = pytest.importorskip("prefect_kubernetes.worker", reason="it is in a group of its own, `kubernetes`")
kubernetes = pytest.importorskip("tests.standins.kubernetes", reason="it needs the group `kubernetes`")
FOLDER = CHECKOUT / "docs" / "kubernetes"
MANIFESTS = ("environment.yaml", "api.yaml", "watch.yaml", "workers.yaml")
PAGE = (CHECKOUT / "docs" / "kubernetes.md").read_text()
Manifest = dict[str, Any]
CONFIG = "my-config.yml"  # as `web` writes it; in a cluster it is a ConfigMap


def documents(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def template() -> Manifest:
    content: Manifest = json.loads((FOLDER / "job-template.json").read_text())
    return content


def container_of(document: Manifest) -> Manifest:
    (container,) = document["spec"]["template"]["spec"]["containers"]
    found: Manifest = container
    return found


def rendered(**variables: Any) -> Manifest:
    """The Job that Prefect's worker makes for a run."""
    content = template()
    defaults = {name: v["default"] for name, v in content["variables"]["properties"].items() if "default" in v}
    made = WORKER.KubernetesWorkerJobConfiguration(**apply_values(content["job_configuration"], defaults | variables))
    made.prepare_for_flow_run(FlowRun(id=uuid4(), name="amber-otter", flow_id=uuid4()))
    manifest: Manifest = made.job_manifest
    return manifest


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_keep_to_the_schemas_of_kubernetes(name: str) -> None:
    for document in documents(name):
        assert kubernetes.problems(document) == [], document["metadata"]["name"]
        assert document["metadata"]["namespace"] == "eo"
    broken = documents(name)[0]
    broken["metadata"]["nam"] = "a mistake"
    assert kubernetes.problems(broken)


def test_a_pod_is_as_the_template_says() -> None:
    job = rendered(env={"EO_RESUME": "2"}, memory_limit="8Gi")
    assert kubernetes.problems(kubernetes.without_strays(job)) == []
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith(":worker") and container["resources"]["limits"] == {"memory": "8Gi"}
    assert {"name": "EO_RESUME", "value": "2"} in container["env"]
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert pod["securityContext"]["runAsUser"] == 10001 and pod["automountServiceAccountToken"] is False
    # with other values than 0 Kubernetes would start a run again of which Prefect knows that it has ended
    assert job["spec"]["backoffLimit"] == 0


def test_what_pods_mount_and_name_is_the_same_everywhere() -> None:
    job = rendered()
    api, watch, worker = (documents(f"{name}.yaml")[0] for name in ("api", "watch", "workers"))
    known = {(d["kind"], d["metadata"]["name"]) for name in MANIFESTS for d in documents(name)}
    known |= {("ConfigMap", name) for name in re.findall(r"create configmap (\S+)", PAGE)}
    known |= {("Secret", name) for name in re.findall(r"create secret generic (\S+)", PAGE)}
    kinds = {"configMap": "ConfigMap", "secret": "Secret", "persistentVolumeClaim": "PersistentVolumeClaim"}
    for each in (job, api, watch, worker):
        spec = each["spec"]["template"]["spec"]
        for volume in spec["volumes"]:
            for kind in kinds.keys() & volume.keys():
                (name,) = volume[kind].values()
                assert (kinds[kind], name) in known
        (container,) = spec["containers"]
        named = {next(iter(source.values()))["name"] for source in container["envFrom"]}
        assert named == {"eo-pygeoapi-environment", "eo-pygeoapi-secrets"}
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/etc/eo-pygeoapi", "/var/lib/eo-pygeoapi", "/tmp", "/home/eo"} == mounted - {"/run/secrets/eo"}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_page_uses_each_file() -> None:
    for path in FOLDER.iterdir():
        assert f"docs/kubernetes/{path.name}" in PAGE, path.name


class Kubernetes:
    """What the slow test runs: a cluster with our objects, and Prefect's worker on it."""

    def __init__(self, folder: Path, api: str, home: Path) -> None:
        environment = documents("environment.yaml")[0]["data"]
        environment |= {"PREFECT_API_URL": api, "EO_RESULTS_URL": str(folder / "results"), "PYTHONPATH": str(CHECKOUT)}
        environment |= {"EO_CACHE_URL": str(folder / "cache")}
        environment |= {"PYGEOAPI_CONFIG": str(home / CONFIG), "HOME": str(folder / "home")}
        (folder / "home").mkdir()
        self.folder = folder
        self.cluster = kubernetes.Cluster(
            folder,
            {("configMap", "eo-pygeoapi-environment"): environment, ("secret", "eo-pygeoapi-secrets"): {}},
            {"/var/lib/eo-pygeoapi": str(home)},
        )

    def said(self) -> str:
        """The logs of the worker and of the pods."""
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    def worker(self, api: str) -> tuple[list[str], Mapping[str, str]]:
        """The command of the chart's worker, and its environment."""
        values = yaml.safe_load((FOLDER / "prefect-worker.yaml").read_text())["worker"]
        access: Manifest = {
            "clusters": [{"name": "c", "cluster": {"server": self.cluster.url}}],
            "users": [{"name": "u", "user": {}}],
        }
        access |= {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        access["current-context"] = "c"
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(access))
        settings = values["config"]
        command = [sys.executable, "-m", "prefect", "worker", "start", "--type", settings["type"]]
        command += ["--pool", settings["workPool"], "--install-policy", settings["installPolicy"]]
        command += ["--base-job-template", str(FOLDER / "job-template.json")]
        return command, {
            "PREFECT_API_URL": api,
            "PREFECT_WORKER_QUERY_SECONDS": str(settings["queryInterval"]),
            "PREFECT_WORKER_PREFETCH_SECONDS": str(settings["prefetchSeconds"]),
            "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED": "false",  # it watches pods, which are not served here
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            **{variable["name"]: variable["value"] for variable in values["extraEnvVars"]},
        }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_prefect_s_worker_makes_a_pod_for_each_job(tmp_path: Path) -> None:
    config, home = base_config(), tmp_path / "web"
    del config["resources"]["two-outputs"]
    make_sample(home / "sample")
    with ExitStack() as stack:
        api = stack.enter_context(prefect_server(tmp_path))
        made = Kubernetes(tmp_path, api, home)
        cluster = stack.enter_context(kubernetes.serving(made.cluster))
        command, environment = made.worker(api)
        stack.enter_context(running(command, tmp_path / "worker.log", environment))
        asked = {**os.environ, "PREFECT_API_URL": api}
        look = [sys.executable, "-m", "prefect", "work-pool", "inspect", "eo-pygeoapi"]
        until(lambda: subprocess.run(look, env=asked, capture_output=True).returncode == 0)
        same = {"EO_RESULTS_URL": str(tmp_path / "results"), "PYGEOAPI_CONFIG": str(home / CONFIG)}
        url = stack.enter_context(web(home, config, api, same))
        asked |= {"EO_DATA_DIR": str(home), **same}
        apply = [sys.executable, "-m", "eo_pygeoapi", "apply"]
        applied = subprocess.run(apply, env=asked, capture_output=True, text=True)
        assert applied.returncode == 0, applied.stderr
        # the work pool is still Prefect's, with our template
        pool = requests.get(f"{api}/work_pools/eo-pygeoapi", timeout=30).json()
        assert (pool["type"], pool["base_job_template"]) == ("kubernetes", template())
        begun = time.monotonic()
        inputs = {"datasetId": "sample-temperature", "start": "2025-07-01", "end": "2025-07-31"}
        answer = requests.post(f"{url}/processes/{PROCESS}/execution", json={"inputs": inputs}, timeout=60)
        assert answer.status_code == 201, answer.text
        job = f"{url}/jobs/{answer.json()['jobID']}?f=json"
        ended = until(
            lambda: found if (found := requests.get(job, timeout=30).json())["status"] in ENDED else None, 180
        )
        print(f"{time.monotonic() - begun:.1f} s from the request to the end")
        assert ended["status"] == "successful", (ended, made.said())
        assert len(cluster.manifests) == 1
        items = requests.get(f"{url}/collections/sample-temperature/items?f=json", timeout=30).json()
        assert items["numberMatched"] == 6 * 31
