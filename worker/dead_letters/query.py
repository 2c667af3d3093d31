"""Find dead letters: pages in an order, sums and groups, or all that fit one after the other.

The index answers. Where it is not whole (letters of an older version, a rebuild under way), every letter is read
instead: the same answers, more slowly.
"""

from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from heapq import nlargest, nsmallest
from itertools import compress
from typing import Any, Final

from redis.asyncio import Redis

from worker.dead_letters.filter import Filter
from worker.dead_letters.index import KNOWN, UNKNOWN, Block, Cell, Index, id_number, letter_id
from worker.dead_letters.letter import Letter
from worker.dead_letters.masks import both, rows_of
from worker.dead_letters.scan import Best, Scan, first_block
from worker.dead_letters.store import DEAD_CLOSED, DEAD_STREAM, DeadLetters
from worker.dead_letters.text import TextSearch
from worker.dead_letters.totals import Group, Totals, grouped, of_letter, value_of

#: Blocks that are read in one round trip: few at first, because a page is often full soon; then as many as 8 MB are.
_FIRST_BLOCKS: Final = 1
_MOST_BLOCKS: Final = 64
#: Letters that are read in one round trip.
_LETTERS: Final = 500


class Sort(StrEnum):
    """In which order letters are listed."""

    AT = "at"
    AMOUNT = "amount"
    KEY = "key"


class BadCursor(ValueError):
    """What was given as the place to go on from is none of this order."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of letters, and where a page begins in it.

    Attributes:
        by: Time of death, amount (unknown ones are the smallest), or key.
        is_reverse: Newest, largest, or last key first.
        after: Cursor of the last letter that was given before, see `cursor`.
    """

    by: Sort = Sort.AT
    is_reverse: bool = False
    after: str = ""

    def cursor(self, letter: Letter) -> str:
        """Where a page after this letter begins."""
        match self.by:
            case Sort.AT:
                return letter.id
            case Sort.AMOUNT:
                return f"{'' if letter.money is None else letter.money}@{letter.id}"
            case Sort.KEY:
                return f"{letter.key}@{letter.id}"

    def place(self) -> tuple[Any, int] | None:
        """The cursor as (value, number of the id).

        Raises:
            BadCursor: It is none.
        """
        if not self.after:
            return None
        value, _, last = self.after.rpartition("@")
        try:
            number = id_number(last)
            if self.by is Sort.AMOUNT:
                return (int(Decimal(value) * 100) if value else UNKNOWN), number
        except (ValueError, ArithmeticError):
            raise BadCursor(f"{self.after!r} is no place in this order") from None
        return (_comparable(value), number) if self.by is Sort.KEY else (number, number)

    def value(self, letter: Letter) -> Any:  # noqa: ANN401 - a number or bytes
        """What decides where a letter stands."""
        match self.by:
            case Sort.AT:
                return id_number(letter.id)
            case Sort.AMOUNT:
                return UNKNOWN if letter.money is None else int(letter.money * 100)
            case Sort.KEY:
                return _comparable(letter.key)


class Query:
    """Finds letters in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def _index(self, wanted: Filter) -> Index:
        return Index(self._redis, _stream(wanted))

    def _letters(self, wanted: Filter) -> DeadLetters:
        return DeadLetters(self._redis, stream=_stream(wanted))

    async def is_ready(self, wanted: Filter) -> bool:
        """Whether the index answers; if not, every letter is read."""
        return await self._index(wanted).is_ready()

    async def find(self, wanted: Filter, *, after: str = "") -> AsyncIterator[Letter]:
        """Give the letters that are meant, oldest first, without holding them all.

        Args:
            wanted: Which ones.
            after: Id of a letter; only later ones are given.
        """
        letters = self._letters(wanted)
        index = self._index(wanted)
        if not await index.is_ready():
            async for letter in letters.read(after=after):
                if wanted.fits(letter):
                    yield letter
            return
        scan = await _scan(index, wanted)
        begin = id_number(after) + 1 if after else 0
        async for block, rows in Reading(index, scan, {"ids"}).rows(await _blocks(index, begin)):
            ids = [number for number in map(block.numbers("ids").__getitem__, rows) if number >= begin]
            for some in _slices(ids):
                for letter in await letters.many([letter_id(number) for number in some]):
                    yield letter

    async def page(self, wanted: Filter, order: Order, *, limit: int) -> list[Letter]:
        """Give one page of the letters that are meant.

        Raises:
            BadCursor: `order.after` is no place in this order.
        """
        place = order.place()
        index, letters = self._index(wanted), self._letters(wanted)
        if not await index.is_ready():
            return await self._page_by_reading(wanted, order, limit)
        scan = await _scan(index, wanted)
        if order.by is Sort.AT:
            numbers = await _page_by_time(index, scan, place, limit=limit, is_reverse=order.is_reverse)
        else:
            column = {Sort.AMOUNT: "cents", Sort.KEY: "keys"}[order.by]
            best = Best(limit, is_reverse=order.is_reverse, after=place)
            classes = best.classes if order.by is Sort.AMOUNT else None
            async for block, mask in Reading(index, scan, {"ids", column}, classes).masks(await _blocks(index)):
                values: Sequence[Any] = block.lines("keys") if column == "keys" else block.numbers("cents")
                best.add(values, block.numbers("ids"), mask)
            numbers = [number for _, number in best.found]
        return await letters.many([letter_id(number) for number in numbers])

    async def groups(self, wanted: Filter, by: Group) -> dict[tuple[str, str], Totals]:
        """Count the letters that are meant, and sum their money, per (group, shop)."""
        index = self._index(wanted)
        if not await index.is_ready():
            found = [one async for one in self._letters(wanted).read() if wanted.fits(one)]
            return grouped((value_of(one, by), one.shop, of_letter(one)) for one in found)
        scan = await _scan(index, wanted)
        summed = scan.summed
        rest = scan.without(summed)
        sums = await _sums(index, rest) if rest.cells else {}
        parts: list[tuple[str, str, Totals | Cell]] = [(value_of(cell, by), cell.shop, cell) for cell in summed]
        parts += [(value_of(cell, by), cell.shop, sums[cell.number]) for cell in rest.cells if cell.number in sums]
        return grouped(parts)

    async def _page_by_reading(self, wanted: Filter, order: Order, limit: int) -> list[Letter]:
        place = order.place()
        found = []
        async for letter in self._letters(wanted).read():
            one = (order.value(letter), id_number(letter.id))
            if wanted.fits(letter) and (place is None or (one < place if order.is_reverse else one > place)):
                found.append((one, letter))
        choose = nlargest if order.is_reverse else nsmallest
        return [letter for _, letter in choose(limit, found, key=lambda pair: pair[0])]


async def _scan(index: Index, wanted: Filter) -> Scan:
    text = TextSearch.of(wanted.text, await index.templates()) if wanted.text else None
    return Scan.of(wanted, await index.cells(), text)


async def _blocks(index: Index, begin: int = 0) -> list[int]:
    """The blocks that can hold a letter from an id on."""
    blocks = await index.blocks()
    return [block for block, _ in blocks[first_block(blocks, begin >> 22) :]]


@dataclass(frozen=True)
class Reading:
    """Reads the blocks of an index, and of each only what is needed.

    Attributes:
        index: The index.
        scan: What is looked for.
        columns: What is wanted of the rows that are found.
        classes: Tells, before each round trip, which classes of amounts still matter.
    """

    index: Index
    scan: Scan
    columns: set[str]
    classes: Callable[[], frozenset[int]] | None = None

    async def rows(self, blocks: Sequence[int]) -> AsyncIterator[tuple[Block, list[int]]]:
        """Go through blocks; gives those that have rows that fit, with these, oldest first."""
        async for block, mask in self.masks(blocks):
            yield block, rows_of(mask)

    async def masks(self, blocks: Sequence[int]) -> AsyncIterator[tuple[Block, bytes]]:
        """Go through blocks; gives those that have rows that fit, with the mask of these."""
        at, size, scan = 0, _FIRST_BLOCKS, self.scan
        while at < len(blocks) and scan.cells:
            some = blocks[at : at + size]
            at, size = at + size, min(2 * size, _MOST_BLOCKS)
            some, with_text = await self._near(some)
            classes = () if self.classes is None else (self.classes(),)
            found = await self.index.read(some, ["classes", "cells"])
            masks = {block.number: scan.first_look(block, *classes) for block in found}
            left = [block.number for block in found if 1 in masks[block.number]]
            rows_with_text = await self._with_text([block for block in left if block in with_text])
            for block in await self.index.read(left, scan.columns | self.columns):
                mask = scan.second_look(block, masks[block.number], rows_with_text.get(block.number, ()))
                mask = mask[: block.length]
                if 1 in mask:
                    yield block, mask

    async def _near(self, blocks: Sequence[int]) -> tuple[Sequence[int], set[int]]:
        """Blocks that can have rows with the text, and those of them that may have it in what is variable."""
        search = self.scan.text
        if search is None:
            return blocks, set()
        near = await self.index.with_text(blocks, search.text, search.looked_for) if search.looked_for else set(blocks)
        return (blocks if search.whole else [block for block in blocks if block in near]), near

    async def _with_text(self, blocks: Sequence[int]) -> dict[int, set[int]]:
        """Rows that have the text in what is variable, by block."""
        search = self.scan.text
        if search is None:
            return {}
        return {
            block.number: search.rows(block.numbers("words"), block.columns["keys"], block.columns["text"])
            for block in await self.index.read(blocks, ["words", "keys", "text"])
        }


async def _page_by_time(
    index: Index, scan: Scan, place: tuple[Any, int] | None, *, limit: int, is_reverse: bool
) -> list[int]:
    begin = 0 if place is None or is_reverse else place[1] + 1
    blocks = await _blocks(index, begin)
    numbers: list[int] = []
    async for block, rows in Reading(index, scan, {"ids"}).rows(blocks[::-1] if is_reverse else blocks):
        ids: array[int] = block.numbers("ids")
        found = [ids[row] for row in (reversed(rows) if is_reverse else rows)]
        if place is not None:
            found = [one for one in found if (one < place[1] if is_reverse else one > place[1])]
        numbers += found[: limit - len(numbers)]
        if len(numbers) == limit:
            break
    return numbers


async def _sums(index: Index, scan: Scan) -> dict[int, Totals]:
    """Add up the rows that fit, per cell."""
    letters: Counter[int] = Counter()
    known: Counter[int] = Counter()
    cents = [0] * (1 + max(cell.number for cell in scan.cells))
    async for block, mask in Reading(index, scan, {"classes", "cells", "cents"}).masks(await _blocks(index)):
        cells, amounts = block.numbers("cells"), block.numbers("cents")
        cents.extend([0] * (max(cells) + 1 - len(cents)))  # of cells that are new since we began
        says = mask if scan.low is not None else both(mask, block.columns["classes"].translate(KNOWN))
        some = list(compress(cells, says))
        known.update(some)
        if says is not mask:
            letters.update(compress(cells, mask))
        for cell, amount in zip(some, compress(amounts, says), strict=True):
            cents[cell] += amount
    letters = letters or known  # where the amount decides, all that fit say it
    return {cell: Totals(letters=count, known=known[cell], cents=cents[cell]) for cell, count in letters.items()}


def _stream(wanted: Filter) -> str:
    return DEAD_CLOSED if wanted.is_closed else DEAD_STREAM


def _slices(numbers: list[int]) -> list[list[int]]:
    return [numbers[at : at + _LETTERS] for at in range(0, len(numbers), _LETTERS)]


def _comparable(key: str) -> bytes:
    """A key as the index keeps it: control characters, which only refused documents have, are spaces."""
    return "".join(" " if character < " " or character == "\x7f" else character for character in key).encode()
