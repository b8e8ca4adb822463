"""Fetch ERA5-Land from Destination Earth's Earth Data Hub, a Zarr store, through dhis2eo.

The store needs the key of an account, in `EO_DESTINE_KEY` or `~/.netrc`. The one at dhis2eo's own address has not grown
since 2026-05-31. An absent chunk reads as NaN, as the sea does, so an hour without any value counts as missing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dhis2eo.data.destine.era5_land import hourly

from eo_pygeoapi.errors import EoError, SourceCredentialError, SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.sources.download import TIMEOUTS, Timeouts
from eo_pygeoapi.pipeline.sources.era5_land.provider import NotPublishedError, Wanted
from eo_pygeoapi.pipeline.sources.era5_land.variables import ERA5_LAND_VARIABLES
from eo_pygeoapi.store.download_cache import days_text

ADDRESS = "https://api.earthdatahub.destine.eu/era5/era5-land-v0.zarr"
_SEAM = threading.Lock()


@dataclass(frozen=True)
class EarthDataHub:
    """ERA5-Land hourly data of Destination Earth; `base_url` is the address of another Zarr store.

    `timeouts` are seconds to connect, and between two reads.
    """

    base_url: str = ""
    timeouts: Timeouts = TIMEOUTS

    name = "Earth Data Hub"

    def newest(self, _collection: str) -> None:
        """Say nothing: the store itself tells it when it is opened."""

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Read the hours from the store into a file; see `HourlyProvider`."""
        what = f"ERA5-Land {', '.join(wanted.variables)} {days_text(wanted.days)}"
        say(f"reads {what} from the {self.name}")
        with _translated(self.name, what):
            known = [ERA5_LAND_VARIABLES.get(name) for name in wanted.variables]
            short = [found.short if found else name for name, found in zip(wanted.variables, known, strict=True)]
            with _SEAM:  # one at a time: dhis2eo has no options for the store, so this patches its module
                original, hourly.xr = hourly.xr, _Opener(self.base_url or ADDRESS, self.timeouts)
                try:
                    store: xr.Dataset = hourly.open_zarr(short)
                finally:
                    hourly.xr = original
            latest = store["valid_time"].values[-1].astype("M8[D]").item()
            data = hourly.get_zarr_region(store, wanted.box)
            data = hourly.get_zarr_month(data, year=wanted.days[0].year, month=wanted.days[0].month)
            mine = np.isin(data["valid_time"].values.astype("M8[D]"), np.array(wanted.days, "M8[D]"))
            data = data.isel(valid_time=np.flatnonzero(mine)).load()
            filled = np.ones(data.sizes["valid_time"], bool)
            for variable in data.data_vars:
                filled &= data[variable].notnull().any(["latitude", "longitude"]).values
            stop = int(np.flatnonzero(filled).max(initial=-1)) + 1
            if not filled[:stop].all():
                moment = np.datetime_as_string(data["valid_time"].values[int(np.argmin(filled))], "h")
                raise SourceUnavailableError(f"{self.name}: lacks {moment} of {what}; try again later")
            data = data.isel(valid_time=slice(stop))
        if not data.sizes["valid_time"]:
            raise NotPublishedError(f"{self.name}: holds none of {what}", latest)
        target = folder / "received.nc"
        data.drop_encoding().to_netcdf(target)
        return [target]


@dataclass(frozen=True)
class _Opener:
    """Stands in for xarray while dhis2eo opens a store; opens the store at `address`, with these timeouts."""

    address: str
    timeouts: Timeouts

    def open_dataset(self, _place: str, storage_options: dict[str, Any], **kwargs: Any) -> xr.Dataset:
        """Open the store, for a URL with the options of dhis2eo."""
        if "://" not in self.address:
            return xr.open_dataset(self.address, **kwargs)
        from aiohttp import ClientTimeout  # for a store alone, as zarr

        connect, read = self.timeouts
        # no limit for the whole, which may take long over a slow line
        timeout = ClientTimeout(total=None, sock_connect=connect, sock_read=read)
        client = storage_options["client_kwargs"] | {"timeout": timeout, "trust_env": True}
        return xr.open_dataset(self.address, storage_options={**storage_options, "client_kwargs": client}, **kwargs)


@contextmanager
def _translated(name: str, what: str) -> Iterator[None]:
    """Turn the errors of zarr, fsspec and aiohttp into ours."""
    from aiohttp import ClientResponseError

    try:
        yield
    except (EoError, NotPublishedError):
        raise
    except ClientResponseError as error:
        message = f"{name}: answers {error.status} {error.message} for {what}"
        if error.status in (401, 403):
            raise SourceCredentialError(
                f"{message}; set EO_DESTINE_KEY, or put the key into ~/.netrc of the worker"
            ) from error
        raise SourceUnavailableError(f"{message}; try again later") from error
    except TimeoutError as error:  # it has no words of its own
        raise SourceUnavailableError(f"{name}: does not answer in time for {what}; try again later") from error
    except KeyError as error:
        raise SourceError(f"{name}: has no variable {error} ({what})") from error
    except Exception as error:  # each library below raises its own
        raise SourceUnavailableError(f"{name}: cannot read {what}: {error}; try again later") from error
