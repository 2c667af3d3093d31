"""`refunds worker`, `refunds upkeep` and `refunds intake`: the process types of the Procfile."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import structlog
import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.celery import worker_flags
from config.logging import configure_logging
from config.queues import WORKER_QUEUES, Queue
from config.sentry import init_sentry
from config.settings import Settings
from worker import metrics
from worker.cancelling import cancel_surely
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import NO_LEDGER, producer
from worker.domain.errors import RefundError
from worker.enqueue import Enqueue
from worker.garbage import collect_less_often
from worker.intake.stream import StreamIntake, open_stream
from worker.ledger.ledger import Ledger
from worker.resources import opened
from worker.upkeep.upkeep import Upkeep

log = structlog.get_logger("process")

#: Documents of `send_task` producers are read beside the express lane: accepting one is short work.
_LANES: Final = {"express": (Queue.EXPRESS, Queue.SUBMIT, Queue.UNNAMED), "bulk": (Queue.BULK,)}


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command(epilog=examples("refunds worker", "refunds worker --threads 64 --lanes bulk --no-upkeep"))(worker)
    cli.command(epilog=examples("refunds upkeep"))(upkeep)
    cli.command(
        epilog=examples(
            "refunds intake",
            'redis-cli XADD refunds:intake \'*\' job \'{"idempotency_key": "rma-1", "order_id": 1, "full": true}\'',
        )
    )(intake)


def worker(
    threads: Annotated[
        int | None, typer.Option(help="Messages in hand at once; REFUNDS_WORKER_THREADS if not given.", min=1, max=1000)
    ] = None,
    lanes: Annotated[str, typer.Option(help="Which lanes to serve.")] = "express,bulk",
    with_upkeep: Annotated[
        bool, typer.Option("--upkeep/--no-upkeep", help="Take part in upkeep, as REFUNDS_UPKEEP_IN_WORKER says.")
    ] = True,
) -> None:
    """Run a worker: claims jobs and calls the shops. SIGTERM lets calls in flight end."""
    queues = _queues(lanes)
    settings = _settings_for_a_process()
    asyncio.run(_say_if_there_is_no_ledger(settings))
    from worker.app import app  # noqa: PLC0415 - reads the environment when imported; errors are told above

    if not with_upkeep:
        app.settings = app.settings.model_copy(update={"upkeep_in_worker": False})
    flags = [flag for flag in worker_flags() if not flag.startswith("--queues=")]
    flags.append(f"--queues={','.join(queues)}")
    if threads is not None:
        flags.append(f"--concurrency={threads}")
    app.run_worker(flags)


def _queues(lanes: str) -> list[str]:
    names = [name.strip() for name in lanes.split(",") if name.strip()]
    unknown = [name for name in names if name not in _LANES]
    if unknown or not names:
        raise Failure(f"--lanes takes express, bulk or both, not {lanes!r}", code=Exit.INVALID)
    wanted = {queue for name in names for queue in _LANES[name]}
    return [queue.value for queue in WORKER_QUEUES if queue in wanted]


def upkeep() -> None:
    """Run housekeeping: publishes what is due, takes over what dead workers held. Several may run; one acts."""
    asyncio.run(_until_told(_upkeep))


async def _upkeep(settings: Settings, stopping: asyncio.Event) -> None:
    async with opened(settings) as r:
        broker = Redis.from_url(str(settings.broker_url), socket_timeout=settings.redis_timeout_seconds)
        async with broker:
            await _run_until(Upkeep(r, Enqueue(producer(settings)), broker).run, stopping)


def intake() -> None:
    """Read job documents from the Redis stream refunds:intake. Several may run; SIGTERM ends the batch first."""
    asyncio.run(_until_told(_intake))


async def _intake(settings: Settings, stopping: asyncio.Event) -> None:
    async with opened(settings) as r, open_stream(settings) as stream:
        await StreamIntake(r, stream, Enqueue(producer(settings)), reader=r.worker).run(stopping)


async def _until_told(process: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    settings = _settings_for_a_process()
    await _say_if_there_is_no_ledger(settings)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    metrics.serve(settings.metrics_address)
    collect_less_often()
    log.info("process.started", redis=settings.redis_url.masked)
    await process(settings, stopping)
    log.info("process.stopped")


async def _run_until(work: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    running = asyncio.ensure_future(work())
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        told.cancel()
        running.result()
    await cancel_surely(running)


def _settings_for_a_process() -> Settings:
    settings = Settings.from_environ()
    configure_logging(settings)
    init_sentry(settings, expected=(RefundError,))
    return settings


async def _say_if_there_is_no_ledger(settings: Settings) -> None:
    """Say it loudly and go on: jobs may come in, and nothing is sent until somebody has said what this Redis is."""
    redis = Redis.from_url(str(settings.redis_url), decode_responses=True, socket_connect_timeout=2, socket_timeout=2)
    async with redis:
        try:
            if not await Ledger(redis).identity():
                log.error("ledger.missing", detail=NO_LEDGER)
        except (RedisError, OSError) as error:
            log.warning("ledger.away", redis=settings.redis_url.masked, error=type(error).__name__)
