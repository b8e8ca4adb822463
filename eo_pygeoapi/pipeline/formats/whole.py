"""Check that a file is as long as its header says; some libraries read zeros beyond its end."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats import classic

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips, of tiles
_NEXT_LIMIT = 64  # directories of a file: the raster, its overviews and masks
# TIFF's types of whole numbers
_TYPES = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}


def check_whole(path: str, kind: str, source: str) -> None:
    """Raise SourceError for a file that is shorter than its header says; the message begins with `source`."""
    if kind not in _ENDS:
        return
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            end = _ENDS[kind](file)
        except (struct.error, ValueError, IndexError, OverflowError, EOFError):
            end = size + 1  # the header itself is cut off
    if size < end:
        said = f"{size} of {end} bytes are there" if end > size + 1 else f"{size} bytes, and its header goes on"
        raise SourceError(f"{source}: is not whole, its copy was cut off ({said}); copy or download it again")


def _end_of_netcdf(file: BinaryIO) -> int:
    """Return the end of a classic file, or of HDF5 by its superblock (HDF5 File Format Specification 3.0, II.A)."""
    block = file.read(96)
    if block[:3] == b"CDF":
        file.seek(0)
        return classic.end(file)
    if block[:8] != _HDF5_SIGNATURE:
        return 0  # the library says what is wrong with it
    version = block[8]
    width, first = (block[13], 24 + 4 * version) if version < 2 else (block[9], 12)
    kind = f"<u{width}"
    base, _, end = (int(np.frombuffer(block, kind, 1, first + n * width)[0]) for n in range(3))
    return base + end if end != np.iinfo(kind).max else 0


@dataclass(frozen=True)
class _Tiff:
    """The byte order of a TIFF, and whether it is a BigTIFF."""

    order: str
    big: bool

    def directory(self, file: BinaryIO, at: int) -> tuple[list[bytes], int]:
        """Return the entries of a directory, and the position of the next one."""
        file.seek(at)
        count_kind, entry, next_kind = ("Q", 20, "Q") if self.big else ("H", 12, "I")
        (count,) = struct.unpack(self.order + count_kind, file.read(8 if self.big else 2))
        entries = [file.read(entry) for _ in range(min(count, 4096))]
        (following,) = struct.unpack(self.order + next_kind, file.read(8 if self.big else 4))
        return entries, following

    def values(self, file: BinaryIO, entry: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Return the whole numbers of an entry."""
        kind, count = struct.unpack(self.order + ("HQ" if self.big else "HI"), entry[2 : 12 if self.big else 8])
        dtype = np.dtype(self.order + _TYPES[kind])
        inline = entry[12:] if self.big else entry[8:]
        if count * dtype.itemsize > len(inline):
            (at,) = struct.unpack(self.order + ("Q" if self.big else "I"), inline)
            file.seek(at)
            inline = file.read(count * dtype.itemsize)
        return np.frombuffer(inline, dtype, count).astype("u8")


def _end_of_tiff(file: BinaryIO) -> int:
    """Return the end of the last strip or tile of a TIFF; those that nobody wrote have the position 0."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    tiff = _Tiff(order, big=head[2:4] in (b"+\x00", b"\x00+"))
    (at,) = struct.unpack(order + ("Q" if tiff.big else "I"), head[8:16] if tiff.big else head[4:8])
    end = 0
    for _ in range(_NEXT_LIMIT):
        if not at:
            break
        entries, at = tiff.directory(file, at)
        tags = {struct.unpack(order + "H", entry[:2])[0]: entry for entry in entries}
        for offset_tag, count_tag in zip(_OFFSETS, _COUNTS, strict=True):
            if offset_tag in tags and count_tag in tags:
                offsets, counts = (tiff.values(file, tags[tag]) for tag in (offset_tag, count_tag))
                end = max(end, int((offsets + counts).max(initial=0)))
    return end


_ENDS = {"NetCDF": _end_of_netcdf, "GeoTIFF": _end_of_tiff}
