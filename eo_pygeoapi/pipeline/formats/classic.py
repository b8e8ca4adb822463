"""The header of a classic NetCDF file (CDF-1, CDF-2, CDF-5), as far as it says where the data end.

The library answers 0 for every byte behind the end of the file. The layout is that of the "NetCDF Classic Format
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
    """Where the values of a variable begin, how many bytes they take (of one record), and whether it has records."""

    begin: int
    size: int
    records: bool


def end(file: BinaryIO) -> int:
    """Return the position behind the last byte of the values; raises struct.error where the header is cut off."""
    header = _Header(file)
    records = header.count()
    unknown = records == (2**64 - 1 if header.version == 5 else 2**32 - 1)  # it was written as a stream
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
    """Reads the header, one thing after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.version = file.read(4)[3]

    def number(self, kind: str) -> int:
        """Read one number."""
        (value,) = struct.unpack(f">{kind}", self.file.read(struct.calcsize(kind)))
        return int(value)

    def count(self) -> int:
        """Read how many there are of something."""
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
        """Return the lengths of the dimensions; 0 is that of records."""
        lengths = []
        for _ in self._list(_DIMENSIONS):
            self._name()
            lengths.append(self.count())
        return lengths

    def attributes(self) -> None:
        """Pass over the attributes of the file or of a variable."""
        for _ in self._list(_ATTRIBUTES):
            self._name()
            each = _BYTES[self.number("I")]
            self._skip(each * self.count())

    def variables(self, lengths: list[int]) -> list[_Variable]:
        """Return the variables; sizes are computed, for what is written of large ones is cut to 32 bits."""
        found = []
        for _ in self._list(_VARIABLES):
            self._name()
            dimensions = [lengths[self.count()] for _ in range(self.count())]
            self.attributes()
            size = _BYTES[self.number("I")]
            self.count()  # the size as it is written
            begin = self.number("I" if self.version == 1 else "Q")
            records = bool(dimensions) and dimensions[0] == 0
            for length in dimensions[1:] if records else dimensions:
                size *= length
            found.append(_Variable(begin, size, records))
        return found
