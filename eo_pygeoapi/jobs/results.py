"""The outputs of a job, as they are kept in the results store, and the forms in which clients ask for them.

| key | what |
|---|---|
| `jobs/{jobID}/result.json` | the output `result` of the process `eo-aggregate-import` |
| `jobs/{jobID}/output.json` | the outputs of any other process, by their ids; bytes lie beside it as `output-{n}.bin` |
| `jobs/{jobID}/error.json` | why the job failed: `{status, code, detail}` |
"""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eo_pygeoapi.contract.status import PROCESS_ID
from eo_pygeoapi.errors import EoError, NoSuchOutputError, ResultNotAvailableError
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.store.store import MissingResultError, ResultStore

JSON = "application/json"
RESULT = "result"


@dataclass(frozen=True)
class Output:
    """One output: a JSON value, a text, or bytes, and its media type."""

    media_type: str
    value: Any

    def body(self) -> bytes:
        """Return the bare value as it is sent."""
        if isinstance(self.value, bytes):
            return self.value
        if isinstance(self.value, str) and not _is_json(self.media_type):
            return self.value.encode()
        return json.dumps(self.value, ensure_ascii=False).encode()

    def in_document(self) -> Any:
        """Return the value as a document holds it: objects and what is not JSON are qualified."""
        if isinstance(self.value, bytes):
            encoded = base64.b64encode(self.value).decode()
            return {"value": encoded, "encoding": "base64", "mediaType": self.media_type}
        if not _is_json(self.media_type):
            return {"value": self.value, "mediaType": self.media_type}
        return {"value": self.value} if isinstance(self.value, dict) or self.value is None else self.value


@dataclass(frozen=True)
class Encoded:
    """Outputs in the form that was asked for: HTTP status, headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def keep_outputs(store: ResultStore, job_id: str, outputs: Mapping[str, Output]) -> None:
    """Keep the outputs of a process other than ours."""
    kept = {}
    for number, (id_, output) in enumerate(outputs.items()):
        binary = isinstance(output.value, bytes)
        if binary:
            store.write_bytes(f"jobs/{job_id}/output-{number}.bin", output.value)
        kept[id_] = {"mediaType": output.media_type, "binary": binary, "value": None if binary else output.value}
    store.write_json(f"jobs/{job_id}/output.json", kept)


def keep_error(store: ResultStore, job_id: str, error: EoError, message: str) -> None:
    """Keep why a job failed, with the HTTP status and the code that its results are answered with."""
    kept = {"status": int(error.status), "code": error.code, "detail": message}
    store.write_json(f"jobs/{job_id}/error.json", kept)


def read_outputs(store: ResultStore, job: Job) -> dict[str, Output]:
    """Return the outputs of a successful job that were asked for, in their order.

    Raises ResultNotAvailableError where they were removed from the results store, or are in another one.
    """
    try:
        found = _read_all(store, job)
    except MissingResultError as error:
        raise ResultNotAvailableError(f"the results of job {job.id} are not in the results store any more") from error
    wanted = job.request.get("outputs")
    return found if wanted is None else {id_: output for id_, output in found.items() if id_ in wanted}


def read_output(store: ResultStore, job: Job, output_id: str) -> Output:
    """Return one output of a successful job; NoSuchOutputError when it has none of this id."""
    outputs = read_outputs(store, job)
    if output_id not in outputs:
        raise NoSuchOutputError(f"job {job.id} has no output {output_id!r}; allowed: {', '.join(outputs) or 'none'}")
    return outputs[output_id]


def encode(outputs: Mapping[str, Output], request: Mapping[str, Any], href: Callable[[str], str]) -> Encoded:
    """Return outputs in the form that the execute request asked for; `href` gives the address of an output.

    Raises ResultNotAvailableError when no output was asked for.
    """
    modes = request.get("outputs") or {}
    by_reference = {id_ for id_ in outputs if modes.get(id_) == "reference"}
    if not outputs:
        raise ResultNotAvailableError("the execution asked for no outputs")
    if request.get("response") == "document":
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
    return _multipart(outputs, by_reference, href)


def results_media_type(store: ResultStore, job: Job) -> str:
    """Return the media type that the results of a successful job are sent as."""
    try:
        encoded = encode(read_outputs(store, job), job.request, lambda _: "http://localhost")
    except ResultNotAvailableError:
        return JSON
    return encoded.headers.get("Content-Type", JSON).partition(";")[0]


def _read_all(store: ResultStore, job: Job) -> dict[str, Output]:
    if job.process_id == PROCESS_ID:
        return {RESULT: Output(JSON, store.read_json(f"jobs/{job.id}/result.json"))}
    kept: dict[str, Any] = store.read_json(f"jobs/{job.id}/output.json")
    return {id_: _read(store, job.id, number, entry) for number, (id_, entry) in enumerate(kept.items())}


def _read(store: ResultStore, job_id: str, number: int, entry: Mapping[str, Any]) -> Output:
    value = store.read_bytes(f"jobs/{job_id}/output-{number}.bin") if entry["binary"] else entry["value"]
    return Output(entry["mediaType"], value)


def _multipart(outputs: Mapping[str, Output], by_reference: set[str], href: Callable[[str], str]) -> Encoded:
    boundary = uuid.uuid4().hex
    parts = []
    for id_, output in outputs.items():
        headers = [f"Content-Type: {output.media_type}", f"Content-ID: <{id_}>"]
        if id_ in by_reference:
            headers.append(f"Content-Location: {href(id_)}")
        head = "\r\n".join([f"--{boundary}", *headers, "", ""]).encode()
        parts.append(head + (b"" if id_ in by_reference else output.body()) + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Encoded(200, {"Content-Type": f'multipart/related; boundary="{boundary}"'}, body)


def _is_json(media_type: str) -> bool:
    bare = media_type.partition(";")[0].strip()
    return bare == JSON or bare.endswith("+json")
