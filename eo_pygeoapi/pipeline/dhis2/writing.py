"""One job's writing to one data element of one DHIS2: its parts, which all of its batches share."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from eo_pygeoapi.datasets.block import Dataset, DatasetTarget
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.data_values import DataValue, data_value_set
from eo_pygeoapi.pipeline.dhis2.facts import Facts
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.new_periods import NewPeriods
from eo_pygeoapi.pipeline.dhis2.screening import Screening, unit_reason
from eo_pygeoapi.pipeline.dhis2.send import Sender
from eo_pygeoapi.pipeline.dhis2.sent import SentValues
from eo_pygeoapi.pipeline.dhis2.stored import StoredValues
from eo_pygeoapi.wording import counted

Strategy = Literal["CREATE_AND_UPDATE", "DELETE"]
logger = logging.getLogger(__name__)


@dataclass
class Writing:
    """The parts; `sender` stores values, and `deleter` deletes those that DHIS2 holds."""

    files: ImportFiles
    target: DatasetTarget
    dataset: Dataset
    facts: Facts
    screening: Screening
    stored: StoredValues
    new_periods: NewPeriods
    sent: SentValues
    sender: Sender
    deleter: Sender
    dry_run: bool

    @classmethod
    def of(
        cls, dhis2: Dhis2, files: ImportFiles, given: DatasetTarget, dataset: Dataset, facts: Facts, dry_run: bool
    ) -> Self:
        """Return the parts for a target that `facts` are of."""
        target = in_uids(given, facts)
        uids = {name: str(unit["id"]) for name, unit in facts.units.items()}
        stored = StoredValues(dhis2, target, facts.default_combo(), dataset.period_type, facts.names)

        def post(values: Sequence[DataValue], strategy: Strategy) -> Mapping[str, object]:
            doing = "deleting" if strategy == "DELETE" else "importing"
            logger.info("%s %s", "asking DHIS2 about" if dry_run else doing, counted(len(values), "data value"))
            body = data_value_set(values, target, uids)
            # which values are new and which are changed was sorted out before
            return dhis2.data_value_sets(body, dry_run=dry_run, import_strategy=strategy)

        def name_periods(periods: Sequence[str]) -> None:
            unit = next(uid for name, uid in uids.items() if unit_reason(facts, name) is None)
            dhis2.name_periods(periods, target.data_element, unit, data_set=target.data_set)

        return cls(
            files=files,
            target=target,
            dataset=dataset,
            facts=facts,
            screening=Screening(facts, dataset.period_type),
            stored=stored,
            new_periods=NewPeriods(name_periods),
            sent=SentValues(
                files.folder.store,
                target.connection,
                ledger_name(target.data_element, given),
                len(facts.units),
                target.disaggregation,
            ),
            sender=Sender(lambda values: post(values, "CREATE_AND_UPDATE"), stored, facts, dry_run),
            deleter=Sender(lambda values: post(values, "DELETE"), stored, facts, dry_run, deletes=True),
            dry_run=dry_run,
        )

    @property
    def one_period_at_a_time(self) -> bool:
        """Whether DHIS2 takes the first only of several input periods in a request, as it does until 2.42."""
        return not self.facts.is_new and bool((self.facts.data_set or {}).get("dataInputPeriods"))


def ledger_name(element_uid: str, given: DatasetTarget) -> tuple[str, str, str]:
    """Return what the values that were sent to a target are kept under."""
    return element_uid, given.category_option_combo, given.attribute_option_combo


def in_uids(target: DatasetTarget, facts: Facts) -> DatasetTarget:
    """Return the target with UIDs in place of codes, and with what DHIS2 would otherwise have to guess."""
    combos = {name: str(combo["id"]) for name, combo in facts.option_combos.items()}
    category, attribute = target.category_option_combo, target.attribute_option_combo
    several = len(facts.default_combos) > 1
    return target.model_copy(
        update={
            "data_element": str((facts.element or {})["id"]),
            "disaggregation": dict(facts.group_uids),
            # from 2.43 on it must be given where there are several
            "data_set": str(facts.data_set["id"]) if facts.data_set else target.data_set,
            "category_option_combo": combos.get(category, facts.default_combo() if several else category),
            "attribute_option_combo": combos.get(attribute, facts.default_combo() if several else attribute),
        }
    )
