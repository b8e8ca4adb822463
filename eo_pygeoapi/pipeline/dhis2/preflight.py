"""The check before an import, also before a dry one: would DHIS2 take the values, and would it show them right?

Each check says what is wrong and what to do. An error stops the import, which would store nothing or something wrong;
a warning does not.
"""

from collections.abc import Callable, Sequence

from eo_pygeoapi.contract.models import Finding, ImportSummary
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.pipeline.dhis2.checks_of_data_element import (
    check_aggregation_over_time,
    check_aggregation_over_units,
    check_data_element,
    check_zeros,
)
from eo_pygeoapi.pipeline.dhis2.checks_of_data_set import check_combinations, check_data_set, check_input_periods
from eo_pygeoapi.pipeline.dhis2.checks_of_server import (
    check_analytics,
    check_authority,
    check_calendar,
    check_identifiers,
    check_version,
)
from eo_pygeoapi.pipeline.dhis2.checks_of_values import check_opening_dates, check_periods, check_units
from eo_pygeoapi.pipeline.dhis2.data_values import Payload
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.findings import Findings

CHECKS: Sequence[Callable[[Facts, Payload, Dataset], Findings]] = (
    check_version,
    check_calendar,
    check_identifiers,
    check_authority,
    check_analytics,
    check_data_element,
    check_zeros,
    check_data_set,
    check_combinations,
    check_input_periods,
    check_units,
    check_opening_dates,
    check_periods,
    check_aggregation_over_time,
    check_aggregation_over_units,
)


def preflight(facts: Facts, payload: Payload, dataset: Dataset) -> list[Finding]:
    """Return the findings of all checks, errors first."""
    findings = [finding for check in CHECKS for finding in check(facts, payload, dataset)]
    return sorted(findings, key=lambda finding: finding.severity)  # stable, and `error` is before `warning`


def refusal(findings: Sequence[Finding], dry_run: bool) -> ImportSummary | None:
    """Return the summary of an import that these findings keep from being made; None where they do not."""
    if errors := [finding.message for finding in findings if finding.severity == "error"]:
        return ImportSummary(status="ERROR", dry_run=dry_run, reason="; ".join(errors), findings=list(findings))
    return None
