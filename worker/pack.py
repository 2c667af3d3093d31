"""Settled entries are packed, so that a ledger of millions stays small. Every worker process takes part; none must."""

import asyncio
from typing import Final

import structlog
from redis.exceptions import RedisError

from worker.ledger.packer import Packer
from worker.resources import Resources

log = structlog.get_logger("pack")

#: How long a settled entry stays as it is, in seconds, counted from when it settled or was confirmed.
AFTER_SECONDS: Final = 60.0
#: Entries packed at once: the server works on them for some milliseconds.
BATCH: Final = 100
_POLL_SECONDS: Final = 5.0


async def pack(r: Resources) -> None:
    """Pack what settled some time ago, until cancelled. Trouble with Redis is waited out."""
    packer = Packer(r.redis)
    while True:
        pause = _POLL_SECONDS * (0.5 + r.jitter())  # so that processes rarely meet; it would do no harm
        try:
            seconds, _ = await r.redis.time()
            if await packer.pack(until_ms=int((seconds - AFTER_SECONDS) * 1000), at_most=BATCH) == BATCH:
                pause = 0.0
        except (RedisError, OSError) as error:
            log.warning("pack.failed", error=type(error).__name__)
        except Exception:
            log.exception("pack.failed")
        await asyncio.sleep(pause)
