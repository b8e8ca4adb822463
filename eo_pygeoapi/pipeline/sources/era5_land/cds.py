"""Fetch ERA5-Land from the Climate Data Store of ECMWF and Copernicus, by dhis2eo's request and ECMWF's client.

A request makes a job at the provider, which runs one job of a user at a time and lets others wait. Address and key are
those of the client itself: ECMWF_DATASTORES_URL and ECMWF_DATASTORES_KEY, or its file.
"""

import logging
import re
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import requests
from dhis2eo.data.cds.era5_land import hourly
from ecmwf.datastores import Client
from ecmwf.datastores.processing import DownloadError, LinkError, ProcessingFailedError

from eo_pygeoapi.errors import EoError, SourceCredentialError, SourceError, SourceUnavailableError
from eo_pygeoapi.pipeline.sources.era5_land.options import CDS
from eo_pygeoapi.pipeline.sources.era5_land.provider import NotPublishedError, TooLargeError, Wanted
from eo_pygeoapi.pipeline.sources.era5_land.statistics import COLLECTION
from eo_pygeoapi.store.download_cache import days_text

_LOG = logging.getLogger(__name__)
ADDRESS = CDS.defaults["url"]
_NOT_YET = re.compile(r"requested is available yet|latest date available")
# its limit of a request's cost has the status of a licence that is not accepted
_TOO_LARGE = re.compile(r"cost limits? exceeded|request is too large|request too large", re.IGNORECASE)
_LATEST = re.compile(r"latest date available\D*(\d{4}-\d{2}-\d{2})")
_MINUTE, _HOUR = 60, 3600
_LONGEST_TEXT = 600  # of the provider's own words, which may be a traceback


@dataclass(frozen=True)
class Patience:
    """How often to try and how many seconds to wait; the client alone would try 500 times for two minutes each."""

    tries: int = 4
    between_tries: float = 5.0
    answer: float = 60.0
    between_looks: float = 30.0
    queue: float = 9 * _HOUR


@dataclass(frozen=True)
class ClimateDataStore:
    """ERA5-Land hourly data of the Climate Data Store."""

    base_url: str = ""
    patience: Patience = Patience()

    name = "Climate Data Store"

    def newest(self, collection: str) -> date | None:
        """Read the end of the data of a collection in the catalogue, which is public."""
        try:
            end: datetime | None = self._client(maximum_tries=1).get_collection(collection).end_datetime
        except Exception as error:  # an old mirror may have no catalogue; the request itself tells as much
            _LOG.info("%s: its catalogue does not say how far %s goes: %s", self.name, collection, error)
            return None
        return end.date() if end else None

    def fetch(self, wanted: Wanted, folder: Path, say: Callable[[str], None]) -> list[Path]:
        """Request the hours, wait for the provider's job, and download its file; see `HourlyProvider`."""
        with _translated(self.name, _what(wanted)):
            client = self._client()
            client.check_authentication()
            remote = _submitted(client, wanted)
            began, pause, what = time.monotonic(), 1.0, _what(wanted)
            while not remote.results_ready:
                waited, request = time.monotonic() - began, f"request {remote.request_id}"
                if waited > self.patience.queue:
                    raise SourceUnavailableError(
                        f"{self.name}: {what} is not ready after {waited / _HOUR:.0f} hours ({request}, "
                        f"{remote.last_status}); try again later"
                    )
                words = "waits in the queue of" if remote.last_status == "accepted" else "is being prepared by"
                say(f"{what} {words} the {self.name}, since {waited / _MINUTE:.0f} min ({request})")
                time.sleep(min(pause, self.patience.between_looks))
                pause *= 1.5
            say(f"downloads {what} from the {self.name}")
            target = folder / "received.nc"
            remote.download(str(target))
        if not zipfile.is_zipfile(target):
            return [target]
        with zipfile.ZipFile(target) as archive:  # the provider packs several files
            archive.extractall(folder)
            return [folder / name for name in archive.namelist()]

    def _client(self, **other: Any) -> Any:
        options: dict[str, Any] = {
            "timeout": self.patience.answer,
            "retry_after": self.patience.between_tries,
            "maximum_tries": self.patience.tries,
            "sleep_max": self.patience.between_looks,
            "progress": False,
            **other,
        }
        with warnings.catch_warnings():
            # ignore warnings of a missing key and of a silent message board; the request itself will fail
            warnings.simplefilter("ignore", UserWarning)
            if self.base_url:
                return Client(url=self.base_url, **options)
            try:
                return Client(**options)
            except (FileNotFoundError, KeyError):
                return Client(url=ADDRESS, **options)


@dataclass(frozen=True)
class _OfDays:
    """A client that asks for some days of a month where dhis2eo asks for all."""

    client: Any
    days: Sequence[date]

    def submit(self, collection: str, request: Mapping[str, Any]) -> Any:
        """Submit the request for these days."""
        return self.client.submit(collection, {**request, "day": [f"{day:%d}" for day in self.days]})


def _submitted(client: Any, wanted: Wanted) -> Any:
    first = wanted.days[0]
    narrow = _OfDays(client, wanted.days)
    if wanted.daily is None:
        return hourly.request_month(narrow, first.year, first.month, wanted.box, list(wanted.variables), True)
    west, south, east, north = wanted.box
    of_month = {"year": f"{first.year}", "month": [f"{first:%m}"], "area": [north, west, south, east]}
    return narrow.submit(COLLECTION, wanted.daily.inputs(wanted.variables) | of_month)


def _what(wanted: Wanted) -> str:
    statistic = f"daily {wanted.daily.statistic} of " if wanted.daily else ""
    return f"ERA5-Land {statistic}{', '.join(wanted.variables)} {days_text(wanted.days)}"


@contextmanager
def _translated(name: str, what: str) -> Iterator[None]:
    """Turn the errors of the client into ours, with the provider's own words."""
    try:
        yield
    except EoError:
        raise
    except requests.HTTPError as error:
        raise _of_answer(error, name, what) from error
    except (requests.RequestException, DownloadError, AssertionError) as error:
        # the client asserts the size of what it downloads
        problem = f"no answer, or not a whole one, for {what}: {error}"
        raise SourceUnavailableError(f"{name}: {problem}; try again later") from error
    except ProcessingFailedError as error:
        raise SourceUnavailableError(f"{name}: the request for {what} failed: {_short(str(error))}") from error
    except ValueError as error:
        if "API key" not in str(error):
            raise SourceUnavailableError(f"{name}: answers what cannot be read, for {what}: {error}") from error
        raise SourceCredentialError(
            f"{name}: no key; set ECMWF_DATASTORES_KEY (your profile at the {name} shows it)"
        ) from error
    except (LinkError, KeyError, TypeError) as error:
        raise SourceUnavailableError(f"{name}: answers something unexpected for {what}: {error!r}") from error
    except FileNotFoundError as error:  # the client does not say why it downloaded nothing
        raise SourceUnavailableError(f"{name}: its file of {what} cannot be downloaded; try again later") from error
    except OSError as error:
        raise SourceError(f"{name}: cannot keep {what}: {error}") from error


_REFUSALS = {
    401: "refuses the key; check ECMWF_DATASTORES_KEY",
    403: "refuses; the licence of the data must be accepted once, by the owner of the key",
}


def _of_answer(error: requests.HTTPError, name: str, what: str) -> Exception:
    """Return our error for an answer of the provider."""
    answer = error.response
    try:
        said = answer.json()
        words = [str(said[key]) for key in ("title", "traceback", "detail", "message") if said.get(key)]
    except (ValueError, AttributeError, TypeError):
        words = []
    status, text = answer.status_code, _short(". ".join(words) or f"{answer.reason or 'no reason given'}")
    if status == requests.codes.bad_request and _NOT_YET.search(text):
        latest = _LATEST.search(text)
        return NotPublishedError(text, date.fromisoformat(latest[1]) if latest else None)
    if _TOO_LARGE.search(text):
        return TooLargeError(f"{name}: takes no request as large as that for {what} ({status}): {text}")
    if status >= 500 or status in (requests.codes.too_many, requests.codes.request_timeout):
        return SourceUnavailableError(f"{name}: answers {status} for {what}: {text}; try again later")
    why = _REFUSALS.get(status, f"refuses the request for {what} ({status})")
    refusal = SourceCredentialError if status in _REFUSALS else SourceError
    return refusal(f"{name}: {why}: {text}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else f"…{text[-_LONGEST_TEXT:]}"
