"""Read from the header of a classic NetCDF file (CDF-1, CDF-2, CDF-5) where its data end.

The NetCDF library reads 0 for every byte beyond the end of a file. The layout is that of the "NetCDF Classic Format
Specification"; numbers are big-endian.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

_ABSENT, _DIMENSIONS, _VARIABLES, _ATTRIBUTES = 0, 10, 11, 12
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_MOST = 2**20  # of anything in a header


@dataclass(frozen=True)
class _Variable:
    """The position of a variable's values, whether it has records, and the bytes of its values or of one record."""

    begin: int
    size: int
    records: bool


def end(file: BinaryIO) -> int:
    """Return the position after the last byte of the values; raise struct.error where the header is cut off."""
    header = _Header(file)
    records = header.count()
    unknown = records == (2**64 - 1 if header.version == 5 else 2**32 - 1)  # the program wrote it as a stream
    lengths = header.dimensions()
    header.attributes()
    variables = header.variables(lengths)
    ends = [variable.begin + variable.size for variable in variables if not variable.records]
    of_records = [variable for variable in variables if variable.records]
    if of_records and records and not unknown:
        each = sum(_padded(variable.size) for variable in of_records)
        if len(of_records) == 1:
            each = of_records[0].size  # a single one is not padded
        ends += [variable.begin + (records - 1) * each + variable.size for variable in of_records]
    return max([header.file.tell(), *ends])


def _padded(size: int) -> int:
    return -(-size // 4) * 4


class _Header:
    """Reads the header from its begin to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.version = file.read(4)[3]

    def number(self, kind: str) -> int:
        """Read one number."""
        (value,) = struct.unpack(f">{kind}", self.file.read(struct.calcsize(kind)))
        return int(value)

    def count(self) -> int:
        """Read a count, of 64 bits in CDF-5."""
        return self.number("Q" if self.version == 5 else "I")

    def _list(self, tag: int) -> range:
        found, many = self.number("I"), self.count()
        if found not in (_ABSENT, tag) or many > _MOST:
            raise ValueError("this is no header of a classic NetCDF")
        return range(many)

    def _name(self) -> None:
        self._skip(self.count())

    def _skip(self, size: int) -> None:
        if len(self.file.read(_padded(size))) < size:
            raise EOFError

    def dimensions(self) -> list[int]:
        """Return the lengths of the dimensions, 0 for the one that records are counted in."""
        lengths = []
        for _ in self._list(_DIMENSIONS):
            self._name()
            lengths.append(self.count())
        return lengths

    def attributes(self) -> None:
        """Skip the attributes of the file or of a variable."""
        for _ in self._list(_ATTRIBUTES):
            self._name()
            each = _BYTES[self.number("I")]
            self._skip(each * self.count())

    def variables(self, lengths: list[int]) -> list[_Variable]:
        """Return the variables; compute their sizes, as the header cuts those of large ones to 32 bits."""
        found = []
        for _ in self._list(_VARIABLES):
            self._name()
            dimensions = [lengths[self.count()] for _ in range(self.count())]
            self.attributes()
            size = _BYTES[self.number("I")]
            self.count()  # the size in the header
            begin = self.number("I" if self.version == 1 else "Q")
            records = bool(dimensions) and dimensions[0] == 0
            for length in dimensions[1:] if records else dimensions:
                size *= length
            found.append(_Variable(begin, size, records))
        return found
