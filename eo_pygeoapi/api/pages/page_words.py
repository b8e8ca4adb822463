"""What pages call the members of documents, and how they write their values: no JSON, no names of code."""

import re
from collections.abc import Mapping
from datetime import date

from eo_pygeoapi.contract.status import FINAL

# what a step of an import does, by the name of its task
STEP_NAMES: Mapping[str, str] = {
    "validate_inputs": "Check the request",
    "load_org_units": "Load the organisation units",
    "extract_source_data": "Get the data",
    "aggregate_to_org_units": "Compute the value of each unit",
    "build_dhis2_payload": "Make the values for DHIS2",
    "import_to_dhis2": "Import into DHIS2",
    "publish_results": "Publish the results",
}
_WORDS: Mapping[str, str] = {
    "datasetId": "Dataset",
    "start": "From",
    "end": "To",
    "orgUnitLevel": "Organisation unit level",
    "orgUnitIds": "Organisation units",
    "parentOrgUnit": "Below the unit",
    "orgUnits": "Organisation units",
    "dhis2": "DHIS2",
    "jobId": "Job",
    "undone": "Job undone",
    "status": "Outcome",
    "importStrategy": "What is sent",
    "onConflict": "Where somebody else stored a value",
    "cellCount": "Values looked at",
    "rejectedCount": "Rejected",
    "keptCount": "Kept",
    "imported": "New",
    "updated": "Changed",
    "downloadMiB": "Download, MiB",
    "storeMiB": "Kept on disk, MiB",
    "dhis2Minutes": "Minutes of importing",
    "ends": "Ends about",
    "chunks": "Jobs",
}
_VALUES: Mapping[str, str] = {
    "SUCCESS": "done",
    "WARNING": "done, with warnings",
    "ERROR": "failed",
    "SKIPPED": "nothing was sent",
    "CREATE_AND_UPDATE": "new and changed values",
    "CREATE": "new values only",
    "UPDATE": "changed values only",
    "keep": "it is kept",
    "overwrite": "it is overwritten",
}
_AT_STEP = re.compile(rf"\b({'|'.join(STEP_NAMES)})( \(step \d+ of \d+\)|: )")
_OF_ENDED: Mapping[str, str] = {"waiting": "not reached", "running": "broken off"}
_RELATIVE = re.compile(r"-P(\d+)([DMYW])")
_UNITS = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[0-9:.]*(?:Z|\+00:00)")


def worded(message: str) -> str:
    """Return the message of a job, or a line of its log, for people: `Get the data (step 3 of 7)`."""
    return _AT_STEP.sub(lambda found: f"{STEP_NAMES[found[1]]}{found[2]}", message)


def step_word(step: str, job: str) -> str:
    """Return the status of a step for people: what a job that has ended did not come to waits for nothing."""
    return _OF_ENDED.get(step, step) if job in FINAL else step


def day_in_words(day: str) -> str:
    """Return `1 July 2025` for `2025-07-01`."""
    found = date.fromisoformat(day)
    return f"{found.day} {found:%B %Y}"


def besides_dhis2(summary: str) -> str:
    """Return what the summary of a dataset says besides until when its values are in DHIS2, which stands beside it."""
    first, _, rest = summary.partition("; ")
    return rest if first.startswith("in DHIS2 until") else summary


def words_of(name: str) -> str:
    """Return what people call a member of a document: `Dry run` for `dryRun`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return _WORDS.get(name) or apart[:1].upper() + apart[1:].lower()


def written(value: object) -> str:
    """Write a value for people: `yes`, `1,234.5`, `62 days before it runs`, a list with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1_000_000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{words_of(str(name)).lower()} {written(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(written, value))
    text = str(value)
    if found := _RELATIVE.fullmatch(text):
        number, unit = int(found[1]), _UNITS[found[2]]
        return f"{number} {unit if number == 1 else f'{unit}s'} before it runs"
    if found := _INSTANT.fullmatch(text):
        return f"{found[1]} {found[2]} UTC"
    return _VALUES.get(text, text)
