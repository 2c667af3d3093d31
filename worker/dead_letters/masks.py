"""Masks of rows: a byte of each row, 1 where it is meant. Pure.

They are made by `bytes.translate` and joined as whole numbers, so that C code looks at the rows, some nanoseconds each.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Final, Self

#: Where fewer than one row in so many is meant, it is quicker to look for each than to go through all.
_FEW: Final = 8


@dataclass(frozen=True)
class Numbers:
    """A set of numbers below 2^16, as tables; of larger ones a plain set."""

    tables: dict[int, bytes]
    large: frozenset[int]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Make the tables: by the upper byte, which lower bytes are meant."""
        lower: dict[int, set[int]] = {}
        large = set()
        for number in numbers:
            if number < 2**16:
                lower.setdefault(number >> 8, set()).add(number & 255)
            else:
                large.add(number)
        return cls({upper: table(frozenset(bytes_)) for upper, bytes_ in lower.items()}, frozenset(large))

    def __bool__(self) -> bool:
        """Whether there is any number in the set."""
        return bool(self.tables or self.large)

    def mask(self, column: bytes) -> bytes:
        """Which rows of a column of 4-byte numbers are in the set."""
        low, upper, above = column[::4], column[1::4], column[2::4]
        found = 0
        if any(above):
            numbers = array("I", column)
            plain = {number for number in numbers if number < 2**16 and self._has(number)}
            return bytes(number in self.large or number in plain for number in numbers)
        for value, lower in self.tables.items():
            if value in upper:
                found |= _as_number(low.translate(lower)) & _as_number(upper.translate(table(frozenset({value}))))
        return found.to_bytes(len(low), "little")

    def _has(self, number: int) -> bool:
        return (number >> 8) in self.tables and self.tables[number >> 8][number & 255] == 1


def rows_of(mask: bytes) -> list[int]:
    """The rows of a mask, oldest first."""
    if mask.count(1) * _FEW > len(mask):
        return list(compress(range(len(mask)), mask))
    rows, row = [], mask.find(1)
    while row >= 0:
        rows.append(row)
        row = mask.find(1, row + 1)
    return rows


@lru_cache(maxsize=4096)  # each block asks for the same ones
def table(values: frozenset[int]) -> bytes:
    """A table for `bytes.translate`: 1 for these values, else 0."""
    return bytes(value in values for value in range(256))


def _as_number(mask: bytes) -> int:
    return int.from_bytes(mask, "little")


def both(one: bytes, other: bytes) -> bytes:
    """Rows that are in both masks; a column that is longer was written to since."""
    length = min(len(one), len(other))
    return (_as_number(one[:length]) & _as_number(other[:length])).to_bytes(length, "little")
