"""Go through the index for the letters that fit a filter, and read of each block only what is needed."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from worker.dead_letters.filter import Filter
from worker.dead_letters.index import SEQUENCE_BITS, Block, Index
from worker.dead_letters.masks import rows_of
from worker.dead_letters.scan import Scan, first_block
from worker.dead_letters.text import TextSearch

#: Blocks that are read in one round trip: few at first, because a page is often full soon; then as many as 2 MB are.
_FIRST_BLOCKS: Final = 1
_MOST_BLOCKS: Final = 64


async def scan_for(index: Index, wanted: Filter) -> Scan:
    """Make a filter ready for the rows of an index."""
    text = TextSearch.of(wanted.text, await index.templates()) if wanted.text else None
    return Scan.of(wanted, await index.cells(), text)


async def blocks_from(index: Index, begin: int = 0) -> list[int]:
    """The blocks that can hold a letter from an id on."""
    blocks = await index.blocks()
    return [block for block, _ in blocks[first_block(blocks, begin >> SEQUENCE_BITS) :]]


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
            more = (scan.columns | self.columns) - {"classes", "cells"}
            for block in joined(found, await self.index.read(left, more)):
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


def joined(blocks: Sequence[Block], others: Sequence[Block]) -> Iterator[Block]:
    """The others, each with the columns that were read of it before."""
    known = {block.number: block.columns for block in blocks}
    return (Block(block.number, known[block.number] | block.columns) for block in others)
