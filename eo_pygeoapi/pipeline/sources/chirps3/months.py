"""The months of CHIRPS v3: CHC's own sums of days, one file a month where the days are about thirty.

They are taken for values that are sums over whole months. dhis2eo does not know them, but reads the window of a file.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import cast

from eo_pygeoapi.contract.periods import periods_in, whole_months
from eo_pygeoapi.dates import end_of_month
from eo_pygeoapi.pipeline.sources.chirps3 import chc
from eo_pygeoapi.pipeline.sources.chirps3.options import MOST_IN_A_DAY, Chirps3Options
from eo_pygeoapi.pipeline.sources.product_folder import ProductFolder
from eo_pygeoapi.pipeline.sources.request import SourceRequest
from eo_pygeoapi.store.download_cache import CachedFile

LIMITS = (0.0, 31 * MOST_IN_A_DAY)  # of a cell, in mm a month
_PRODUCT = "final-months"


def fits(request: SourceRequest) -> bool:
    """Tell whether the values are sums over whole months, and the options do not ask for days."""
    dataset = request.dataset
    periods = periods_in(request.interval, dataset.period_type)
    sums_of_months = dataset.sums_steps and whole_months(periods) and dataset.units.from_ == "mm"
    return cast(Chirps3Options, dataset.options).by_months(sums_of_months)


def are_months(files: Sequence[str]) -> bool:
    """Tell whether kept files are months, by the folder that they are in."""
    return bool(files) and Path(files[0]).parent.name.startswith(f"{_PRODUCT}-")


@dataclass(frozen=True)
class Months:
    """The months in a box, and the folder of their files."""

    served: chc.Served
    folder: ProductFolder

    @classmethod
    def of(cls, request: SourceRequest, days: chc.Served) -> "Months":
        """Return those of the same server and box as the days."""
        served = replace(days, flavor="months")
        key = {"address": served.base_url, "box": list(served.box)}
        return cls(served, ProductFolder.of(request.cache, "chirps3", _PRODUCT, served.name, "M", key, request.shared))

    def fetch(
        self, wanted: Sequence[date], today: date, say: Callable[[str], None]
    ) -> tuple[list[CachedFile], list[date]]:
        """Fetch the months of these days that are not kept; return the files, in order, and the days without one."""
        self.folder.make()
        _, missing = self.folder.covering(chc.VARIABLE, wanted, today)
        for first in sorted({day.replace(day=1) for day in missing}):
            if end_of_month(first) >= today:
                break
            with self.folder.locked(say, part := f"{first:%Y-%m}"):
                if self.folder.covering(chc.VARIABLE, [first], today, locked=True)[1]:
                    say(f"downloads {self.served.name} {part}")
                    self._download(first, part)
        files, missing = self.folder.covering(chc.VARIABLE, wanted, today)
        return sorted(files, key=lambda file: file.first), missing

    def _download(self, first: date, part: str) -> None:
        with self.folder.unfinished(part) as unfinished, suppress(chc.NotPublishedError):
            file = chc.download_sum(self.served, first, Path(unfinished, "month.nc"))
            self.folder.keep(file, chc.VARIABLE, first, end_of_month(first))
