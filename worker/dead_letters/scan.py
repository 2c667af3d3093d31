"""Which rows of a block fit a filter, and which come first. Pure.

The first look takes one byte and a cell of each row, by masks; the second takes what is left.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import nlargest, nsmallest
from itertools import compress
from typing import Any, Final, Self

from worker.dead_letters.filter import NONE, Filter
from worker.dead_letters.index import GONE_CLASS, Block, Cell, class_of
from worker.dead_letters.masks import Numbers, both, rows_of, table
from worker.dead_letters.text import TextSearch

_DAY_MS: Final = 86_400_000
_MOST: Final = 2**63 - 1
_PLACE: Final = {name: place for place, name in enumerate(Cell._fields)}
_ALL_CLASSES: Final = frozenset(range(GONE_CLASS))


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A filter, made ready for rows.

    Attributes:
        whole: Cells of which every letter fits, as far as time decides.
        partial: Cells of which only some fit, because of the time.
        numbers: Tables for the numbers of both; None when these are all cells that there are.
        since_ms: From when on, where a cell is only partly meant.
        until_ms: Until when.
        low: Least cents; None where the amount does not matter.
        high: Most cents.
        text: What text to look for.
    """

    whole: tuple[Cell, ...]
    partial: tuple[Cell, ...]
    numbers: Numbers | None
    since_ms: int
    until_ms: int
    low: int | None
    high: int
    text: TextSearch | None

    @classmethod
    def of(cls, wanted: Filter, cells: Sequence[Cell], text: TextSearch | None) -> Self:
        """Choose the cells; whole days need no look at the time of each letter."""
        since = 0 if wanted.since_ms is None else wanted.since_ms
        until = _MOST if wanted.until_ms is None else wanted.until_ms
        chosen = _fitting(wanted, cells)
        partial = tuple(one for one in chosen if int(one.day) * _DAY_MS < since or (int(one.day) + 1) * _DAY_MS > until)
        asks_amount = wanted.min_amount is not None or wanted.max_amount is not None
        return cls(
            whole=tuple(one for one in chosen if one not in set(partial)) if partial else tuple(chosen),
            partial=partial,
            numbers=None if len(chosen) == len(cells) else Numbers.of(cell.number for cell in chosen),
            since_ms=since,
            until_ms=until,
            low=int((wanted.min_amount or 0) * 100) if asks_amount else None,
            high=_MOST if wanted.max_amount is None else int(wanted.max_amount * 100),
            text=text,
        )

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell of which letters may fit."""
        return self.whole + self.partial

    @cached_property
    def classes(self) -> frozenset[int]:
        """Classes of amounts of which any may fit."""
        if self.low is None:
            return _ALL_CLASSES
        return frozenset(range(class_of(self.low), class_of(self.high) + 1))

    @property
    def summed(self) -> tuple[Cell, ...]:
        """Cells whose own sums are those of their letters that fit."""
        return self.whole if self.low is None and self.text is None else ()

    def without(self, cells: Sequence[Cell]) -> Self:
        """The scan for the cells that are not among these."""
        if not cells:
            return self
        return replace(self, whole=(), numbers=Numbers.of(cell.number for cell in self.partial))

    def first_look(self, block: Block, classes: frozenset[int] = _ALL_CLASSES) -> bytes:
        """Make the mask of rows that may fit, from the columns `classes` and `cells`.

        Args:
            block: With these columns.
            classes: Of amounts; others do not matter.
        """
        mask = block.columns["classes"].translate(table(classes & self.classes))
        return mask if self.numbers is None else both(mask, self.numbers.mask(block.columns["cells"]))

    @property
    def columns(self) -> set[str]:
        """The columns that the second look takes."""
        needed = set()
        if self.low is not None:
            needed |= {"classes", "cents"}
        if self.partial:
            needed.add("times")
        if self.text is not None:
            needed.add("words")
        return needed

    def second_look(self, block: Block, mask: bytes, with_text: Iterable[int]) -> bytes:
        """Make the mask of rows that fit.

        Args:
            block: With the columns that this takes.
            mask: Of those that may fit.
            with_text: Rows that have the text in what is variable; others have it if their kind of words has it.
        """
        if self.text is not None:
            has_text = bytearray(self.text.whole.mask(block.columns["words"]))
            for row in with_text:
                if row < len(has_text):
                    has_text[row] = 1
            mask = both(mask, bytes(has_text))
        if self.low is not None:
            mask = self._exact_amounts(block, mask)
        if self.partial:
            times = block.numbers("times")[: len(mask)]
            if times and not self.since_ms <= min(times) <= max(times) < self.until_ms:
                fits = bytes(self.since_ms <= at < self.until_ms for at in times)
                mask = both(mask, fits)
        return mask

    def _exact_amounts(self, block: Block, mask: bytes) -> bytes:
        """In the classes at the ends of the range, the amount itself decides."""
        low, high = self.low or 0, self.high
        ends = block.columns["classes"].translate(table(frozenset({class_of(low), class_of(high)})))
        cents, found = block.numbers("cents"), bytearray(mask)
        for row in rows_of(both(mask, ends)[: len(cents)]):
            if not low <= cents[row] <= high:
                found[row] = 0
        return bytes(found[: len(cents)])


class Best:
    """The first letters in an order by value, of those after a place in that order.

    Args:
        limit: How many are kept.
        is_reverse: Whether the largest come first.
        after: (value, id) of the last one that was given before.
    """

    def __init__(self, limit: int, *, is_reverse: bool, after: tuple[object, int] | None) -> None:
        self._limit = limit
        self._is_reverse = is_reverse
        self._after = after
        self.found: list[tuple[object, int]] = []

    def classes(self) -> frozenset[int]:
        """Classes of amounts that can still be among the first."""
        first, last = 0, GONE_CLASS - 1
        if len(self.found) == self._limit:
            worst = class_of(self.found[-1][0])  # type: ignore[arg-type]  # sorted by amount: a number
            first, last = (worst, last) if self._is_reverse else (first, worst)
        if self._after is not None:
            begin = class_of(self._after[0])  # type: ignore[arg-type]  # sorted by amount: a number
            first, last = (first, min(last, begin)) if self._is_reverse else (max(first, begin), last)
        return frozenset(range(first, last + 1))

    def add(self, values: Sequence[Any], ids: Sequence[int], mask: bytes) -> None:
        """Take the rows of a block into account."""
        if len(self.found) == self._limit:
            worst: Any = self.found[-1][0]
            best = (max if self._is_reverse else min)(compress(values, mask), default=worst)
            if best < worst if self._is_reverse else best > worst:
                return
            if self._is_reverse:
                rows = [i for i in rows_of(mask) if values[i] >= worst]
            else:
                rows = [i for i in rows_of(mask) if values[i] <= worst]
        else:
            rows = rows_of(mask)
        pairs = [(values[i], ids[i]) for i in rows]
        if self._after is not None:
            after = self._after
            pairs = [pair for pair in pairs if (pair < after if self._is_reverse else pair > after)]
        choose = nlargest if self._is_reverse else nsmallest
        self.found = choose(self._limit, [*self.found, *pairs])


def first_block(blocks: Sequence[tuple[int, int]], ms: int) -> int:
    """Position of the first block that can hold letters of a ms or later."""
    return max(0, bisect_right([first for _, first in blocks], ms - 1) - 1)


def _fitting(wanted: Filter, cells: Sequence[Cell]) -> Sequence[Cell]:
    """The cells of which any letter may fit."""
    found = cells
    for name, values in (
        ("reason", wanted.reasons),
        ("shop", wanted.shops),
        ("campaign", wanted.campaigns),
        ("service", wanted.services),
        ("verdict", wanted.verdicts),
    ):
        if values:
            place, names = _PLACE[name], {"" if value == NONE else value for value in values}
            found = [cell for cell in found if cell[place] in names]
    if (since := wanted.since_ms) is not None:
        found = [cell for cell in found if (int(cell.day) + 1) * _DAY_MS > since]
    if (until := wanted.until_ms) is not None:
        found = [cell for cell in found if int(cell.day) * _DAY_MS < until]
    return found
