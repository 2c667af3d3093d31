"""Composition root: what an attempt needs, built from the settings, closed in one place."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from redis.asyncio import Redis

from config.settings import Settings
from config.shops import (
    AdminCredentials,
    BearerCredentials,
    Credentials,
    OAuth1Credentials,
    ShopSettings,
    reread,
)
from worker.crash import Crashes
from worker.domain.errors import NotSent
from worker.domain.limits import NO_LIMITS, Limits
from worker.domain.plan import ShopRules
from worker.guards.budget import limits_of
from worker.guards.gate import Gate, NotNow
from worker.guards.hand import Hand
from worker.ledger.connection import connect
from worker.ledger.ledger import Ledger
from worker.magento.admin_token import AdminToken
from worker.magento.auth import Auth, Bearer, OAuth1
from worker.magento.client import Magento
from worker.magento.reread import Reread
from worker.magento.session import open_session


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One configured Magento, ready to be called.

    Attributes:
        gate: Who may call it now: this process's part of the limits that all workers have in common.
        has_nonces: Whether our sends carry a nonce that the shop takes only once (OAuth 1.0a).
        limits: What the settings allow in money.
    """

    settings: ShopSettings
    magento: Magento
    rules: ShopRules
    gate: Gate
    has_nonces: bool
    limits: Limits = NO_LIMITS

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Magento]:
        """Wait for a slot, as whatever else calls this shop (promise P5); hold it for some reads.

        Raises:
            NotSent: The shop is not called now.
        """
        try:
            async with self.gate.slot("bulk", may_look=True):
                yield self.magento
        except NotNow as no:
            raise NotSent(f"the shop {self.settings.name!r} is not called now", reason=no.reason) from None


@dataclass(kw_only=True)
class Resources:
    """What one worker process works with; made on the loop that uses it.

    Attributes:
        worker: Name of this process in the ledger: host, pid and a random part, never used again.
        draining: Set when the process shall stop: what was not sent yet goes back.
        in_hand: What works on claimed jobs at this moment.
        orphans: Claims whose last move failed; the heartbeat gives them back.
        held: Keys of the claims that this process knows of and has not concluded.
        strangers: Keys that the ledger said we hold, at the last heartbeat, and we did not know of.
    """

    settings: Settings
    redis: Redis
    ledger: Ledger
    shops: Mapping[str, Shop]
    worker: str
    crashes: Crashes
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    in_hand: set[asyncio.Task[None]] = field(default_factory=set)
    orphans: list[tuple[str, str, bool]] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    jitter: Callable[[], float] = random.random

    def drain(self) -> None:
        """Begin to stop: jobs that wait for a slot go back."""
        self.draining.set()
        for shop in self.shops.values():
            shop.gate.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything that one process needs, and close it at the end."""
    redis = connect(settings.redis_url, timeout_seconds=settings.redis_timeout_seconds)
    session = open_session(limit=sum(shop.max_concurrency for shop in settings.shops.values()) + 8)
    try:
        yield Resources(
            settings=settings,
            redis=redis,
            ledger=Ledger(redis, lease_seconds=settings.lease_seconds),
            shops={
                name: open_shop(shop, session, most=settings.chunk_concurrency, limits=limits_of(settings, shop))
                for name, shop in settings.shops.items()
            },
            worker=process_name(),
            crashes=Crashes.parse(settings.crash_point),
        )
    finally:
        await session.close()
        await redis.aclose()


def process_name() -> str:
    """Make a name for this process that none had before and none will have again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def open_shop(
    settings: ShopSettings,
    session: aiohttp.ClientSession,
    *,
    most: int = 200,
    limits: Limits = NO_LIMITS,
    hands: Mapping[str, Hand] | None = None,
) -> Shop:
    """Make one shop callable.

    Args:
        most: What this process does at once, whatever the shop allows.
        limits: What the settings allow in money.
        hands: As those of its gate.
    """
    magento = Magento(settings, auth=_auth(settings), session=session)
    requests = (lambda: magento.requests) if settings.rate_counts == "calls" else (lambda: 0)
    return Shop(
        settings=settings,
        magento=magento,
        rules=rules_of(settings),
        gate=Gate(most=min(settings.max_concurrency, most), requests=requests, hands=hands),
        has_nonces=settings.auth == "oauth1",
        limits=limits,
    )


def rules_of(settings: ShopSettings) -> ShopRules:
    """Give what a plan must know of a shop."""
    return ShopRules(
        offline_methods=settings.offline_methods,
        may_number_memos=settings.marker_increment_id,
        preflight=settings.preflight,
    )


def _auth(settings: ShopSettings) -> Auth:
    if not settings.secret_files:
        return _scheme(settings, settings.credentials)
    return Reread(settings.name, read=lambda: reread(settings), make=lambda found: _scheme(settings, found))


def _scheme(settings: ShopSettings, credentials: Credentials) -> Auth:
    match credentials:
        case OAuth1Credentials() as keys:
            return OAuth1(
                consumer_key=keys.consumer_key,
                consumer_secret=keys.consumer_secret,
                access_token=keys.access_token,
                access_secret=keys.access_secret,
            )
        case BearerCredentials(token=token):
            return Bearer(token=token)
        case AdminCredentials(username=username, password=password):
            name = username.get_secret_value()
            return AdminToken(base_url=settings.base_url, username=name, password=password)
