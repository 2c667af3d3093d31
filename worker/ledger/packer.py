"""Packs entries that settled some time ago, many at a time and off the path of any job."""

from typing import Final

from redis.asyncio import Redis

from worker.ledger.packing import KEPT, is_packed, pack, text_of
from worker.ledger.samples import Samples
from worker.ledger.scripts import Moves

_ENTRY: Final = "refunds:entry:"
_UNPACKED: Final = "refunds:unpacked"
#: A sample longer than this, in characters, helps no more: the window of the compression is 4 kB.
_LONGEST_SAMPLE: Final = 2000


class Packer:
    """Packs settled entries.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis, self._move, self._samples = redis, Moves(redis), Samples(redis)

    async def pack(self, *, until_ms: int, at_most: int) -> int:
        """Pack entries that settled, or were confirmed, up to a time of the server; gives how many were looked at."""
        keys = [str(key) for key in await self._redis.zrangebyscore(_UNPACKED, "-inf", until_ms, start=0, num=at_most)]
        if not keys:
            return 0
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                _ = pipe.hgetall(_ENTRY + key)
            found = dict(zip(keys, await pipe.execute(), strict=True))
        texts = {key: text_of(key, raw) for key, raw in found.items() if "doc" in raw and not is_packed(raw)}
        samples = await self._samples.fresh(found[key].get("campaign", "") for key in texts)
        args: list[str | int] = []
        for key, raw in found.items():
            pieces: list[str] = []
            if key in texts:
                sample = samples.setdefault(raw.get("campaign", ""), texts[key][:_LONGEST_SAMPLE])
                pieces = pack(texts[key], sample)
            args += [key, raw.get("updated_ms", ""), raw.get("confirmed", ""), len(pieces), *pieces]
        pairs = [part for pair in samples.items() for part in pair]
        await self._move("pack", " ".join(KEPT), len(samples), *pairs, *args)
        return len(keys)
