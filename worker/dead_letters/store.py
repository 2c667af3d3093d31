"""The stream `refunds:dead` and its index: keep, list, show. Any consumer group may read the stream as well."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from worker.dead_letters.filter import Filter
from worker.dead_letters.index import Index, letter_id
from worker.dead_letters.letter import NEVER_A_JOB, Letter
from worker.dead_letters.reading import Reading, blocks_from, scan_for

#: Letters that wait for people, or for a replay.
DEAD_STREAM: Final = "refunds:dead"
#: Letters that people closed: their jobs need nothing more.
DEAD_CLOSED: Final = "refunds:dead:closed"
DEAD_INDEX: Final = "refunds:dead_index"
_STREAM_ID: Final = re.compile(r"\d{1,20}-\d{1,20}")
_PAGE: Final = 500


class DeadLetters:
    """The dead letters in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
        stream: The open letters, or those that were closed.
    """

    def __init__(self, redis: Redis, *, stream: str = DEAD_STREAM) -> None:
        self._redis = redis
        self._stream = stream

    async def read(self, *, after: str = "") -> AsyncIterator[Letter]:
        """Give every letter, oldest first.

        Args:
            after: Id of a letter; only later ones are given.
        """
        start = f"({after}" if after else "-"
        while True:
            page: Any = await self._redis.xrange(self._stream, min=start, max="+", count=_PAGE)
            for entry_id, fields in page:
                yield Letter.read(entry_id, fields)
            if len(page) < _PAGE:
                return
            start = f"({page[-1][0]}"

    async def find(self, key_or_id: str) -> Letter | None:
        """Give the letter of a key, or the one with this id; an empty key means no letter, though some have none."""
        if not key_or_id:
            return None
        found: Any = await self._redis.hget(DEAD_INDEX, key_or_id)
        if found is None and _STREAM_ID.fullmatch(key_or_id):
            found = key_or_id
        if found is None:
            return await self._of_no_job(key_or_id)
        page: Any = await self._redis.xrange(self._stream, min=found, max=found)
        return Letter.read(*page[0]) if page else None

    async def _of_no_job(self, key: str) -> Letter | None:
        """Letters of documents that never became a job are not in `refunds:dead_index`: keys need not be unique."""
        index = Index(self._redis, self._stream)
        if await index.is_ready():
            return await self._searched(index, key)
        async for letter in self.read():
            if letter.key == key:
                return letter
        return None

    async def _searched(self, index: Index, key: str) -> Letter | None:
        scan = await scan_for(index, Filter(reasons=tuple(sorted(NEVER_A_JOB)), text=key))
        async for block, rows in Reading(index, scan, {"ids"}).rows(await blocks_from(index)):
            ids = block.numbers("ids")
            for letter in await self.many([letter_id(ids[row]) for row in rows]):
                if letter.key == key:
                    return letter
        return None

    async def many(self, ids: Sequence[str]) -> list[Letter]:
        """Read letters by their ids, in one round trip; those that have gone are left out."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.xrange(self._stream, min=one, max=one)  # type: ignore[unused-awaitable]  # queued
            found: Any = await pipe.execute()
        return [Letter.read(*page[0]) for page in found if page]

    async def count(self) -> int:
        """How many letters there are."""
        return int(await self._redis.xlen(self._stream))
