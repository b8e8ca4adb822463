"""Make what a plan says: DHIS2 checks all of it first, then stores all of it or nothing."""

from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.metadata.plan import Plan
from eo_pygeoapi.wording import some

_DIVIDING = ("categoryOptions", "categories", "categoryCombos")


def make(dhis2: Dhis2, plan: Plan, *, change: bool) -> None:
    """Make what DHIS2 lacks, and with `change` put right what differs.

    Raises Dhis2Error with DHIS2's reasons where it refuses; then it has stored nothing.
    """
    objects = plan.objects(change)
    if not objects:
        return
    for only_check in (True, False):
        if refused := dhis2.import_metadata(objects, only_check=only_check):
            raise Dhis2Error(f"DHIS2 refused the metadata, and nothing was made: {some(refused, 10)}")
    if any(collection in objects for collection in _DIVIDING):
        dhis2.make_option_combos()
