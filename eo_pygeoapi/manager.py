"""The process manager that pygeoapi loads: it hands each execution to Prefect and answers `/jobs` from flow runs."""

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NoReturn

from pygeoapi.process.base import BaseProcessor, JobNotFoundError, ProcessorExecuteError, UnknownProcessError
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import JobStatus, RequestedProcessExecutionMode, Subscriber
from starlette.exceptions import HTTPException as StarletteHTTPException
from werkzeug.exceptions import HTTPException as FlaskHTTPException
from werkzeug.wrappers import Response

from eo_pygeoapi.datasets.processes import with_companions
from eo_pygeoapi.datasets.viewer import viewer
from eo_pygeoapi.errors import RETRY_AFTER_SECONDS, EoError, NoSuchJobError
from eo_pygeoapi.gateway.gateway import PrefectGateway
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.gateway.job_filter import STATUSES, JobFilter
from eo_pygeoapi.jobs.documents import JobLinks, status_document
from eo_pygeoapi.jobs.executions import Executions
from eo_pygeoapi.jobs.exposure import listened_at, refuse_unprotected
from eo_pygeoapi.jobs.request import ExecuteBody
from eo_pygeoapi.jobs.results import encode, read_outputs
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.redaction import redact
from eo_pygeoapi.settings import Settings, process_settings
from eo_pygeoapi.store.store import ResultStore

SYNCHRONOUS_SECONDS = 30.0

Executed = tuple[str, str, Any, JobStatus, dict[str, str]]


class WholeAnswer(StarletteHTTPException, FlaskHTTPException):
    """An answer that pygeoapi's core cannot give itself: it passes through core as an exception.

    `pygeoapi serve` runs on Flask or on Starlette, and each sends an exception of its own as the answer it holds.
    """

    def __init__(self, status: int, document: JsonMapping, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(document, ensure_ascii=False)
        sent = {"Content-Type": "application/json", **(headers or {})}
        FlaskHTTPException.__init__(self, response=Response(content, status=status, headers=sent))
        StarletteHTTPException.__init__(self, status, content, sent)


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
        manager_def: JsonObject,
        gateway: PrefectGateway | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__({**manager_def, "processes": with_companions(manager_def.get("processes", {}))})
        self.is_async = True
        self.supports_subscribing = True
        self._given_gateway = gateway
        self._given_settings = settings
        self._executions: Executions | None = None

    # What pygeoapi calls

    def get_processor(self, process_id: str) -> BaseProcessor:
        """Return a processor whose description says what this manager can do with it, and is its own."""
        processor = super().get_processor(process_id)
        description = deepcopy(processor.metadata)
        controls = description.setdefault("jobControlOptions", ["sync-execute"])
        controls += [option for option in ("async-execute", "dismiss") if option not in controls]
        description["outputTransmission"] = ["value", "reference"]
        processor.metadata = description
        return processor

    def execute_process(
        self,
        process_id: str,
        data_dict: object,
        execution_mode: RequestedProcessExecutionMode | None = None,
        requested_outputs: object = None,
        subscriber: Subscriber | None = None,
        requested_response: object = "raw",
    ) -> Executed:
        """Check the request, hand it to Prefect and return (job id, media type, outputs, status, headers).

        Raises ProcessorExecuteError, which pygeoapi answers with its status, before any run exists.
        """
        if process_id not in self.processes:
            raise UnknownProcessError("Invalid process identifier")
        try:
            self._refuse_unprotected()
        except EoError as error:
            raise _execute_error(error, self.secrets) from error
        description = self.get_processor(process_id).metadata
        uris = {
            "successUri": subscriber and subscriber.success_uri,
            "inProgressUri": subscriber and subscriber.in_progress_uri,
            "failedUri": subscriber and subscriber.failed_uri,
        }
        given = None if subscriber is None else {name: uri for name, uri in uris.items() if uri is not None}
        body = ExecuteBody(data_dict, requested_outputs, requested_response, given)
        try:
            job = self._seen.submit(process_id, description, body)
            asked = execution_mode == RequestedProcessExecutionMode.respond_async
            if asked or "sync-execute" not in description["jobControlOptions"]:
                return _accepted(job)
            return self._answer(self._seen.wait(job, SYNCHRONOUS_SECONDS))
        except EoError as error:
            raise _execute_error(error, self.secrets) from error

    def get_jobs(self, status: object = None, limit: int | None = None, offset: int | None = None) -> dict[str, object]:
        """Return a page of jobs, newest first, and the number of all."""
        wanted = JobFilter(statuses=tuple(s for s in STATUSES if status and s == JobStatus(status).value))
        try:
            jobs, total = self._seen.gateway.runs.list(limit if limit is not None else 100, offset or 0, wanted)
        except EoError as error:
            _answer_error(error, self.secrets)
        return {"jobs": [job.to_pygeoapi() for job in jobs], "numberMatched": total}

    def get_job(self, job_id: str) -> dict[str, object]:
        """Return one job; JobNotFoundError when there is none."""
        return self._job(job_id).to_pygeoapi()

    def get_job_result(self, job_id: str) -> tuple[str, object]:
        """Return media type and body of a successful job's results."""
        job = self._job(job_id)
        try:
            self._seen.raise_unless_successful(job)
            encoded = encode(read_outputs(self._seen.store, job), job.request, lambda id_: f"results/{id_}")
        except EoError as error:
            _answer_error(error, self.secrets)
        # not the bare `application/json`, for which pygeoapi would answer HTML to clients that accept anything
        media_type = encoded.headers.get("Content-Type", "text/plain")
        return f"{media_type}; charset=utf-8" if media_type == "application/json" else media_type, encoded.body

    def delete_job(self, job_id: str) -> bool:
        """Dismiss a job that has not ended; forget one that has.

        Answers with the job itself: what pygeoapi would answer has no media type, on which Starlette fails.
        """
        try:
            self._refuse_unprotected()
            job = self._seen.dismiss(job_id)
        except NoSuchJobError as error:
            raise JobNotFoundError() from error
        except EoError as error:
            _answer_error(error, self.secrets)
        document = status_document(job, JobLinks(""))
        del document["links"]  # a manager is not told the address of the API
        raise WholeAnswer(HTTPStatus.OK, document)

    # What our API module uses beside

    @property
    def executions(self) -> Executions:
        """The executions of this manager and of the API module; made at the first use."""
        if self._executions is None:
            gateway = self._given_gateway or shared_gateway(self.settings.prefect_api_url, self.secrets)
            self._executions = Executions(gateway, ResultStore(self.settings.results), self.settings)
        return self._executions

    @property
    def settings(self) -> Settings:
        """The settings given, else those of this process."""
        return self._given_settings or process_settings()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets to keep out of answers."""
        return tuple(self.settings.secrets())

    # Inside

    @property
    def _seen(self) -> Executions:
        """What the viewer of the request sees; stock pygeoapi knows no tokens, so all."""
        return self.executions.seen_by(viewer())

    def _refuse_unprotected(self) -> None:
        """Raise ForbiddenError where other machines reach this server: pygeoapi's own application asks for no token."""
        remedy = "serve it with eo_pygeoapi.flask_app:APP and EO_API_TOKENS_FILE, bind to 127.0.0.1"
        refuse_unprotected(listened_at(), self.settings, remedy)

    def _answer(self, job: Job) -> Executed:
        if job.status == "successful":
            encoded = encode(read_outputs(self._seen.store, job), job.request, lambda id_: f"results/{id_}")
            media_type = encoded.headers.get("Content-Type", "text/plain")
            value = json.loads(encoded.body) if media_type == "application/json" else encoded.body
            return job.id, media_type, value, JobStatus.successful, {}
        if job.status == "failed":
            answer = {"type": "InvalidParameterValue", "code": "InvalidParameterValue", "description": job.message}
            return job.id, "application/json", answer, JobStatus.failed, {}
        return _accepted(job)

    def _job(self, job_id: str) -> Job:
        try:
            return self._seen.gateway.runs.get(job_id)
        except NoSuchJobError as error:
            raise JobNotFoundError() from error
        except EoError as error:
            _answer_error(error, self.secrets)


def _accepted(job: Job) -> Executed:
    # without this header pygeoapi would not send a statusInfo
    return job.id, "application/json", None, JobStatus.accepted, {"Preference-Applied": "respond-async"}


def _execute_error(error: EoError, secrets: tuple[str, ...]) -> ProcessorExecuteError:
    """Translate one of our errors for the path where pygeoapi answers with an error's own status and code."""
    answer = ProcessorExecuteError(user_msg=redact(str(error), secrets))
    answer.http_status_code = error.status
    answer.ogc_exception_code = error.code
    return answer


def _answer_error(error: EoError, secrets: tuple[str, ...]) -> NoReturn:
    """Answer with an error where pygeoapi's core knows none but "not found" and a bare 500."""
    body = {"code": error.code, "type": error.code, "description": redact(str(error), secrets)}
    away = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    raise WholeAnswer(error.status, body, {"Retry-After": str(RETRY_AFTER_SECONDS)} if away else {}) from error
