"""What commands work with: settings, the ledger, and a way to publish."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from celery import Celery
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from config.celery import celery_settings
from config.logging import configure_logging
from config.settings import Settings
from worker.cli.failure import Exit, Failure
from worker.enqueue import Enqueue
from worker.ledger.connection import connect
from worker.ledger.ledger import Ledger

NO_LEDGER = (
    "this Redis holds no ledger: workers refuse to send until `refunds ledger init` "
    "(first installation) or `refunds ledger init --after-loss` (its data was lost)"
)


def settings_for_a_command() -> Settings:
    """Read the settings; what is logged on the way is shown only if it is an error."""
    settings = Settings.from_environ()
    quiet = settings if settings.log_level == "debug" else settings.model_copy(update={"log_level": "error"})
    configure_logging(quiet)
    return settings


def producer(settings: Settings) -> Celery:
    """Make a Celery application that only sends."""
    app = Celery("refunds", set_as_current=False)
    app.conf.update(celery_settings(settings))
    return app


@dataclass
class Publisher:
    """Publishes messages, and counts the jobs whose message did not go out; upkeep publishes those.

    Attributes:
        unannounced: Jobs that were accepted while the broker was away.
    """

    enqueue: Enqueue
    unannounced: int = field(default=0)

    async def __call__(self, lane: str, message: int, keys: Sequence[str]) -> None:
        """Publish one message; raises what the broker raises."""
        try:
            await self.enqueue(lane, message, keys)
        except Exception:
            self.unannounced += len(keys)
            raise


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The ledger as a command sees it; also what `accept` needs."""

    settings: Settings
    redis: Redis
    ledger: Ledger

    async def has_ledger(self) -> bool:
        """Whether this Redis was initialised."""
        return bool(await self.ledger.identity())


@asynccontextmanager
async def opened_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Connect to the ledger.

    Raises:
        Failure: Redis cannot be reached.
    """
    redis = connect(settings.redis_url, timeout_seconds=settings.redis_timeout_seconds)
    try:
        try:
            await redis.ping()
        except (RedisError, OSError) as error:
            raise unreachable(settings, error) from None
        yield Desk(settings=settings, redis=redis, ledger=Ledger(redis, lease_seconds=settings.lease_seconds))
    finally:
        await redis.aclose()


def unreachable(settings: Settings, error: Exception) -> Failure:
    """Put it into words that Redis is away."""
    words = str(error) if isinstance(error, RedisConnectionError) else f"{type(error).__name__}: {error}"
    return Failure(f"cannot reach Redis at {settings.redis_url.masked}: {words}", code=Exit.UNREACHABLE)
