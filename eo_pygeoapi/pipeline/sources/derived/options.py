"""Options of the source `derived`: values of another dataset, seen against its own past."""

import re
from math import ceil
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from eo_pygeoapi.contract.calendars import CALENDARS
from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.datasets.source import SourceInfo, SourceOptions, Values, YamlText

_SHARE_OF_YEARS = 0.8
_SPI = r"spi-([1-9]|1\d|2[0-4])"
STATISTICS = {
    "normal": "the mean of the reference period at this time of the year",
    "anomaly": "the value less the normal",
    "percent-of-normal": "100 times the value by the normal",
    "percentile": "the percentage of reference years with a lower value; one as high counts half",
    "rank": "1 for a value that no reference year exceeds, 2 where one does, and so on",
}
_SPI_METHOD = (
    "the standardised precipitation index of {months} months: the normal quantile of q + (1 - q) G(x), with the share "
    "q of zeros and the gamma distribution G of the other sums in the reference period, by Thom's estimate of maximum "
    "likelihood, within -3.09 and 3.09; none where more than half of these years are without rain. "
    "Reference: McKee, Doesken and Kleist (1993); WMO-No. 1090 (2012)"
)


def _known(name: str) -> str:
    if name not in STATISTICS and not re.fullmatch(_SPI, name):
        raise ValueError(f"{name!r} is not allowed; allowed: {', '.join(STATISTICS)}, and spi-1 to spi-24")
    return name


def _years(text: str) -> str:
    first, _, last = text.partition("-")
    if last <= first:
        raise ValueError(f"{text!r} is no period of years; allowed: the first and the last, such as 1991-2020")
    return text


def _count(reference: str) -> int:
    first, _, last = reference.partition("-")
    return int(last) - int(first) + 1


class DerivedOptions(SourceOptions):
    """Values of another dataset, seen against its own past."""

    of: Annotated[YamlText, Field(min_length=1)] = Field(description="the dataset whose published values these are of")
    statistic: Annotated[YamlText, AfterValidator(_known)] = Field(
        description=f"{', '.join(STATISTICS)}, or the standardised precipitation index spi-1 to spi-24"
    )
    reference: Annotated[YamlText, Field(pattern=r"^\d{4}-\d{4}$"), AfterValidator(_years)] = Field(
        "1991-2020", description="first and last year of the reference period, Gregorian ones"
    )
    min_years: Annotated[int, Field(ge=2)] | None = Field(
        None, description="how many of its years must have a value; four fifths if it is not given, as WMO asks"
    )
    least_normal: Annotated[float, Field(ge=0)] = Field(
        1.0, description="of percent-of-normal: the lowest normal of which a percentage is taken, in the values' units"
    )

    @field_validator("min_years")
    @classmethod
    def _no_more_than_there_are(cls, wanted: int | None, known: ValidationInfo) -> int | None:
        if wanted is not None and "reference" in known.data and wanted > (most := _count(known.data["reference"])):
            raise ValueError(f"{wanted} of the {most} years {known.data['reference']} cannot be; allowed: 2 to {most}")
        return wanted

    def defaults(self) -> dict[str, Any]:
        """Monthly, with two decimals, an SPI with three; percentages are so in their units."""
        percent = {"units": {"to": "percent"}} if self.statistic in ("percent-of-normal", "percentile") else {}
        return {"periodType": "monthly", "decimals": self._decimals(), **percent}

    def _decimals(self) -> int:
        if self.statistic == "rank":
            return 0
        return 3 if self.months else 2

    def taken_from(self) -> str:
        """The dataset whose published values these are of."""
        return self.of

    def method(self) -> str:
        """How the statistic is computed."""
        said = STATISTICS.get(self.statistic) or _SPI_METHOD.format(months=self.months)
        return f"{self.statistic} of {self.of}: {said}. Reference period {self.reference}"

    def refuses(self, aggregation: Aggregation) -> str:
        """Published values are not aggregated again."""
        return "" if aggregation == Aggregation() else f"the values of {self.of} are aggregated already; leave it out"

    def refuses_values(self, of: Values) -> str:
        """A direction has no mean of numbers, degC no ratio, and the index is one of amounts."""
        if of.directions:
            return f"{self.of} is a direction, and 350 and 10 degrees have no mean of numbers; allowed: other datasets"
        if self.statistic == "percent-of-normal" and of.has_offset:
            return f"{self.of} is in {of.unit}, whose 0 is not nothing, so there is no percentage; allowed: anomaly"
        if self.months and not of.never_negative:
            return (
                f"{self.statistic} is of amounts, and {self.of} may be below 0; allowed: a dataset of rain, or one "
                "with plausible: [0, null]"
            )
        return ""

    def period_types(self) -> tuple[str, ...]:
        """The standardised precipitation index is one of months."""
        return ("monthly", *(f"monthly{calendar}" for calendar in CALENDARS)) if self.months else ()

    @property
    def months(self) -> int:
        """How many months the standardised precipitation index adds up; 0 for other statistics."""
        return int(self.statistic[4:]) if self.statistic.startswith("spi-") else 0

    @property
    def needed_years(self) -> int:
        """How many years of the reference period must have a value."""
        return self.min_years or max(2, ceil(_SHARE_OF_YEARS * _count(self.reference)))

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last year of the reference period."""
        first, _, last = self.reference.partition("-")
        return int(first), int(last)


INFO = SourceInfo(
    title="Values against what is normal",
    options=DerivedOptions,
    source="eo_pygeoapi.pipeline.sources.derived.source:DerivedSource",
    licence="that of the dataset whose values these are of",
    citation="that of the dataset whose values these are of",
    across_180=True,
)
