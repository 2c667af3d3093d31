"""The index of dead letters as Redis keeps it: cells with sums, and blocks of columns. `letters.lua` writes it."""

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis

#: What an index says that this version can read; `letters.lua` has the same number.
VERSION: Final = "1"
#: In the column `cents`: the letter has gone; the amount is not known.
GONE: Final = -(2**63) + 1
UNKNOWN: Final = -(2**63)
_TYPES: Final = {"ids": "Q", "times": "q", "cents": "q", "cells": "I", "words": "I"}
_SEQUENCE_BITS: Final = 22
_FIND_TEXT: Final = (files("worker.dead_letters") / "lua" / "find_text.lua").read_text()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Letters that are alike in all that they are grouped by, and what they add up to.

    Attributes:
        day: Days since 1970, UTC.
        count: How many letters there are.
        known: How many of them say what they ask for.
        cents: What those ask for together.
    """

    number: int
    reason: str
    verdict: str
    shop: str
    campaign: str
    service: str
    day: int
    count: int
    known: int
    cents: int


@dataclass(frozen=True)
class Block:
    """Some thousand letters of the index, oldest first, as the columns that were asked for."""

    number: int
    columns: dict[str, Any]

    def numbers(self, column: str) -> "array[int]":
        """Give a column of numbers."""
        raw = self.columns[column]
        found = array(_TYPES[column], raw[: len(raw) - len(raw) % array(_TYPES[column]).itemsize])
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def lines(self, column: str) -> list[bytes]:
        """Give a column of lines."""
        lines: list[bytes] = self.columns[column].split(b"\n")
        return lines[:-1]


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
        sums: Any = await self._redis.hgetall(f"{self._stream}:sums")
        found = []
        for field, name in sums.items():
            number, _, what = field.partition(" ")
            if what == "name":
                reason, verdict, shop, campaign, service, day = name.split("\x1f")
                found.append(
                    Cell(
                        number=int(number),
                        reason=reason,
                        verdict=verdict,
                        shop=shop,
                        campaign=campaign,
                        service=service,
                        day=int(day),
                        count=int(sums.get(f"{number} count", 0)),
                        known=int(sums.get(f"{number} known", 0)),
                        cents=int(sums.get(f"{number} cents", 0)),
                    )
                )
        return found

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

    async def with_text(self, blocks: Sequence[int], text: bytes) -> set[int]:
        """Which blocks hold a text in keys, orders, or what is variable in Magento's words; the server looks."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for block in blocks:
                await self._find_text(args=[self._stream, block, text], client=pipe)
            answers = await pipe.execute()
        return {block for block, answer in zip(blocks, answers, strict=True) if answer}


def id_number(letter_id: str) -> int:
    """The id of a letter as one number, as in the column `ids`."""
    ms, _, sequence = letter_id.partition("-")
    return (int(ms) << _SEQUENCE_BITS) + int(sequence or 0)


def letter_id(number: int) -> str:
    """The id of a letter, from the column `ids`."""
    return f"{number >> _SEQUENCE_BITS}-{number & (1 << _SEQUENCE_BITS) - 1}"
