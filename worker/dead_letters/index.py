"""The index of dead letters as Redis keeps it: cells with sums, and blocks of columns. `letters.lua` writes it."""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

#: What an index says that this version can read; `letters.lua` has the same number.
VERSION: Final = "1"
#: In the column `cents`: the amount is not known. Smaller than every amount.
UNKNOWN: Final = -(2**63)
#: In the column `classes`: the amount is not known; the letter has gone.
UNKNOWN_CLASS: Final = 0
GONE_CLASS: Final = 255
#: For `bytes.translate`: 1 for classes of amounts that are known.
KNOWN: Final = bytes(UNKNOWN_CLASS < value < GONE_CLASS for value in range(256))
#: The same, of those that are not.
NOT_KNOWN: Final = bytes(value == UNKNOWN_CLASS for value in range(256))
_NEGATIVE_CLASS, _CENTS_CLASS, _STEPS = 1, 2, 18
_WIDTHS: Final = {"ids": 8, "times": 8, "cents": 8, "classes": 1, "cells": 4, "words": 4}
_TYPES: Final = {"ids": "Q", "times": "q", "cents": "q", "cells": "I", "words": "I"}
#: Bits of a number of the column `ids` that are the second part of an id.
SEQUENCE_BITS: Final = 22
_FIND_TEXT: Final = (files("worker.dead_letters") / "lua" / "find_text.lua").read_text()


class Cell(NamedTuple):  # there may be ten thousand: a tuple is made in a fifth of the time
    """Letters that are alike in all that they are grouped by, and what they add up to.

    Attributes:
        day: Days since 1970, UTC, in digits.
        letters: How many there are.
        known: How many of them say what they ask for.
        cents: What those ask for together.
    """

    number: int
    reason: str
    verdict: str
    shop: str
    campaign: str
    service: str
    day: str
    letters: int
    known: int
    cents: int


@dataclass(frozen=True)
class Block:
    """Some thousand letters of the index, oldest first, as the columns that were asked for."""

    number: int
    columns: dict[str, bytes]

    @property
    def length(self) -> int:
        """How many rows all columns have."""
        lengths = [
            raw.count(b"\n") if name in {"keys", "text"} else len(raw) // _WIDTHS[name]
            for name, raw in self.columns.items()
        ]
        return min(lengths)

    def numbers(self, column: str) -> "array[int]":
        """Give a column of numbers."""
        raw = self.columns[column]
        found = array(_TYPES[column], raw[: len(raw) - len(raw) % array(_TYPES[column]).itemsize])
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def lines(self, column: str) -> list[bytes]:
        """Give a column of lines."""
        return self.columns[column].split(b"\n")[:-1]


class Index:
    """Reads the index of one stream.

    Args:
        redis: A client with `decode_responses=True`.
        stream: `refunds:dead` or `refunds:dead:closed`.
    """

    def __init__(self, redis: Redis, stream: str) -> None:
        self._redis = redis
        self._stream = stream
        self._find_text = redis.register_script(_FIND_TEXT)

    async def is_ready(self) -> bool:
        """Whether every letter is in the index; where none is written yet, there is nothing to be in it."""
        state, version = await self._redis.hmget(f"{self._stream}:index", ["state", "version"])
        if state is None:
            return not await self._redis.xlen(self._stream)
        return bool(state == "ready" and version == VERSION)

    async def count(self) -> int:
        """How many letters the index holds."""
        return sum(map(int, await self._redis.hvals(f"{self._stream}:alive")))

    async def cells(self) -> list[Cell]:
        """Read every cell."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for part in ("names", "sums"):
                pipe.execute_command("GET", f"{self._stream}:{part}", NEVER_DECODE=True)
            names, raw = await pipe.execute()
        sums = array("q", raw or b"")
        if sys.byteorder == "little":
            sums.byteswap()
        counts, known, cents = sums[::3], sums[1::3], sums[2::3]
        return [
            Cell._make((number, *name.split("\x1f"), counts[number], known[number], cents[number]))
            for number, name in enumerate((names or b"").decode().split("\n")[: len(counts)])
            if counts[number]
        ]

    async def templates(self) -> dict[int, bytes]:
        """Read the kinds of words, by their number: words without what is variable in them."""
        found: Any = await self._redis.hgetall(f"{self._stream}:templates")
        return {int(number): template.encode() for number, template in found.items()}

    async def blocks(self) -> list[tuple[int, int]]:
        """Give (block, ms in the id of its first letter), oldest first."""
        found: Any = await self._redis.zrange(f"{self._stream}:blocks", 0, -1, withscores=True)
        return sorted((int(block), int(ms)) for block, ms in found)

    async def read(self, blocks: Sequence[int], columns: Iterable[str]) -> list[Block]:
        """Read columns of blocks in one round trip; written to meanwhile, one may be a row longer than another."""
        names = list(columns)
        async with self._redis.pipeline(transaction=False) as pipe:
            for block in blocks:
                for name in names:
                    pipe.execute_command("GET", f"{self._stream}:{name}:{block}", NEVER_DECODE=True)
            answers = await pipe.execute()
        found = iter(answers)
        return [Block(block, {name: next(found) or b"" for name in names}) for block in blocks]

    async def with_text(self, blocks: Sequence[int], text: bytes, needles: Sequence[bytes]) -> set[int]:
        """Which blocks hold a text in their keys, or one of the needles in the column `text`; the server looks."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for block in blocks:
                await self._find_text(args=[self._stream, block, text, *needles], client=pipe)
            answers = await pipe.execute()
        return {block for block, answer in zip(blocks, answers, strict=True) if answer}


def class_of(cents: int) -> int:
    """The class of an amount in one byte, as `letters.lua` has it: the larger, the higher, eighteen from 10 to 100."""
    if cents == UNKNOWN:
        return UNKNOWN_CLASS
    if cents < 0:
        return _NEGATIVE_CLASS
    digits = str(cents)
    if len(digits) <= len("99"):
        return _CENTS_CLASS
    place = min(len(digits) - 3, 12)  # no amount has more than 14 digits; whatever is larger is in the last class
    lead = 99 if len(digits) > len("999999999999999") else int(digits[:2])
    return _CENTS_CLASS + 1 + place * _STEPS + (lead - 10) // 5


def id_number(letter_id: str) -> int:
    """The id of a letter as one number, as in the column `ids`."""
    ms, _, sequence = letter_id.partition("-")
    return (int(ms) << SEQUENCE_BITS) + int(sequence or 0)


def letter_id(number: int) -> str:
    """The id of a letter, from the column `ids`."""
    return f"{number >> SEQUENCE_BITS}-{number & (1 << SEQUENCE_BITS) - 1}"
