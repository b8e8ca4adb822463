"""Step 6: import the payload into DHIS2, or in a dry run ask what an import would do.

What DHIS2 already holds is not sent again, so that a second import changes nothing, and that an import that broke off
between two batches may simply be made again. What is sent goes in batches of whole periods, as far as they fit: from
2.43 on one period that is not open refuses everything that is sent with it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import batched, groupby

from eo_pygeoapi.datasets import DatasetTarget
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.models import ImportSummary
from eo_pygeoapi.pipeline.data_values import Payload
from eo_pygeoapi.pipeline.dhis2 import DEFAULT_OPTION_COMBO, UID, Connect, Dhis2, how_to_connect
from eo_pygeoapi.pipeline.dhis2_summary import Tally

BATCH = 10_000

DataValue = Mapping[str, str]
logger = logging.getLogger(__name__)


def import_to_dhis2(
    payload: Payload, target: DatasetTarget, dry_run: bool, connect: Connect | None, *, batch_size: int = BATCH
) -> ImportSummary:
    """Import the values that DHIS2 does not hold yet; with `dry_run` nothing is stored, but all is counted.

    `connect` opens the dataset's connection; without one, without a data element or without values the import is
    SKIPPED and the summary says why. What DHIS2 does not take is in the summary, not an error. Raises Dhis2Error for
    what DHIS2 refuses as a whole, and Dhis2UnavailableError where it is away.
    """
    data_values: list[DataValue] = payload.data_value_set["dataValues"]
    if connect is None:
        return _skipped(
            dry_run, f"there is no DHIS2 connection {target.connection!r}; {how_to_connect(target.connection)}"
        )
    if not target.data_element:
        return _skipped(dry_run, "no data element; set dhis2.dataElement in the dataset's eo: block or in the request")
    if not data_values:
        return _skipped(dry_run, "there are no values to import")
    tally = Tally()
    schemes = id_schemes(target, [data_value["orgUnit"] for data_value in data_values])
    sendable = _with_real_ids(data_values, schemes, tally)
    with connect() as dhis2:
        # here comes the preflight: calendar, data element, data set and its units, before anything is sent
        stored = _stored(dhis2, sendable, target, schemes)
        to_send = _not_stored_yet(sendable, stored, target, tally)
        for batch in batches(to_send, batch_size):
            logger.info("%s %d data values", "asking DHIS2 about" if dry_run else "importing", len(batch))
            # a batch that 2.43 refuses as a whole could be halved here
            summary = dhis2.data_value_sets(
                payload.data_value_set | {"dataValues": batch},
                dry_run=dry_run,
                import_strategy=target.import_strategy,
                id_schemes=_schemes_to_write(schemes),
            )
            tally.add(batch, summary)
    return tally.total(dry_run)


def id_schemes(target: DatasetTarget, org_units: Sequence[str]) -> dict[str, str]:
    """Return DHIS2's parameters that say which of our identifiers are UIDs and which are codes.

    What looks like a UID is one. Units are codes where none of them looks like a UID.
    """
    identifiers = {
        "dataElementIdScheme": target.data_element,
        "dataSetIdScheme": target.data_set,
        "categoryOptionComboIdScheme": target.category_option_combo,
        "attributeOptionComboIdScheme": target.attribute_option_combo,
    }
    schemes = {name: _scheme(identifier) for name, identifier in identifiers.items() if identifier}
    schemes["orgUnitIdScheme"] = "UID" if any(UID.fullmatch(unit) for unit in org_units) else "CODE"
    return schemes


def batches(data_values: Sequence[DataValue], size: int = BATCH) -> Iterator[list[DataValue]]:
    """Yield the values, ordered by period, in lists of whole periods, at most `size` values each.

    Only a period that has more values than that is divided.
    """
    batch: list[DataValue] = []
    for _, of_period in groupby(sorted(data_values, key=_period), key=_period):
        for some in batched(of_period, size):
            if batch and len(batch) + len(some) > size:
                yield batch
                batch = []
            batch += some
    if batch:
        yield batch


def _skipped(dry_run: bool, reason: str) -> ImportSummary:
    return ImportSummary(status="SKIPPED", dry_run=dry_run, reason=reason)


def _period(data_value: DataValue) -> str:
    return data_value["period"]


def _scheme(identifier: str) -> str:
    return "UID" if UID.fullmatch(identifier) else "CODE"


def _schemes_to_write(schemes: Mapping[str, str]) -> dict[str, str]:
    """Return the schemes for an import, where until 2.42 one scheme serves for both kinds of option combinations."""
    names = ("categoryOptionComboIdScheme", "attributeOptionComboIdScheme")
    given = {schemes[name] for name in names if name in schemes}
    if len(given) > 1:
        raise Dhis2Error(
            "dhis2.categoryOptionCombo is a UID and dhis2.attributeOptionCombo a code, or the reverse; "
            "allowed: two UIDs or two codes, for DHIS2 has one setting for both"
        )
    return dict(schemes) | {name: scheme for scheme in given for name in names}


def _with_real_ids(data_values: Sequence[DataValue], schemes: Mapping[str, str], tally: Tally) -> list[DataValue]:
    """Return the values whose unit can be one: one malformed UID makes 2.43 refuse all that is sent with it."""
    if schemes["orgUnitIdScheme"] != "UID":
        return list(data_values)
    sendable = []
    for data_value in data_values:
        if UID.fullmatch(data_value["orgUnit"]):
            sendable.append(data_value)
        else:
            tally.refuse(data_value, "is no UID of an organisation unit: a letter, then 10 letters or digits")
    return sendable


def _stored(
    dhis2: Dhis2, data_values: Sequence[DataValue], target: DatasetTarget, schemes: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """Return what DHIS2 holds in the cells of `data_values`, by unit and period."""
    found = dhis2.stored_values(
        target.data_element,
        sorted({data_value["period"] for data_value in data_values}),
        sorted({data_value["orgUnit"] for data_value in data_values}),
        data_set=target.data_set,
        id_schemes=schemes,
    )
    combos = {
        "categoryOptionCombo": target.category_option_combo,
        "attributeOptionCombo": target.attribute_option_combo,
    }
    for name, given in combos.items():
        combos[name] = given or _default_combo(dhis2, {value.get(name, "") for value in found})
    ours = [value for value in found if all(value.get(name, combo) == combo for name, combo in combos.items())]
    return {(value["orgUnit"], value["period"]): value["value"] for value in ours}


def _default_combo(dhis2: Dhis2, used: set[str]) -> str:
    """Return the option combination that DHIS2 takes where none is given; asks only where it is not the usual one."""
    if used <= {DEFAULT_OPTION_COMBO, ""}:
        return DEFAULT_OPTION_COMBO
    try:
        return dhis2.default_option_combo()
    except Dhis2Error as error:
        if error.transient:
            raise
        # not every user may list them; at worst values are sent again
        logger.warning("taking %s for the default option combination: %s", DEFAULT_OPTION_COMBO, error)
        return DEFAULT_OPTION_COMBO


def _not_stored_yet(
    data_values: Sequence[DataValue],
    stored: Mapping[tuple[str, str], str],
    target: DatasetTarget,
    tally: Tally,
) -> list[DataValue]:
    """Return the values to send: new ones unless the strategy is UPDATE, changed ones unless it is CREATE.

    2.43 does not know these strategies any more. (What a person changed in DHIS2 would be kept here too.)
    """
    to_send, unchanged, ignored = [], 0, 0
    for data_value in data_values:
        held = stored.get((data_value["orgUnit"], data_value["period"]))
        if held is not None and _same_number(held, data_value["value"]):
            unchanged += 1
        elif target.import_strategy == ("UPDATE" if held is None else "CREATE"):
            ignored += 1
        else:
            to_send.append(data_value)
    tally.leave("unchanged", unchanged)
    tally.leave("ignored", ignored)
    return to_send


def _same_number(left: str, right: str) -> bool:
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:  # what is stored is no number
        return False
