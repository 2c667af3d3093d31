"""Find dead letters."""

from collections.abc import AsyncIterator

from redis.asyncio import Redis

from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.store import DeadLetters


class Query:
    """Finds letters in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._letters = DeadLetters(redis)

    async def find(self, wanted: Filter, *, after: str = "") -> AsyncIterator[Letter]:
        """Give the letters that are meant, oldest first.

        Args:
            wanted: Which ones.
            after: Id of a letter; only later ones are given.
        """
        async for letter in self._letters.read(after=after):
            if wanted.fits(letter):
                yield letter
