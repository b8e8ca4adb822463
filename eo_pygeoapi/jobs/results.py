"""The outputs of a job: how its folder keeps them, and the forms that clients request.

For processes other than ours, `output.json` describes each output, `{mediaType, binary, file}`; the value has a file of
its own, so that the API can describe a job without reading its outputs.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eo_pygeoapi.errors import EoError, NoSuchOutputError, ResultNotAvailableError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping, JsonObject
from eo_pygeoapi.store import job_folder
from eo_pygeoapi.store.job_folder import JobFolder, output_name
from eo_pygeoapi.store.store import MissingResultError, ResultStore

JSON, MULTIPART = "application/json", "multipart/related"
RESULT = "result"


@dataclass(frozen=True)
class Output:
    """One output: a JSON value, a text, or bytes, and its media type."""

    media_type: str
    value: Any

    def body(self) -> bytes:
        """Return the bare value as a response body."""
        if isinstance(self.value, bytes):
            return self.value
        if isinstance(self.value, str) and not _is_json(self.media_type):
            return self.value.encode()
        return json.dumps(self.value, ensure_ascii=False).encode()

    def in_document(self) -> object:
        """Return the value as a member of a results document: objects and non-JSON values become qualified values."""
        if isinstance(self.value, bytes):
            encoded = base64.b64encode(self.value).decode()
            return {"value": encoded, "encoding": "base64", "mediaType": self.media_type}
        if not _is_json(self.media_type):
            return {"value": self.value, "mediaType": self.media_type}
        return {"value": self.value} if isinstance(self.value, dict) or self.value is None else self.value


@dataclass(frozen=True)
class Encoded:
    """Outputs in the form of the response: HTTP status, headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def keep_outputs(folder: JobFolder, outputs: Mapping[str, Output]) -> None:
    """Keep the outputs of a process other than ours."""
    kept = {}
    for number, (id_, output) in enumerate(outputs.items()):
        binary = isinstance(output.value, bytes)
        name = output_name(number, "bin" if binary else "json")
        if binary:
            folder.write_bytes(name, output.value)
        else:
            folder.write_json(name, output.value)
        kept[id_] = {"mediaType": output.media_type, "binary": binary, "file": name}
    folder.write_json(job_folder.OUTPUTS, kept)


def keep_error(folder: JobFolder, error: EoError, message: str) -> None:
    """Keep why a job failed, with the HTTP status and OGC code for requests of its results."""
    kept = {"status": int(error.status), "code": error.code, "detail": message}
    kept |= {"event": error.event, "away": error.away}
    folder.write_json(job_folder.ERROR, kept)


def read_outputs(store: ResultStore, job: Job) -> dict[str, Output]:
    """Return the outputs of a successful job that its request wants, in their order.

    Raises ResultNotAvailableError if the results store does not have them (any more).
    """
    with _translated(job):
        return {id_: _read(store, job, kept) for id_, kept in _wanted(store, job).items()}


def read_output(store: ResultStore, job: Job, output_id: str) -> Output:
    """Return one output of a successful job and read no other; NoSuchOutputError if no wanted output has this id."""
    with _translated(job):
        wanted = _wanted(store, job)
        if output_id not in wanted:
            allowed = ", ".join(wanted) or "none"
            raise NoSuchOutputError(f"job {job.id} has no output {output_id!r}; allowed: {allowed}")
        return _read(store, job, wanted[output_id])


def encode(
    outputs: Mapping[str, Output], request: JsonMapping, href: Callable[[str], str], in_body: bool = False
) -> Encoded:
    """Return outputs in the form that the execute request wants; `href` returns the address of an output.

    With `in_body`, for clients that are given no headers, references make it a document.
    Raises ResultNotAvailableError if the request wants no outputs.
    """
    modes = request.get("outputs") or {}
    by_reference = {id_ for id_ in outputs if modes.get(id_) == "reference"}
    if not outputs:
        raise ResultNotAvailableError("the execution asked for no outputs")
    if request.get("response") == "document" or (in_body and by_reference):
        document = {
            id_: {"href": href(id_), "type": output.media_type} if id_ in by_reference else output.in_document()
            for id_, output in outputs.items()
        }
        return Encoded(200, {"Content-Type": JSON}, json.dumps(document, ensure_ascii=False).encode())
    if len(by_reference) == len(outputs):
        links = ", ".join(f'<{href(id_)}>; rel="{id_}"; type="{out.media_type}"' for id_, out in outputs.items())
        return Encoded(204, {"Link": links})
    if len(outputs) == 1:
        output = next(iter(outputs.values()))
        return Encoded(200, {"Content-Type": output.media_type}, output.body())
    boundary, parts = uuid.uuid4().hex, []
    for id_, output in outputs.items():
        headers = [f"Content-Type: {output.media_type}", f"Content-ID: <{id_}>"]
        if id_ in by_reference:
            headers.append(f"Content-Location: {href(id_)}")
        head = "\r\n".join([f"--{boundary}", *headers, "", ""]).encode()
        parts.append(head + (b"" if id_ in by_reference else output.body()) + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Encoded(200, {"Content-Type": f'{MULTIPART}; boundary="{boundary}"'}, body)


def results_media_type(store: ResultStore, job: Job) -> str:
    """Return the media type of the results of a successful job, without reading an output."""
    try:
        wanted = _wanted(store, job)
    except MissingResultError:
        return JSON
    modes = job.request.get("outputs") or {}
    by_reference = wanted and all(modes.get(id_) == "reference" for id_ in wanted)
    if not wanted or by_reference or job.request.get("response") == "document":
        return JSON
    media_types = [kept["mediaType"] for kept in wanted.values()]
    return str(media_types[0]).partition(";")[0] if len(media_types) == 1 else MULTIPART


def _wanted(store: ResultStore, job: Job) -> dict[str, JsonObject]:
    """Return the description of each wanted output, in their order; MissingResultError if it is gone."""
    if job.is_ours:
        found = {RESULT: {"mediaType": JSON, "binary": False, "file": job_folder.RESULT}}
    else:
        found = JobFolder(store, job.id).read_json(job_folder.OUTPUTS)
    wanted = job.request.get("outputs")
    return found if wanted is None else {id_: kept for id_, kept in found.items() if id_ in wanted}


def _read(store: ResultStore, job: Job, kept: JsonMapping) -> Output:
    if "file" not in kept:  # earlier versions kept values among the descriptions
        return Output(kept["mediaType"], kept["value"])
    folder = JobFolder(store, job.id)
    value = folder.read_bytes(kept["file"]) if kept["binary"] else folder.read_json(kept["file"])
    return Output(kept["mediaType"], value)


@contextmanager
def _translated(job: Job) -> Iterator[None]:
    try:
        yield
    except MissingResultError as error:
        raise ResultNotAvailableError(f"the results of job {job.id} are not in the results store any more") from error


def _is_json(media_type: str) -> bool:
    bare = media_type.partition(";")[0].strip()
    return bare == JSON or bare.endswith("+json")
