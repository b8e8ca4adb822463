"""What OGC API - Processes 1.0 (OGC 18-062r2) asks for, and what this service asks of itself beside it.

Ids are those of the standard without `/req/` and `/rec/`; ids without a slash are demands of our own, and what follows
`#` is the part of a requirement that its one sentence does not show. Tests say what they are about with
`@pytest.mark.requirement(id, …)`; `test_requirements.py` compares the two.
"""

from collections.abc import Mapping

SELF_DESCRIPTION = {
    "core/http": "answers are HTTP/1.1",
    "core/landingpage-op": "`GET /` is answered",
    "core/landingpage-success": "with 200 and links to the API definition, the declaration and the processes",
    "job-list/job-list-landing-page": "the landing page links to the job list",
    "core/api-definition-op": "each link to the API definition can be followed",
    "core/api-definition-success": "with 200, in the media type that the link says",
    "core/conformance-op": "`GET /conformance` is answered",
    "core/conformance-success": "with 200 and the URIs of all classes that are met",
    "conformance-declaration": "all eight classes of the standard are declared, and no other of its",
}

PROCESSES = {
    "core/process-list": "`GET /processes` is answered",
    "core/process-list-success": "with 200, processes and links; each process has an id, a version and known options",
    "core/pl-links": "the process list links to itself and to its page",
    "core/pl-limit-definition": "`limit` is a whole number of at least 1, anything else is refused",
    "core/pl-limit-response": "never more processes than asked for; too large a limit is lowered, not refused",
    "core/next-1": "a page of the process list has a link `next` when there are more",
    "core/next-2": "the link `next` gives processes that were not on the page",
    "core/next-3": "following `next` gives every process once",
    "core/process": "`GET /processes/{id}` is answered",
    "core/process-success": "with 200, the summary of the list, and inputs, outputs and job control options",
    "core/process-exception/no-such-process": "an unknown process is 404 with the type no-such-process",
    "execute-link": "a description links to where the process is executed",
    "jobControlOptions-has-dismiss": "every process says that its jobs can be dismissed",
    "ogc-process-description/json-encoding": "descriptions are JSON of the standard's form",
    "ogc-process-description/inputs-def": "inputs are an object by their ids",
    "ogc-process-description/input-def": "an input has a schema in OpenAPI 3.0 words, and occurrences",
    "ogc-process-description/outputs-def": "outputs are an object by their ids",
    "ogc-process-description/output-def": "an output has a schema in OpenAPI 3.0 words",
    "ogc-process-description/input-mixed-type": "an input of several types says so with `oneOf`",
    "ogc-process-description/output-mixed-type": "an output of several types says so with `oneOf`",
    "description-example-is-valid": "every example is valid; what has a default may be left out",
}

EXECUTION = {
    "core/process-execute-op": "`POST /processes/{id}/execution` is answered",
    "core/process-execute-request": "its body is a JSON object of inputs, outputs, response and subscriber",
    "execute-unknown-process": "executing an unknown process is 404 with the type no-such-process",
    "core/process-execute-default-execution-mode": "without `Prefer` the answer is the result where that is offered",
    "core/process-execute-auto-execution-mode": "with `respond-async` a process runs in a mode that it has",
    "core/process-execute-honor-prefer": "`respond-async` gives a job wherever it is offered",
    "core/process-execute-honor-prefer#forms": "`Prefer` is read in every form of RFC 7240",
    "wait-is-bounded": "`wait=N` holds the answer N seconds, or our maximum, and then gives a job that goes on",
    "core/process-execute-preference-applied": "an honoured `respond-async` is named in the answer",
    "preference-applied-only-when-asked": "no preference is named that was not asked for",
    "core/process-execute-success-async": "201, the job's absolute address in `Location`, and its status as JSON",
    "core/job-results-success-sync": "a synchronous answer says in `Link` where its job is",
}

INPUTS = {
    "core/process-execute-inputs": "inputs are given inline or by reference, and checked alike",
    "core/process-execute-input-inline-object": "an object is given as `{value}` or plainly",
    "core/process-execute-input-mixed-type": "an input of several types is given as `{value}` or plainly",
    "core/process-execute-input-inline-binary": "binary values are given as base64 text",
    "core/process-execute-input-array": "an input that may occur several times is a list, each item of it is checked",
    "core/process-execute-input-inline-bbox": "a bounding box is four or six numbers, with or without a system",
    "core/process-execute-input-validation": "each value is checked against its schema, without coercion",
    "core/process-execute-input-validation#abstract-test": "the error names every wrong input by its id",
    "unknown-input-is-400": "an input that is not described is refused",
    "bad-json-is-400": "a body that is no JSON is refused",
    "empty-body-is-400": "an empty body is refused",
    "inputs-not-an-object-is-400": "inputs that are no object are refused",
    "json-array-body-is-400": "an array as a body is refused",
    "json-null-is-400": "null as a body is refused",
    "json-number-is-400": "a number as a body is refused",
    "outputs-not-an-object-is-400": "outputs that are no object are refused",
    "response-not-raw-or-document-is-400": "a response that is neither raw nor document is refused",
    "unknown-output-is-400": "an output that the process does not have is refused",
    "good-inputs-succeed": "the example of a description, executed as it stands, ends successful",
}

RESULTS = {
    "core/job-results": "`GET /jobs/{id}/results` of a successful job is 200",
    "core/process-execute-sync-raw-value-one": "synchronous, raw, one output: its bare value",
    "core/job-results-async-raw-value-one": "asynchronous, raw, one output: its bare value",
    "core/process-execute-sync-raw-value-multi": "synchronous, raw, several outputs: multipart, a part for each",
    "core/job-results-async-raw-value-multi": "asynchronous, raw, several outputs: multipart, a part for each",
    "core/process-execute-sync-raw-mixed-multi": "synchronous, raw, some by reference: those parts say where",
    "core/job-results-async-raw-mixed-multi": "asynchronous, raw, some by reference: those parts say where",
    "core/process-execute-sync-raw-ref": "synchronous, raw, all by reference: 204 with a `Link` for each",
    "core/job-results-async-raw-ref": "asynchronous, raw, all by reference: 204 with a `Link` for each",
    "core/process-execute-sync-document": "synchronous, document: an object of qualified values and references",
    "core/job-results-async-document": "asynchronous, document: an object of qualified values and references",
    "core/process-execute-default-outputs": "no `outputs` are all outputs",
    "outputs-selection": "only the outputs that were asked for are given",
    "results-accept-any-is-not-html": "results are a page only for those who prefer pages",
    "core/job-results-exception/no-such-job": "results of an unknown job are 404 with the type no-such-job",
    "core/job-results-exception/results-not-ready": "results before the end are 404 with the type result-not-ready",
    "core/job-results-failed": "results of a failed job are an error by its reason: 400, 502, 504 or 500",
    "failed-results-carry-reason": "the error says what the job's message says",
    "core/job-result-op": "(2.0) `GET /jobs/{id}/results/{outputId}` is the bare value of one output",
    "core/process-execute-empty-outputs": "(2.0) `outputs: {}` makes none: 204, later result-not-available",
}

STATUS = {
    "core/job": "`GET /jobs/{id}` is answered in every state",
    "core/job-success": "with 200 and a valid statusInfo without nulls",
    "core/job-exception-no-such-job": "an unknown job is 404 with the type no-such-job",
    "core/job-status": "an ended job has all its times, in order; `updated` follows each change; no `started` before",
    "status-running-is-seen": "a job of some seconds is seen running",
    "progress-monotonic": "progress never falls and is 100 at success",
    "core/job-links": "(2.0) links to itself, the list, the log, its page, its results or why it failed",
    "no-results-link-before-success": "results are linked only when there are any",
    "statusInfo": "(2.0) the draft's members stand beside those of 1.0",
}

DISMISSAL = {
    "dismiss/job-dismiss-op": "`DELETE /jobs/{id}` is answered in every state, at once after the 201 too",
    "dismiss/job-dismiss-success": "with 200 and a full statusInfo that says dismissed",
    "dismiss/job-dismiss-op#unknown-job": "dismissing an unknown job is 404 with the type no-such-job",
    "dismiss/job-dismiss-status": "(2.0) what has not ended stays and is dismissed, what has is removed",
    "dismissed-stays-dismissed": "a dismissed job never becomes anything else",
    "dismissed-has-no-results": "its results are 404 with the type result-not-available",
    "dismiss-twice": "dismissing again is 200 or 404, never a server error",
}

JOB_LIST = {
    "job-list/job-list-op": "`GET /jobs` is answered",
    "job-list/job-list-success": "with 200, valid statusInfos and links",
    "job-list/processID-mandatory": "each of them says its process",
    "job-list/links": "the list links to itself and to its page",
    "job-list/limit-definition": "`limit` is a whole number of at least 1, `offset` of at least 0, else 400",
    "job-list/limit-response": "never more jobs than asked for; too large a limit is lowered; past the end is nothing",
    "job-list/next-1": "`next` exactly when more jobs match, `prev` after the first page",
    "job-list/next-2": "both keep the other parameters",
    "job-list/next-3": "following `next` reaches every job once",
    "numberMatched": "the list says how many jobs match, and how many it holds",
    "job-list-newest-first": "the newest job comes first, across pages",
    "job-list/status-definition": "`status` is one or several known statuses, else 400",
    "job-list/status-response": "only jobs of these statuses are listed",
    "job-list/processID-definition": "`processID` is one or several ids",
    "job-list/processid-response": "only jobs of these processes are listed; an unknown one matches nothing",
    "job-list/type-definition": "`type` is one or several types",
    "job-list/type-response": "jobs are of the type process, and no other",
    "job-list/datetime-definition": "`datetime` is an instant or an interval, open or not, else 400",
    "job-list/datetime-response": "only jobs made then are listed, bounds included",
    "job-list/duration-definition": "`minDuration` and `maxDuration` are whole seconds, else 400",
    "job-list/duration-response": "only jobs that took so long, or have by now, are listed; filters combine",
}

CALLBACKS = {
    "callback/job-callback": "a subscriber is told of the beginning, and within 10 s of success or failure",
    "callback-body-is-results": "it is sent what the results are answered with",
    "subscriber-without-successUri-is-400": "a subscriber without `successUri` is refused",
    "subscriber-not-an-object-is-400": "a subscriber that is no object, or no absolute http(s) address, is refused",
    "unreachable-subscriber-does-not-fail-job": "who cannot be told changes nothing; private addresses are refused",
}

ENCODINGS = {
    "json/definition": "JSON is the default everywhere",
    "html/definition": "every resource is a page too, by `Accept` and by `f=html`",
    "html/content": "a page shows and links what the JSON document does",
    "oas30/oas-definition-1": "the API definition is valid OpenAPI 3.0",
    "oas30/oas-definition-2": "it comes in OpenAPI's media type, and as a page",
    "oas30/oas-impl": "it describes every operation, and none that does not work",
    "oas30/completeness": "it describes every status that is sent",
    "oas30/exceptions-codes": "it describes the errors of each operation",
    "oas30/security": "it says where tokens are needed; 401 says how to bring one",
}

ERRORS = {
    "core/problem-details": "every error is a problem document (RFC 7807), those of the framework too",
    "engine-away-is-503": "without Prefect job calls are 503 within 5 s",
    "json-is-not-html-escaped": "messages are no HTML",
    "http-head": "HEAD is answered as GET is, without a body",
    "core/cross-origin": "pages of other origins may read and execute",
    "core/access-control-expose-headers": "they may read `Location`, of the 201 too",
}

REQUIREMENTS: Mapping[str, str] = {
    **SELF_DESCRIPTION,
    **PROCESSES,
    **EXECUTION,
    **INPUTS,
    **RESULTS,
    **STATUS,
    **DISMISSAL,
    **JOB_LIST,
    **CALLBACKS,
    **ENCODINGS,
    **ERRORS,
}
