"""Find dead letters: pages in an order, sums and groups, or all that fit one after the other.

The index answers. Where it is not whole (letters of an older version, a rebuild under way), every letter is read
instead: the same answers, more slowly.
"""

from array import array
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from heapq import nlargest, nsmallest
from itertools import compress
from typing import Any, Final

from redis.asyncio import Redis

from worker.dead_letters.filter import Filter
from worker.dead_letters.index import KNOWN, NOT_KNOWN, Cell, Index, id_number, letter_id
from worker.dead_letters.letter import Letter
from worker.dead_letters.masks import both
from worker.dead_letters.order import Order, Sort
from worker.dead_letters.reading import Reading, blocks_from, scan_for
from worker.dead_letters.scan import Best, Scan
from worker.dead_letters.store import DEAD_CLOSED, DEAD_STREAM, DeadLetters
from worker.dead_letters.totals import Group, Totals, grouped, of_letter, value_of

#: Letters that are read in one round trip.
_LETTERS: Final = 500


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
        scan = await scan_for(index, wanted)
        begin = id_number(after) + 1 if after else 0
        async for block, rows in Reading(index, scan, {"ids"}).rows(await blocks_from(index, begin)):
            ids = [number for number in map(block.numbers("ids").__getitem__, rows) if number >= begin]
            for some in _slices(ids):
                for letter in await letters.many([letter_id(number) for number in some]):
                    if wanted.fits(letter):  # it does, unless a rebuild has begun since
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
        scan = await scan_for(index, wanted)
        if order.by is Sort.AT:
            numbers = await _page_by_time(index, scan, place, limit=limit, is_reverse=order.is_reverse)
        else:
            column = {Sort.AMOUNT: "cents", Sort.KEY: "keys"}[order.by]
            best = Best(limit, is_reverse=order.is_reverse, after=place)
            classes = best.classes if order.by is Sort.AMOUNT else None
            async for block, mask in Reading(index, scan, {"ids", column}, classes).masks(await blocks_from(index)):
                values: Sequence[Any] = block.lines("keys") if column == "keys" else block.numbers("cents")
                best.add(values, block.numbers("ids"), mask)
            numbers = [number for _, number in best.found]
        found = await letters.many([letter_id(number) for number in numbers])
        if not await index.is_ready():  # a rebuild has begun since
            return await self._page_by_reading(wanted, order, limit)
        return found

    async def groups(self, wanted: Filter, by: Group) -> dict[tuple[str, str], Totals]:
        """Count the letters that are meant, and sum their money, per (group, shop)."""
        index = self._index(wanted)
        if not await index.is_ready():
            return await self._groups_by_reading(wanted, by)
        scan = await scan_for(index, wanted)
        summed = scan.summed
        rest = scan.without(summed)
        sums = await _sums(index, rest) if rest.cells else {}
        if not await index.is_ready():  # a rebuild has begun since
            return await self._groups_by_reading(wanted, by)
        parts: list[tuple[str, str, Totals | Cell]] = [(value_of(cell, by), cell.shop, cell) for cell in summed]
        parts += [(value_of(cell, by), cell.shop, sums[cell.number]) for cell in rest.cells if cell.number in sums]
        return grouped(parts)

    async def _groups_by_reading(self, wanted: Filter, by: Group) -> dict[tuple[str, str], Totals]:
        found = [one async for one in self._letters(wanted).read() if wanted.fits(one)]
        return grouped((value_of(one, by), one.shop, of_letter(one)) for one in found)

    async def _page_by_reading(self, wanted: Filter, order: Order, limit: int) -> list[Letter]:
        place = order.place()
        found = []
        async for letter in self._letters(wanted).read():
            one = (order.value(letter), id_number(letter.id))
            if wanted.fits(letter) and (place is None or (one < place if order.is_reverse else one > place)):
                found.append((one, letter))
        choose = nlargest if order.is_reverse else nsmallest
        return [letter for _, letter in choose(limit, found, key=lambda pair: pair[0])]


async def _page_by_time(
    index: Index, scan: Scan, place: tuple[Any, int] | None, *, limit: int, is_reverse: bool
) -> list[int]:
    begin = 0 if place is None or is_reverse else place[1] + 1
    blocks = await blocks_from(index, begin)
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
    unknown: Counter[int] = Counter()
    known: Counter[int] = Counter()
    cents = [0] * (1 + max(cell.number for cell in scan.cells))
    async for block, mask in Reading(index, scan, {"classes", "cells", "cents"}).masks(await blocks_from(index)):
        cells, amounts = block.numbers("cells"), block.numbers("cents")
        cents.extend([0] * (max(cells) + 1 - len(cents)))  # of cells that are new since we began
        says = mask if scan.low is not None else both(mask, block.columns["classes"].translate(KNOWN))
        some = list(compress(cells, says))
        known.update(some)
        if says is not mask:
            unknown.update(compress(cells, both(mask, block.columns["classes"].translate(NOT_KNOWN))))
        for cell, amount in zip(some, compress(amounts, says), strict=True):
            cents[cell] += amount
    return {
        cell: Totals(letters=known[cell] + unknown[cell], known=known[cell], cents=cents[cell])
        for cell in known.keys() | unknown.keys()
    }


def _stream(wanted: Filter) -> str:
    return DEAD_CLOSED if wanted.is_closed else DEAD_STREAM


def _slices(numbers: list[int]) -> list[list[int]]:
    return [numbers[at : at + _LETTERS] for at in range(0, len(numbers), _LETTERS)]
