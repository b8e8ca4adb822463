"""What pages call the members of documents, and how they write their values: no JSON, no names of code."""

import re
from collections.abc import Mapping

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
_AT_STEP = re.compile(r"(\w+)( \(step \d+ of \d+\))")
_RELATIVE = re.compile(r"-P(\d+)([DMYW])")
_UNITS = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[0-9:.]*(?:Z|\+00:00)")


def worded(message: str) -> str:
    """Return the message of a job for people: `Get the data (step 3 of 7)` for `extract_source_data (step 3 of 7)`."""
    found = _AT_STEP.fullmatch(message)
    return f"{STEP_NAMES.get(found[1], found[1])}{found[2]}" if found else message


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
