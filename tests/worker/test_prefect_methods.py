"""The private methods of Prefect that the worker overrides: a version of Prefect that has others is not taken."""

import importlib.metadata
import inspect
from typing import Any

import pytest
from packaging.requirements import Requirement
from prefect import flow_engine
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from eo_pygeoapi.worker.job_configuration import ImportJobConfiguration
from eo_pygeoapi.worker.worker import ImportWorker

# what each takes, in Prefect 3.8
OVERRIDDEN = {
    "run": "self, flow_run, configuration, task_status",
    "get_and_submit_flow_runs": "self",
    "_get_scheduled_flow_runs": "self",
    "sync_with_backend": "self",
    "_submit_scheduled_flow_runs": "self, flow_run_response",
    "_propose_pending_state": "self, flow_run",
    "_emit_flow_run_submitted_event": "self, configuration",
    "_submit_run_and_capture_errors": "self, flow_run, task_status",
    "_give_worker_labels_to_flow_run": "self, flow_run_id",
    "_propose_submitting_state": "self, flow_run",
    "_propose_crashed_state": "self, flow_run, message, client",
}


def parameters(function: Any) -> str:
    return ", ".join(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_prefect_has_the_method_with_these_parameters_and_so_have_we(name: str) -> None:
    theirs = getattr(ProcessWorker, name, None)
    assert theirs is not None, f"Prefect's worker has no {name} any more: it is not called"
    assert parameters(theirs) == OVERRIDDEN[name]
    assert parameters(getattr(ImportWorker, name)) == OVERRIDDEN[name]


def test_all_methods_of_prefect_s_worker_that_are_overridden_are_listed() -> None:
    ours = {name for name, member in vars(ImportWorker).items() if inspect.isfunction(member)}
    theirs = {name for base in ImportWorker.__mro__[1:] for name in vars(base)} - {
        "__init__",
        "__aenter__",
        "__aexit__",
    }
    assert ours & theirs == set(OVERRIDDEN)
    configuration = {name for name, member in vars(ImportJobConfiguration).items() if inspect.isfunction(member)}
    assert "prepare_for_flow_run" in configuration and hasattr(ProcessJobConfiguration, "prepare_for_flow_run")


def test_the_engine_has_what_a_run_begins_beside() -> None:
    assert parameters(flow_engine.observe_flow_run_suspension)  # type: ignore[attr-defined]


def test_only_the_version_with_these_methods_is_installed() -> None:
    asked = [Requirement(text) for text in importlib.metadata.requires("eo-pygeoapi") or []]
    (prefect,) = [requirement for requirement in asked if requirement.name == "prefect"]
    assert "3.9.0" not in prefect.specifier and importlib.metadata.version("prefect") in prefect.specifier
