"""Which rows of a block fit a filter, and which come first. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Final, Self

from worker.dead_letters.filter import NONE, Filter
from worker.dead_letters.index import GONE, UNKNOWN, Block, Cell
from worker.dead_letters.text import TextSearch

_DAY_MS: Final = 86_400_000
_MOST: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A filter, made ready for rows.

    Attributes:
        cells: Cells of which any letter may fit.
        numbers: Their numbers; None when these are all cells that there are.
        since_ms: From when on, where a cell is only partly meant.
        until_ms: Until when.
        low: Least cents.
        high: Most cents.
        text: What text to look for.
    """

    cells: tuple[Cell, ...]
    numbers: frozenset[int] | None
    since_ms: int | None
    until_ms: int | None
    low: int
    high: int
    text: TextSearch | None

    @classmethod
    def of(cls, wanted: Filter, cells: Sequence[Cell], text: TextSearch | None) -> Self:
        """Choose the cells; whole days need no look at the time of each letter."""
        since, until = wanted.since_ms, wanted.until_ms
        chosen = tuple(cell for cell in cells if _fits(wanted, cell))
        is_cut_below = since is not None and any(cell.day * _DAY_MS < since for cell in chosen)
        is_cut_above = until is not None and any((cell.day + 1) * _DAY_MS > until for cell in chosen)
        return cls(
            cells=chosen,
            numbers=None if len(chosen) == len(cells) else frozenset(cell.number for cell in chosen),
            since_ms=since if is_cut_below else None,
            until_ms=until if is_cut_above else None,
            low=UNKNOWN + 2 if wanted.min_amount is None else int(wanted.min_amount * 100),
            high=_MOST if wanted.max_amount is None else int(wanted.max_amount * 100),
            text=text,
        )

    @property
    def asks_amount(self) -> bool:
        """Whether the amount decides, so that letters of unknown amount do not fit."""
        return self.low > UNKNOWN + 2 or self.high < _MOST

    @property
    def is_of_cells(self) -> bool:
        """Whether cells fit wholly, so that their sums are those of the selection."""
        return not self.asks_amount and self.since_ms is None and self.until_ms is None and self.text is None

    @property
    def columns(self) -> set[str]:
        """The columns that are needed to say which rows fit."""
        needed = {"cells", "cents"}
        if self.since_ms is not None or self.until_ms is not None:
            needed.add("times")
        if self.text is not None:
            needed.add("words")
        return needed

    def rows(self, block: Block, with_text: set[int]) -> list[int]:
        """Which rows fit, oldest first.

        Args:
            block: With the columns that are needed.
            with_text: Rows that have the text in what is variable; others have it if their kind of words has it.
        """
        cents, cells, numbers, low, high = (
            block.numbers("cents"), block.numbers("cells"), self.numbers, self.low, self.high,
        )  # fmt: skip
        pairs = zip(cells, cents, strict=False)
        if self.asks_amount:
            rows = [i for i, (cell, c) in enumerate(pairs) if low <= c <= high and (numbers is None or cell in numbers)]
        elif numbers is None:
            rows = [i for i, (_, c) in enumerate(pairs) if c != GONE]
        else:
            rows = [i for i, (cell, c) in enumerate(pairs) if cell in numbers and c != GONE]
        if "times" in self.columns:
            times, since, until = block.numbers("times"), self.since_ms or 0, self.until_ms or _MOST
            rows = [i for i in rows if i < len(times) and since <= times[i] < until]
        if self.text is not None:
            words, whole = block.numbers("words"), self.text.whole
            rows = [i for i in rows if i in with_text or (i < len(words) and words[i] in whole)]
        return rows


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

    def add(self, values: Sequence[object], ids: Sequence[int], rows: Sequence[int]) -> None:
        """Take the rows of a block into account."""
        if len(self.found) == self._limit:
            worst = self.found[-1][0]
            if self._is_reverse:
                rows = [i for i in rows if values[i] >= worst]  # type: ignore[operator]
            else:
                rows = [i for i in rows if values[i] <= worst]  # type: ignore[operator]
        pairs = [(values[i], ids[i]) for i in rows]
        if self._after is not None:
            after = self._after
            pairs = [pair for pair in pairs if (pair < after if self._is_reverse else pair > after)]
        choose = nlargest if self._is_reverse else nsmallest
        self.found = choose(self._limit, [*self.found, *pairs])


def first_block(blocks: Sequence[tuple[int, int]], ms: int) -> int:
    """Position of the first block that can hold letters of a ms or later."""
    return max(0, bisect_right([first for _, first in blocks], ms - 1) - 1)


def _fits(wanted: Filter, cell: Cell) -> bool:
    has = {
        "reasons": cell.reason,
        "shops": cell.shop,
        "campaigns": cell.campaign,
        "services": cell.service,
        "verdicts": cell.verdict,
    }
    return (
        cell.count > 0
        and all(not getattr(wanted, name) or (value or NONE) in getattr(wanted, name) for name, value in has.items())
        and (wanted.since_ms is None or (cell.day + 1) * _DAY_MS > wanted.since_ms)
        and (wanted.until_ms is None or cell.day * _DAY_MS < wanted.until_ms)
    )
