"""Download a month or a day of CHIRPS v3 from the Climate Hazards Center's server, through dhis2eo."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from dhis2eo.data.chc.chirps3 import daily
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rioxarray.exceptions import RioXarrayError

from eo_pygeoapi.errors import SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.grids.axis import Box
from eo_pygeoapi.pipeline.sources.chirps3.options import PROVIDER
from eo_pygeoapi.pipeline.sources.download import exists

VARIABLE = "precip"
_MONTHS = "/products/CHIRPS/v3.0/monthly/global/cogs/chirps-v3.0.{:%Y.%m}.cog"
_NODATA = -9999.0
_OLDEST_DAYS = 4096
_SEAM = threading.Lock()


class NotPublishedError(Exception):
    """The provider has no file for a day."""


@dataclass(frozen=True)
class Served:
    """A stage and flavor of CHIRPS in a box, and the address of its server."""

    stage: str
    flavor: str
    base_url: str
    box: Box

    @property
    def name(self) -> str:
        """The name for messages and notes."""
        return f"CHIRPS v3 {self.stage} ({self.flavor})"


def download_month(served: Served, day: date, folder: Path) -> Path | None:
    """Download the whole month of `day` into the folder; None where dhis2eo believes it unpublished.

    Raises NotPublishedError where the server lacks a day, and SourceUnavailableError or SourceError for other errors.
    """
    month = f"{day:%Y-%m}"
    with _translated(served, month):
        files = daily.download(
            start=month,
            end=month,
            bbox=served.box,
            dirname=str(folder),
            prefix=VARIABLE,
            stage=served.stage,
            flavor=served.flavor,
            var_name=VARIABLE,
        )
    return Path(files[0]) if files else None


def download_day(served: Served, day: date, file: Path) -> Path:
    """Download a day into the file and return it; raises the errors of `download_month`."""
    with _translated(served, day.isoformat()):
        daily.fetch_day(day, served.box, VARIABLE, served.stage, served.flavor).to_netcdf(file)
    return file


def download_sum(served: Served, month: date, file: Path) -> Path:
    """Download the sum of a month's days into the file and return it; raises the errors of `download_month`."""
    with _translated(served, f"{month:%Y-%m}"):
        found = daily.read_rioxarray_window(served.base_url + _MONTHS.format(month), served.box)
        rain = found.squeeze("band", drop=True).rename(VARIABLE)
        rain = rain.where(rain != _NODATA).expand_dims(time=[np.datetime64(month, "ns")]).assign_attrs(units="mm")
        rain.to_netcdf(file)
    return file


def newest_day(served: Served, until: date) -> date | None:
    """Return the newest day, not after `until`, of which the server has a file; None where it finds none."""
    if _has(served, until):
        return until
    gone = 1
    while not _has(served, until - timedelta(gone)):
        gone *= 2
        if gone > _OLDEST_DAYS:
            return None
    there, not_there = gone, gone // 2
    while there - not_there > 1:
        middle = (there + not_there) // 2
        there, not_there = (middle, not_there) if _has(served, until - timedelta(middle)) else (there, middle)
    return until - timedelta(there)


def _has(served: Served, day: date) -> bool:
    url = str(daily.url_for_day(day, served.stage, served.flavor))
    return exists(served.base_url + url.removeprefix(PROVIDER))


@contextmanager
def served_by(base_url: str) -> Iterator[None]:
    """Make dhis2eo, which has no option for it, read from `base_url`; one at a time, as this patches its module."""
    with _SEAM:
        original = daily.url_for_day

        def url_for_day(*args: object, **kwargs: object) -> str:
            return base_url + str(original(*args, **kwargs)).removeprefix(PROVIDER)

        daily.url_for_day = url_for_day
        try:
            yield
        finally:
            daily.url_for_day = original


@contextmanager
def _translated(served: Served, what: str) -> Iterator[None]:
    """Turn what dhis2eo, rioxarray and GDAL raise into our errors.

    Where a download breaks off in the header of a GeoTIFF, GDAL places the file at 0 degrees, and rasterio only warns.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", NotGeoreferencedWarning)
            yield
    except (RasterioError, NotGeoreferencedWarning) as error:
        text = f"{error} {error.__cause__ or ''}".strip()
        if "HTTP response code: 404" in text:
            raise NotPublishedError(text) from error
        if refused := next((code for code in ("401", "403") if f"HTTP response code: {code}" in text), ""):
            raise SourceError(f"{served.name}: {served.base_url} refuses {what} ({refused}): {text}") from error
        raise SourceUnavailableError(
            f"{served.name}: cannot read {what} from {served.base_url}: {text}; try again later"
        ) from error
    except RioXarrayError as error:
        # CHIRPS has all cells of the box, which ends with its grid
        raise SourceUnavailableError(
            f"{served.name}: cannot read {what} from {served.base_url}: what was received cannot be cut to "
            f"{served.box}: {error}; try again later"
        ) from error
    except OSError as error:
        raise SourceError(f"{served.name}: cannot keep {what}: {error}") from error
