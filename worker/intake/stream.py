"""The stream `refunds:intake`: job documents from producers in any language, read by a consumer group.

An entry is acknowledged when the ledger entry (or the dead letter) of its document stands, never before. After that
it is deleted in the same transaction: the ledger keeps the document for good, and a stream that only grew would fill
the memory of the one Redis that must never be full. Who needs the raw stream as well writes it twice.

A reader that dies leaves its entries pending; the others take them over. A document that is read twice is a
duplicate, so taking over too early does no harm.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import sentry_sdk
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from config.queues import CHUNK, INTAKE_GROUP, INTAKE_STREAM
from config.settings import Settings
from worker.intake.accept import Intake, Publish, take_in

log = structlog.get_logger("intake")

#: An entry that its reader has had longer than this, in ms, is taken over. A batch takes a fraction of a second.
ABANDONED_MS: Final = 10_000
#: How often a reader looks for abandoned entries, in seconds.
TAKE_OVER_SECONDS: Final = 3.0
#: How long one read waits for entries, in ms; SIGTERM is obeyed at its end.
BLOCK_MS: Final = 500
#: How long a reader waits after Redis was away, in seconds.
_AWAY_SECONDS: Final = 1.0

Fields = dict[bytes, bytes]
StreamEntry = tuple[bytes, Fields]


@asynccontextmanager
async def open_stream(settings: Settings) -> AsyncIterator[Redis]:
    """Open a client for the stream: it gives bytes, so that what is not UTF-8 survives until it is judged."""
    timeout = settings.redis_timeout_seconds + BLOCK_MS / 1000
    client = Redis.from_url(str(settings.redis_url), socket_timeout=timeout, decode_responses=False)
    try:
        yield client
    finally:
        await client.aclose()


class StreamIntake:
    """One reader of the stream.

    Args:
        r: Settings and ledger.
        stream: A client that gives bytes.
        publish: Sends one message to a lane.
        reader: Name of this reader in the group; never used by two processes.
        abandoned_ms: When an entry of another reader is taken over.
    """

    def __init__(
        self, r: Intake, stream: Redis, publish: Publish, *, reader: str, abandoned_ms: int = ABANDONED_MS
    ) -> None:
        self._r, self._stream, self._publish, self._reader = r, stream, publish, reader
        self._abandoned_ms = abandoned_ms
        self._has_group = False
        self._look_at_own = False
        self._cursor: bytes | str = "0-0"
        self._next_take_over = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Read until told to stop; the batch in hand is finished. Redis being away is waited out."""
        while not stopping.is_set():
            try:
                await self.step()
            except (RedisError, OSError) as error:
                self._has_group = self._has_group and "NOGROUP" not in str(error)
                self._look_at_own = True  # what was read before the trouble is pending, and ours
                log.warning("intake.redis_away", error=type(error).__name__, detail=str(error)[:200])
                await _wait(stopping, _AWAY_SECONDS)
        await self._leave()

    async def step(self) -> int:
        """Take in one batch; gives the number of entries.

        Raises:
            RedisError: Redis is away; whatever was not acknowledged comes again.
        """
        await self._ensure_group()
        entries = await self._abandoned() or await self._read()
        if entries:
            await self._take_in(entries)
        return len(entries)

    async def _ensure_group(self) -> None:
        if self._has_group:
            return
        try:
            await self._stream.xgroup_create(INTAKE_STREAM, INTAKE_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._has_group = True

    async def _read(self) -> list[StreamEntry]:
        batch = self._r.settings.intake_batch
        if self._look_at_own:
            own = await self._stream.xreadgroup(INTAKE_GROUP, self._reader, {INTAKE_STREAM: "0"}, count=batch)
            entries = _entries(own)
            self._look_at_own = bool(entries)
            if entries:
                return entries
        return _entries(
            await self._stream.xreadgroup(INTAKE_GROUP, self._reader, {INTAKE_STREAM: ">"}, count=batch, block=BLOCK_MS)
        )

    async def _abandoned(self) -> list[StreamEntry]:
        now = asyncio.get_running_loop().time()
        if now < self._next_take_over:
            return []
        answer: Any = await self._stream.xautoclaim(
            INTAKE_STREAM,
            INTAKE_GROUP,
            self._reader,
            min_idle_time=self._abandoned_ms,
            start_id=self._cursor,
            count=self._r.settings.intake_batch,
        )
        self._cursor = answer[0]
        entries = [(entry_id, fields) for entry_id, fields in answer[1] if entry_id is not None]
        if self._cursor in {b"0-0", "0-0"}:
            self._next_take_over = now + TAKE_OVER_SECONDS
        if entries:
            log.warning("intake.entries_taken_over", entries=len(entries))
        return entries

    async def _take_in(self, entries: Sequence[StreamEntry]) -> None:
        """Accept what came in one read: what shares a lane travels together, in messages of up to 100."""
        lanes: dict[str, list[StreamEntry]] = {}
        for entry_id, fields in entries:
            if fields and b"job" in fields:
                lanes.setdefault(_lane(fields), []).append((entry_id, fields))
            else:
                if fields:
                    await self._bury(json.dumps(_readable(fields)).encode(), "the stream entry has no field `job`")
                await self._acknowledge([entry_id])
        for lane, chosen in lanes.items():
            for start in range(0, len(chosen), CHUNK):
                await self._take_in_chunk(chosen[start : start + CHUNK], lane)

    async def _take_in_chunk(self, chunk: Sequence[StreamEntry], lane: str) -> None:
        documents = [fields[b"job"] for _, fields in chunk]
        try:
            answers = await take_in(documents, self._r, self._publish, lane=lane, door="stream")
        except (RedisError, OSError):
            raise
        except Exception as error:
            sentry_sdk.capture_exception(error)
            log.exception("intake.document_failed", documents=len(chunk))
            if len(chunk) > 1:  # find the one that does it; the others are not to blame
                for entry in chunk:
                    await self._take_in_chunk([entry], lane)
                return
            await self._bury(documents[0], f"could not be read ({type(error).__name__})")
        else:
            counts = {status: sum(a.status == status for a in answers) for status in {a.status for a in answers}}
            log.info("intake.batch_taken_in", lane=lane, **counts)
        await self._acknowledge([entry_id for entry_id, _ in chunk])

    async def _bury(self, raw: bytes, reasons: str) -> None:
        raw_base64 = base64.b64encode(raw).decode()
        await self._r.ledger.bury_invalid(
            key="", raw_base64=raw_base64, reason="invalid", reasons=reasons, door="stream"
        )
        log.warning("document.refused", door="stream", reasons=reasons)

    async def _acknowledge(self, entry_ids: Sequence[bytes]) -> None:
        async with self._stream.pipeline(transaction=True) as pipe:
            _ = pipe.xack(INTAKE_STREAM, INTAKE_GROUP, *entry_ids)
            _ = pipe.xdel(INTAKE_STREAM, *entry_ids)
            await pipe.execute()

    async def _leave(self) -> None:
        """Take the name out of the group, unless something is pending under it that another reader must take over."""
        try:
            pending: Any = await self._stream.xpending_range(
                INTAKE_STREAM, INTAKE_GROUP, min="-", max="+", count=1, consumername=self._reader
            )
            if not pending:
                await self._stream.xgroup_delconsumer(INTAKE_STREAM, INTAKE_GROUP, self._reader)
        except (RedisError, OSError) as error:
            log.warning("intake.leave_failed", error=type(error).__name__)


def _entries(answer: Any) -> list[StreamEntry]:  # noqa: ANN401 - redis-py's shape depends on the protocol
    streams = answer.items() if isinstance(answer, dict) else answer or ()
    found: list[StreamEntry] = []
    for _, entries in streams:
        nested = entries[0] if entries and isinstance(entries[0], list) else entries
        found.extend((entry_id, fields) for entry_id, fields in nested)
    return found


def _lane(fields: Fields) -> str:
    return "bulk" if fields.get(b"lane") == b"bulk" else "express"


def _readable(fields: Fields) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in fields.items()}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
