"""The bare limit: one asyncio script, jobs in memory, 200 in flight. `python -m tests.bench.peers.bare COUNT`."""

import asyncio
import sys
from collections.abc import Iterator

from tests.bench.jobs import texts
from tests.bench.peers.moves import IN_FLIGHT, Moves


async def main(count: int) -> None:
    """Do `count` jobs, then stay until told to end, so that all can be read off the process."""
    jobs = enumerate(list(texts(0, count)))
    async with Moves() as moves:
        await asyncio.gather(*(_work(jobs, moves) for _ in range(IN_FLIGHT)))
        await asyncio.Event().wait()


async def _work(jobs: Iterator[tuple[int, str]], moves: Moves) -> None:
    for number, body in jobs:
        await moves.refund(number, body)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
