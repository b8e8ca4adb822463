"""Cache weights: in the memory of the process, and for fine grids in a store that workers share.

The key is a hash of the content, grid and geometries, so an entry cannot be out of date.
"""

import hashlib
import io
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from importlib.metadata import version
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eo_pygeoapi.errors import EoError
from eo_pygeoapi.pipeline.grids.frames import Frame
from eo_pygeoapi.pipeline.zonal.coverage import CoverageWeights, as_wkb, weights_of

KEPT_BYTES = 32 * 2**20  # of memory, for the latest weights
SLOW = 1_000_000  # cells of a grid whose weights are worth a file, as computing them takes seconds
SLOW_UNITS = 10_000
_HASHED_TOGETHER = 200  # geometries: fewer wait for their turn among threads too often, more need new memory each time
_FORM = f"1 {version('exactextract')}"  # of the file; change it when older versions would misread the file

_ARRAYS = tuple(field.name for field in fields(CoverageWeights) if field.name != "frame")

_logger = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps bytes by key, such as `results.ResultStore`."""

    def read_bytes(self, key: str) -> bytes:
        """Return the bytes of a key; raise EoError where there are none."""

    def write_bytes(self, key: str, value: bytes) -> None:
        """Keep bytes under a key."""


def content_key(frame: Frame, wkb: NDArray[np.object_]) -> str:
    """Return a hash of a grid and of geometries `as_wkb`, in their order."""
    digest = hashlib.sha256(f"{_FORM} {frame!r} {len(wkb)}".encode())
    for n in range(0, len(wkb), _HASHED_TOGETHER):
        digest.update(b"".join(b"none" if one is None else one for one in wkb[n : n + _HASHED_TOGETHER]))
    return digest.hexdigest()


class WeightsCache:
    """Finds weights or computes them; keeps those that take long in `store`, if there is one."""

    def __init__(self, store: Store | None = None, kept_bytes: int = KEPT_BYTES) -> None:
        self.store = store
        self._kept_bytes = kept_bytes
        self._latest: OrderedDict[str, CoverageWeights] = OrderedDict()
        self._numbers: OrderedDict[str, NDArray[np.float64]] = OrderedDict()

    def may_have(self, frame: Frame, units: int) -> bool:
        """Return whether the cache may hold weights of so many units on this grid; else a `content_key` is useless."""
        known = any(kept.frame == frame and len(kept.area) == units for kept in self._latest.values())
        return known or (self.store is not None and _is_slow(frame, units))

    def find(self, key: str, frame: Frame, units: int) -> CoverageWeights | None:
        """Return the weights with this `content_key`, None where the cache has none."""
        if key in self._latest:
            self._latest.move_to_end(key)
            return self._latest[key]
        if not self.store or not _is_slow(frame, units):
            return None
        try:
            with np.load(io.BytesIO(self.store.read_bytes(_file_of(key))), allow_pickle=False) as file:
                arrays = {name: file[name] for name in _ARRAYS}
            arrays["weights"] = arrays["weights"].astype("float64")
            found = CoverageWeights(frame=frame, **arrays)
            if len(found.area) == units and found.indptr[-1] == len(found.columns) == len(found.weights):
                return found
        except EoError:
            return None
        except Exception as error:  # numpy and zipfile raise many errors for a damaged file
            _logger.warning("weights %s cannot be read and are computed anew: %s", key[:12], error)
        return None

    def computed(
        self, key: str, frame: Frame, geometries: NDArray[np.object_], wkb: NDArray[np.object_]
    ) -> CoverageWeights:
        """Compute the weights and cache them."""
        return self._kept(key, weights_of(frame, geometries, wkb))

    def _kept(self, key: str, weights: CoverageWeights) -> CoverageWeights:
        if self.store and _is_slow(weights.frame, len(weights.area)):
            file = io.BytesIO()
            arrays = {name: getattr(weights, name) for name in _ARRAYS}
            arrays["weights"] = arrays["weights"].astype("float32")  # exactextract's own precision
            np.savez(file, **arrays)
            try:
                self.store.write_bytes(_file_of(key), file.getvalue())
            except EoError as error:  # the values do not depend on the cache
                _logger.warning("weights %s cannot be kept: %s", key[:12], error)
        if weights.nbytes <= self._kept_bytes // 2:
            self._latest[key] = weights
            while sum(kept.nbytes for kept in self._latest.values()) > self._kept_bytes:
                self._latest.popitem(last=False)
        return weights

    def numbers(self, key: str, size: int, compute: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return numbers of this size that belong to weights, from the cache, or compute them; '' is no key."""
        if key and (known := self._numbers.get(key)) is not None:
            return known
        found, file = None, _file_of(hashlib.sha256(key.encode()).hexdigest())
        if key and self.store is not None:
            try:
                found = np.load(io.BytesIO(self.store.read_bytes(file)), allow_pickle=False)["numbers"]
                found = found if found.shape == (size,) else None
            except EoError:
                pass
            except Exception as error:  # numpy and zipfile raise many errors for a damaged file
                _logger.warning("weights %s cannot be read and are computed anew: %s", file, error)
        if found is None:
            found = compute()
            self._keep_numbers(key, file, found)
        if key:
            self._numbers[key] = found
            while len(self._numbers) > 1 and sum(kept.nbytes for kept in self._numbers.values()) > self._kept_bytes:
                self._numbers.popitem(last=False)
        return found

    def _keep_numbers(self, key: str, file: str, found: NDArray[np.float64]) -> None:
        if not key or self.store is None:
            return
        content = io.BytesIO()
        np.savez_compressed(content, numbers=found)
        try:
            self.store.write_bytes(file, content.getvalue())
        except EoError as error:  # the values do not depend on the cache
            _logger.warning("weights %s cannot be kept: %s", file, error)

    def weights(
        self, frame: Frame, geometries: NDArray[np.object_], wkb: NDArray[np.object_] | None = None
    ) -> CoverageWeights:
        """Return the weights from the cache, or compute them while their key is made."""
        wkb = as_wkb(geometries) if wkb is None else wkb
        with ThreadPoolExecutor(1) as beside:
            key = beside.submit(content_key, frame, wkb)
            if self.may_have(frame, len(geometries)):
                found = self.find(key.result(), frame, len(geometries))
                if found is not None:
                    return found
            weights = weights_of(frame, geometries, wkb)
            return self._kept(key.result(), weights)


def _is_slow(frame: Frame, units: int) -> bool:
    return frame.shape[0] * frame.shape[1] >= SLOW or units >= SLOW_UNITS


def _file_of(key: str) -> str:
    return f"weights/{key}.npz"
