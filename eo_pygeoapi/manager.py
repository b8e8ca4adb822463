"""The process manager that pygeoapi loads: it hands each execution to Prefect and answers `/jobs` from flow runs."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NoReturn

from pygeoapi.process.base import JobNotFoundError, ProcessorExecuteError, UnknownProcessError
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import JobStatus, RequestedProcessExecutionMode
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from eo_pygeoapi.datasets import validate_inputs
from eo_pygeoapi.errors import EoError, InputError, NoSuchJobError
from eo_pygeoapi.execute_request import hold_features, parse_request
from eo_pygeoapi.gateway import PrefectGateway
from eo_pygeoapi.jobs import FINAL, PROCESS_ID, Job
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.registry import DatasetRegistry
from eo_pygeoapi.results import ResultStore
from eo_pygeoapi.settings import Settings

# not the bare `application/json`, for which pygeoapi would answer HTML to clients that accept anything
JSON = "application/json; charset=utf-8"
SYNCHRONOUS_SECONDS = 30.0
RETRY_AFTER_SECONDS = 10


@lru_cache(maxsize=4)
def shared_gateway(api_url: str | None, secrets: tuple[str, ...]) -> PrefectGateway:
    """Return this process's one gateway to a Prefect server; pygeoapi makes several managers."""
    return PrefectGateway(api_url, secrets=secrets)


class PrefectManager(BaseManager):  # type: ignore[misc]
    """Jobs are Prefect flow runs; `server.manager.connection` and `output_dir` are not used.

    `gateway` and `settings` are for tests; by default they come from the environment at the first request, for
    pygeoapi makes managers at import.
    """

    def __init__(
        self,
        manager_def: dict[str, Any],
        gateway: PrefectGateway | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(manager_def)
        self.is_async = True
        self.supports_subscribing = True
        self._given_gateway = gateway
        self._given_settings = settings
        self._registry: DatasetRegistry | None = None

    # What pygeoapi calls

    def execute_process(
        self,
        process_id: str,
        data_dict: Any,
        execution_mode: RequestedProcessExecutionMode | None = None,
        requested_outputs: Any = None,
        subscriber: Any = None,
        requested_response: Any = "raw",
    ) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
        """Check the request, hand it to Prefect and return (job id, media type, outputs, status, headers).

        Raises ProcessorExecuteError, which pygeoapi answers with its status, before any run exists.
        """
        if process_id not in self.processes:
            raise UnknownProcessError("Invalid process identifier")
        try:
            if subscriber:
                raise InputError("subscriber: callbacks are not supported by this server yet; leave it out")
            output_ids = list(self.get_processor(process_id).metadata.get("outputs", {}))
            request = parse_request(data_dict, requested_outputs, requested_response, output_ids)
            if process_id == PROCESS_ID:
                return self._submit_import(data_dict, request)
            return self._submit_other(process_id, data_dict, request, execution_mode)
        except EoError as error:
            raise _execute_error(error, self._secrets) from error

    def get_jobs(self, status: Any = None, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """Return a page of jobs, newest first, and the number of all."""
        try:
            wanted = [JobStatus(status).value] if status else []
            jobs, total = self._gateway.list(limit if limit is not None else 100, offset or 0, wanted)
        except EoError as error:
            _answer_error(error, self._secrets)
        return {"jobs": [job.to_pygeoapi() for job in jobs], "numberMatched": total}

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return one job; JobNotFoundError when there is none."""
        return self._job(job_id).to_pygeoapi()

    def get_job_result(self, job_id: str) -> tuple[str, Any]:
        """Return media type and body of a successful job's results."""
        job = self._job(job_id)
        try:
            if job.status != "successful":
                raise NoSuchJobError(f"job {job_id} is {job.status} and has no results")
            if job.process_id == PROCESS_ID:
                value = self._store.read_json(f"jobs/{job_id}/result.json")
                document = job.request.get("response") == "document"
                return JSON, json.dumps({"result": {"value": value}} if document else value, ensure_ascii=False)
            return self._other_output(job)
        except EoError as error:
            _answer_error(error, self._secrets)

    def delete_job(self, job_id: str) -> bool:
        """Dismiss a job that has not ended; forget one that has."""
        job = self._job(job_id)
        try:
            if job.status in FINAL:
                self._gateway.delete(job_id)
                self._store.delete(f"jobs/{job_id}")
            else:
                self._gateway.cancel(job_id)
        except NoSuchJobError as error:
            raise JobNotFoundError() from error
        except EoError as error:
            _answer_error(error, self._secrets)
        return True

    # Inside

    def _submit_import(
        self, inputs: Mapping[str, Any], request: dict[str, Any]
    ) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
        if self._registry is None:
            self._registry = DatasetRegistry(self._settings.config)
        datasets = self._registry.datasets()
        wanted = inputs.get("datasetId")
        if isinstance(wanted, str) and wanted not in datasets:
            self._registry.raise_if_not_applied(wanted)
        execution = validate_inputs(inputs, datasets, datetime.now(UTC))
        inputs, held = hold_features(inputs, self._store)
        parameters = {"inputs": inputs, "request": request | held}
        job = self._gateway.submit(execution.inputs.dataset_id, parameters)
        return _accepted(job)

    def _submit_other(
        self,
        process_id: str,
        inputs: Mapping[str, Any],
        request: dict[str, Any],
        mode: RequestedProcessExecutionMode | None,
    ) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
        job = self._gateway.submit(process_id, {"process_id": process_id, "inputs": dict(inputs), "request": request})
        controls = self.get_processor(process_id).metadata.get("jobControlOptions", ["sync-execute"])
        if mode == RequestedProcessExecutionMode.respond_async or "sync-execute" not in controls:
            return _accepted(job)
        job = self._wait(job, SYNCHRONOUS_SECONDS)
        if job.status == "successful":
            return job.id, *self._other_output(job), JobStatus.successful, {}
        if job.status == "failed":
            answer = {"type": "InvalidParameterValue", "code": "InvalidParameterValue", "description": job.message}
            return job.id, "application/json", answer, JobStatus.failed, {}
        return _accepted(job)

    def _wait(self, job: Job, seconds: float) -> Job:
        until = time.monotonic() + seconds
        while job.status not in FINAL and time.monotonic() < until:
            time.sleep(0.25)
            job = self._gateway.get(job.id)
        return job

    def _other_output(self, job: Job) -> tuple[str, Any]:
        kept = self._store.read_json(f"jobs/{job.id}/output.json")
        value = self._store.read_bytes(f"jobs/{job.id}/output.bin") if kept["binary"] else kept["value"]
        if job.request.get("response") == "document":
            return "application/json", {"outputs": [value]}
        return kept["mediaType"], value

    def _job(self, job_id: str) -> Job:
        try:
            return self._gateway.get(job_id)
        except NoSuchJobError as error:
            raise JobNotFoundError() from error
        except EoError as error:
            _answer_error(error, self._secrets)

    @property
    def _settings(self) -> Settings:
        self._given_settings = self._given_settings or Settings()
        return self._given_settings

    @property
    def _secrets(self) -> tuple[str, ...]:
        return tuple(self._settings.secrets())

    @property
    def _gateway(self) -> PrefectGateway:
        return self._given_gateway or shared_gateway(self._settings.prefect_api_url, self._secrets)

    @property
    def _store(self) -> ResultStore:
        return ResultStore(self._settings.results)


def _accepted(job: Job) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
    # without this header pygeoapi would not send a statusInfo
    return job.id, "application/json", None, JobStatus.accepted, {"Preference-Applied": "respond-async"}


def _execute_error(error: EoError, secrets: tuple[str, ...]) -> ProcessorExecuteError:
    """Translate one of our errors for the path where pygeoapi answers with an error's own status and code."""
    answer = ProcessorExecuteError(user_msg=redact(str(error), secrets))
    answer.http_status_code = error.status
    answer.ogc_exception_code = error.code
    return answer


def _answer_error(error: EoError, secrets: tuple[str, ...]) -> NoReturn:
    """Answer with an error where pygeoapi's core knows none but "not found" and a bare 500.

    An HTTPException passes through core to Flask, which sends its response as it stands.
    """
    body = {"code": error.code, "type": error.code, "description": redact(str(error), secrets)}
    response = Response(json.dumps(body), status=int(error.status), mimetype="application/json")
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    raise HTTPException(response=response) from error
