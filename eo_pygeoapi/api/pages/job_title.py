"""What people call a job: its dataset, its dates and what came of it; and what to do about one that failed."""

import re
from collections.abc import Mapping
from datetime import date

from eo_pygeoapi.contract.status import BACKFILL_ID, FINAL, PROCESS_ID, RECONCILE_ID
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.gateway.job import Job
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.watch.feed_jobs import days_asked

# how the message of a job that has ended counts: `finished: 434 values; in DHIS2: 403 new, 31 rejected`
_VALUES = re.compile(r"finished: (\d+ values?)")
_IN_DHIS2 = re.compile(r"; in DHIS2: ([^;]+)")
_MONTH = re.compile(r"\d{4}-\d{2}")
_OF_DAYS = re.compile(r" of \d{4}-\d{2}-\d{2} to \d{4}-\d{2}-\d{2}")  # the title has said so
_DRY = "a dry run, nothing is changed; "
_AGAIN = "When that is done, run it again; runs of a schedule go on by themselves."


def title_of(job: Job, datasets: Mapping[str, Dataset]) -> str:
    """Return the title of a job: `Rain, 1 to 31 July 2025: 403 new, 31 rejected in DHIS2`."""
    if not job.is_ours:
        return f"{job.process_id}: {_state(job)}"
    id_ = job.dataset or job.deployment
    dataset = datasets.get(id_)
    about = [(dataset.title if dataset else "") or id_ or job.process_id, dates_of(_counted(job, dataset))]
    return f"{', '.join(filter(None, about))}: {_outcome(job)}"


def _counted(job: Job, dataset: Dataset | None) -> JsonMapping:
    """Return the dates of a job, those counted from its scheduled time (`-P30D`) as the days that these are."""
    asked = {name: str(job.inputs[name]) for name in ("datetime", "start", "end") if job.inputs.get(name)}
    if not any("P" in text for text in asked.values()):
        return asked
    days = days_asked(asked, job.dataset or job.process_id, dataset.time_zone if dataset else "UTC", job.created)
    return {"start": days.start.isoformat(), "end": days.end.isoformat()} if days else asked


def dates_of(inputs: JsonMapping) -> str:
    """Return the dates that a request names, as people write them: `1 to 31 July 2025`; nothing where it has none."""
    start, _, end = str(inputs.get("datetime") or "").partition("/")
    start, end = str(inputs.get("start") or start), str(inputs.get("end") or end or start)
    first, last = _day(start), _day(end)
    day, _, month = first.partition(" ")
    if first == last:
        return first
    return f"{day if month and month == last.partition(' ')[2] else first} to {last}"


def what_to_do(job: Job, error: JsonMapping) -> str:
    """Return what a person does first about a job that failed with this recorded error."""
    if job.status != "failed":
        return ""
    status, event = error.get("status"), error.get("event")
    if event == "credential":
        return f"Check the user, token or key that the message names, and what it may do. {_AGAIN}"
    if event == "stale-provider":
        return "Ask the provider, or set another provider or address in the dataset's options."
    if status == 504:
        return "Wait: what is away now may be back within minutes or hours. Then run it again."
    if status == 404:
        return "Ask for days that the provider has; the page of the dataset says until when."
    if status == 400:
        return "Correct the inputs or the setting that the message names, and run it again."
    if status == 502:
        return f"Mend what the message names, at the provider, in DHIS2 or in the dataset's block. {_AGAIN}"
    return "Look at the log: its last lines say what happened. `eo-pygeoapi check` finds mistakes of the installation."


def _outcome(job: Job) -> str:
    kind = "dry run" if job.inputs.get("dryRun", True) is not False else "import"
    if job.process_id != PROCESS_ID:
        name = job.process_id.removeprefix("eo-")
        kind = f"{name}, dry run" if kind == "dry run" and job.process_id != RECONCILE_ID else name
        if job.status == "successful":
            said = job.message.removeprefix("finished: ")
            about = "comparison" if job.process_id == RECONCILE_ID else name
            only_estimated = job.process_id == BACKFILL_ID and job.inputs.get("dryRun", True) is not False
            about = f"{about}, dry run" if only_estimated or said.startswith(_DRY) else about
            said = _OF_DAYS.sub("", said.removeprefix(_DRY))
            return f"{about} {said}" if said.startswith("of ") else f"{about}: {said}"
    if job.status != "successful":
        return f"{kind} {_state(job)}"
    changed, values = _IN_DHIS2.search(job.message), _VALUES.search(job.message)
    if changed:
        return f"{changed[1]} in DHIS2"
    return f"{kind}, {values[1]}" if values else kind


def _state(job: Job) -> str:
    return job.status if job.status in (*FINAL, "running") else "waiting"


def _day(text: str) -> str:
    is_month = _MONTH.fullmatch(text)
    try:
        day = date.fromisoformat(f"{text}-01" if is_month else text)
    except ValueError:
        return text  # a year
    return f"{day:%B %Y}" if is_month else f"{day.day} {day:%B %Y}"
