"""Decode the stored numbers of a variable by its attributes: missing values, scale and offset.

The rules are those of CF (2.5.1, 8.1) and the NetCDF User's Guide. Programs break them, so fill values may have
another type or be text, `missing_value` may be several, a valid range may hold packed or unpacked numbers. The NetCDF
library's own fill value counts too where the variable declares none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import DTypeLike, NDArray

from eo_pygeoapi.pipeline.formats.attributes import Number, listed, number, numbers

Range = tuple[float, float]
_ANY: Range = (-np.inf, np.inf)
_DEFAULT_FILLS = {key: fill for key, fill in netCDF4.default_fillvals.items() if not isinstance(fill, str)}
# only cells that nobody wrote hold 9.97e36, also where somebody declared another fill value later
_NEVER_WRITTEN = 9.9e36


@dataclass(frozen=True, eq=False)
class Stored:
    """How numbers of the type `stored` become values: `number * scale + offset`, or missing.

    Missing are the stored numbers in `fills` or outside `valid`, and the values in `fills_meant` or outside `meant`.
    `seen_as` is the type to read the bytes as, in files whose types have no unsigned integers.
    """

    stored: np.dtype[Any]
    fills: tuple[Number, ...] = ()
    valid: Range = _ANY
    scale: float = 1.0
    offset: float = 0.0
    fills_meant: tuple[float, ...] = ()
    meant: Range = _ANY
    seen_as: np.dtype[Any] | None = None

    @property
    def packed(self) -> bool:
        """Whether scale or offset change the stored numbers."""
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values: as exact as the stored numbers and their scale."""
        if self.packed:
            return np.dtype("float64")
        small = self.stored.itemsize <= (4 if self.stored.kind == "f" else 2)
        return np.dtype("float32" if small else "float64")

    def decoded(self, raw: NDArray[Any]) -> NDArray[np.floating]:
        """Return the values of stored numbers, NaN for missing ones; may write to `raw`."""
        stored = raw if self.seen_as is None else raw.view(self.seen_as)
        masks = []
        if stored.size:
            # finding the extremes takes a tenth of the time of comparing with each fill value
            low, high = np.fmin.reduce(stored, axis=None), np.fmax.reduce(stored, axis=None)
            masks = [stored == fill for fill in self.fills if low <= fill <= high]
            if low < self.valid[0]:
                masks.append(stored < self.valid[0])
            if high > self.valid[1]:
                masks.append(stored > self.valid[1])
        missing = _any(masks)
        values: NDArray[np.floating] = stored.astype(self.dtype, copy=self.packed)
        if self.packed:
            values *= self.scale
            values += self.offset
            found = [] if missing is None else [missing]
            half = abs(self.scale) / 2
            found += [np.abs(values - fill) < half for fill in self.fills_meant]
            if self.meant != _ANY:
                found.append((values < self.meant[0] - half) | (values > self.meant[1] + half))
            missing = _any(found)
        if missing is not None:
            if not values.flags.writeable or (not values.flags.owndata and values is stored):
                values = values.copy()
            values[missing] = np.nan
        return values


def _any(masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
    return np.logical_or.reduce(masks) if masks else None


def stored_as(dtype: DTypeLike, attributes: Mapping[Any, Any], source: str, *, netcdf: bool = True) -> Stored:
    """Return how the numbers of a variable are stored, by its type and attributes.

    With `netcdf` the library's own fill values count. Raises SourceError for a scale or offset that is no number; the
    message begins with `source`.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    # classic files have no unsigned integers, so `_Unsigned` says which sign is meant
    unsigned = str(attributes.get("_Unsigned", "")).lower()
    sign = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, unsigned))
    seen_as = np.dtype(f"{sign}{dtype.itemsize}") if sign else None
    stored = seen_as or dtype
    scale, offset = (number(attributes, name, source) for name in ("scale_factor", "add_offset"))
    packed = (1.0 if scale is None else scale, 0.0 if offset is None else offset) != (1.0, 0.0)
    fills, fills_meant = _fills(dtype, stored, attributes, packed, netcdf)
    valid, meant = _ranges(dtype, stored, attributes, packed)
    if netcdf and stored.kind == "f" and stored.itemsize > 2:
        valid = valid[0], min(valid[1], _NEVER_WRITTEN)
    return Stored(
        stored=stored,
        fills=fills,
        valid=valid,
        scale=1.0 if scale is None else float(scale),
        offset=0.0 if offset is None else float(offset),
        fills_meant=fills_meant,
        meant=meant,
        seen_as=seen_as,
    )


def _fills(
    dtype: np.dtype[Any], stored: np.dtype[Any], attributes: Mapping[Any, Any], packed: bool, netcdf: bool
) -> tuple[tuple[Number, ...], tuple[float, ...]]:
    """Return the stored numbers that mean missing, and as values those fills that the stored type cannot hold."""
    declared = numbers(attributes, "_FillValue") + numbers(attributes, "missing_value")
    fills: list[Number] = []
    meant: list[float] = []
    for fill in declared:
        if fill != fill:
            continue  # NaN is missing already
        found = _as_stored(fill, dtype, stored)
        fills += found
        meant += [] if found or not packed else [float(fill)]
    key = f"{dtype.kind}{dtype.itemsize}"
    if netcdf and "_FillValue" not in attributes and dtype.itemsize > 1 and key in _DEFAULT_FILLS:
        fills += _as_stored(_DEFAULT_FILLS[key], dtype, stored)
    return tuple(dict.fromkeys(fills)), tuple(meant)


def _as_stored(fill: Number, dtype: np.dtype[Any], stored: np.dtype[Any]) -> list[Number]:
    """Return a fill value as numbers of the stored type, [] where that type cannot hold it."""
    if stored.kind == "f":
        with np.errstate(over="ignore"):
            # a program may have turned single precision into double
            return [float(stored.type(fill)), float(stored.type(np.float32(fill)))]
    if not np.isfinite(fill) or fill != int(fill):
        return []
    whole = int(fill)
    if stored != dtype and np.iinfo(dtype).min <= whole <= np.iinfo(dtype).max:
        whole = int(np.array([whole], dtype).view(stored)[0])
    return [whole] if np.iinfo(stored).min <= whole <= np.iinfo(stored).max else []


def _ranges(
    dtype: np.dtype[Any], stored: np.dtype[Any], attributes: Mapping[Any, Any], packed: bool
) -> tuple[Range, Range]:
    """Return the valid range of the stored numbers, and that of the values.

    By the NetCDF User's Guide a range of a wider type than the packed numbers is a range of the values.
    """
    valid, meant = [-np.inf, np.inf], [-np.inf, np.inf]
    for name, ends in (("valid_min", (0,)), ("valid_max", (1,)), ("valid_range", (0, 1))):
        values = listed(attributes, name)
        if len(values) != len(ends):
            continue
        of_values = packed and stored.kind in "iu" and any(isinstance(value, float) for value in values)
        for end, value in zip(ends, values, strict=True):
            as_written = [value] if of_values or not np.isfinite(value) else _as_stored(value, dtype, stored) or [value]
            if stored.kind == "f" and np.asarray(attributes[name]).dtype == np.float32:
                as_written.append(float(str(np.float32(value))))
            if of_values:
                meant[end] = float(value)
            elif value == value:
                valid[end] = (min, max)[end](as_written)
    return (valid[0], valid[1]), (meant[0], meant[1])
