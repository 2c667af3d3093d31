"""Reads entries, packed or not: one, many, or all."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from redis.asyncio import Redis

from worker.domain.lifecycle import State
from worker.ledger.entry import Entry
from worker.ledger.packing import is_packed, unpack
from worker.ledger.samples import Samples

_ENTRY: Final = "refunds:entry:"
#: Names that Redis looks at in one step of going through all entries.
_SCAN: Final = 500


class Entries:
    """The entries of one Redis, for readers.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._samples = Samples(redis)

    async def find(self, key: str) -> Entry | None:
        """Read one entry, or None where the key was never seen."""
        return (await self.find_many([key])).get(key)

    async def find_many(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Read entries in one round trip; keys that were never seen are left out."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                _ = pipe.hgetall(_ENTRY + key)
            found = await pipe.execute()
        raw = {key: fields for key, fields in zip(keys, found, strict=True) if fields}
        try:
            whole = await self._unpacked(raw)
        except ValueError:
            self._samples.forget()
            whole = await self._unpacked(raw)
        return {key: Entry.read(key, fields) for key, fields in whole.items()}

    async def _unpacked(self, raw: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        packed = {key: fields for key, fields in raw.items() if is_packed(fields)}
        if not packed:
            return raw
        samples = await self._samples.known(fields.get("campaign", "") for fields in packed.values())
        whole = {key: unpack(key, one, samples.get(one.get("campaign", ""), "")) for key, one in packed.items()}
        return {key: whole.get(key, fields) for key, fields in raw.items()}

    async def states(self, keys: Sequence[str]) -> dict[str, State]:
        """Read where jobs stand, in one round trip; keys that were never seen are left out."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                _ = pipe.hget(_ENTRY + key, "state")
            found = await pipe.execute()
        return {key: State(state) for key, state in zip(keys, found, strict=True) if state}

    async def entries(self) -> AsyncIterator[Entry]:
        """Go through every entry, a few hundred at a time; new ones may or may not be among them."""
        cursor, seen_all = 0, False
        while not seen_all:
            cursor, names = await self.redis.scan(cursor, match=f"{_ENTRY}*", count=_SCAN)
            for entry in (await self.find_many([str(name).removeprefix(_ENTRY) for name in names])).values():
                yield entry
            seen_all = cursor == 0
