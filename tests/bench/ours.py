"""Fills our own queues, by the doors that users have."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from redis.asyncio import Redis

from config.logging import configure_logging
from config.queues import CHUNK, INTAKE_STREAM
from config.settings import Settings
from tests.bench.jobs import texts
from worker.cli.opening import Desk, opened_desk, producer
from worker.enqueue import Enqueue
from worker.intake.accept import accept
from worker.ledger.connection import run_id_of


def settings_of(env: dict[str, str]) -> Settings:
    """Give the settings that the processes of the stand have; what code of ours logs in this process is for nobody."""
    settings = Settings.from_environ({name: value for name, value in env.items() if name.startswith("REFUNDS_")})
    configure_logging(settings.model_copy(update={"log_level": "error"}))
    return settings


async def initialise(desk: Desk) -> None:
    """Make an empty Redis a ledger, as `refunds ledger init`."""
    raw = await desk.redis.execute_command("INFO", "server")
    run_id = raw["run_id"] if isinstance(raw, dict) else run_id_of(raw)
    await desk.ledger.initialise("first", run_id=run_id)


async def fill_lane(settings: Settings, count: int, *, lane: str, size: int = CHUNK, campaign: str = "") -> None:
    """Accept jobs, `size` to a message, as `refunds submit` does with a file."""
    async with opened_desk(settings) as desk:
        await initialise(desk)
        publish = Enqueue(producer(settings))
        for start in range(0, count, size):
            batch = list(texts(start, min(size, count - start), campaign=campaign))
            answers = await accept(batch, desk, publish, lane=lane, door="cli")
            assert all(answer.status == "accepted" for answer in answers), answers


async def fill_stream(settings: Settings, count: int) -> None:
    """Put documents on the stream, as a producer in any language."""
    async with opened_desk(settings) as desk:
        await initialise(desk)
        for start in range(0, count, 1000):
            await _add(desk.redis, texts(start, min(1000, count - start)))


async def _add(redis: Redis, documents: Iterator[str]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for text in documents:
            _ = pipe.xadd(INTAKE_STREAM, {"job": text})
        await pipe.execute()


def write_file(path: Path, count: int) -> Path:
    """Write documents as JSONL; gives the path."""
    with path.open("w") as file:
        file.writelines(f"{text}\n" for text in texts(0, count))
    return path


def run_initialise(env: dict[str, str]) -> None:
    """Make an empty Redis a ledger, from code that has no loop."""

    async def run() -> None:
        async with opened_desk(settings_of(env)) as desk:
            await initialise(desk)

    asyncio.run(run())


def run_fill_lane(env: dict[str, str], count: int, *, lane: str, size: int = CHUNK, campaign: str = "") -> None:
    """Do it from code that has no loop."""
    asyncio.run(fill_lane(settings_of(env), count, lane=lane, size=size, campaign=campaign))


def run_fill_stream(env: dict[str, str], count: int) -> None:
    """Do it from code that has no loop."""
    asyncio.run(fill_stream(settings_of(env), count))
