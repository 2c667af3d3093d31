"""`refunds doctor`: is everything as it must be? Each line is ok, or says what to do."""

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from config.shops import ShopSettings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit
from worker.cli.opening import NO_LEDGER, Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json
from worker.dead_letters.index import Index
from worker.dead_letters.store import DEAD_CLOSED, DEAD_STREAM, DeadLetters
from worker.domain.errors import RefundError, Unauthorised
from worker.magento.client import Magento
from worker.magento.session import open_session
from worker.resources import open_shop

#: Magento takes OAuth timestamps up to 600 s in its future; a clock that is off by this many seconds is broken.
_CLOCK_SECONDS: Final = 5
_OLDEST: Final = (6, 2)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        is_ok: None for a warning: it works, but not as well as it could.
        detail: What was found, or what to do.
    """

    name: str
    is_ok: bool | None
    detail: str


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command(epilog=examples("refunds doctor", "refunds doctor --json"))(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object per check.")] = False) -> None:
    """Check Redis, broker, credentials, the marker search and clocks. Exit code 1 when something is wrong."""
    is_ill = run_until_done(_doctor(settings_for_a_command(), as_json=as_json))
    if is_ill:
        raise SystemExit(int(Exit.SOME_FAILED))


async def _doctor(settings: Settings, *, as_json: bool) -> bool:
    is_ill = False
    async with opened_desk(settings) as desk:
        async for check in _all(desk):
            is_ill = is_ill or check.is_ok is False
            if as_json:
                answer_json({**asdict(check), "ok": check.is_ok is not False})
            else:
                mark = {True: "ok  ", None: "note", False: "BAD "}[check.is_ok]
                answer(f"{mark}  {check.name:<24}  {check.detail}")
    return is_ill


async def _all(desk: Desk) -> AsyncIterator[Check]:
    async for check in _redis(desk):
        yield check
    yield await _broker(desk.settings)
    if not desk.settings.shops:
        yield Check("shops", is_ok=False, detail="none is configured; set REFUNDS_SHOPS")
    for shop in desk.settings.shops.values():
        async for check in _shop(shop):
            yield check


async def _redis(desk: Desk) -> AsyncIterator[Check]:
    info = await desk.redis.info()
    version = str(info.get("valkey_version") or info["redis_version"])
    is_new = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) >= _OLDEST
    yield Check("redis version", is_new, version if is_new else f"{version} is too old; take 6.2 or newer")
    config = await _config(desk.redis)
    if config is None:
        yield Check("redis durability", None, "CONFIG is not allowed here; see that appendonly and appendfsync are on")
    else:
        yield _expected("redis appendonly", config, "appendonly", "yes")
        yield _expected("redis appendfsync", config, "appendfsync", "always")
        yield _expected("redis maxmemory-policy", config, "maxmemory-policy", "noeviction")
    identity = await desk.ledger.identity()
    mode = identity.get("mode", "")
    detail = f"id {identity.get('id')}, mode {mode}" if identity else NO_LEDGER
    yield Check("ledger", bool(identity) and (True if mode == "normal" else None), detail)
    for stream in (DEAD_STREAM, DEAD_CLOSED):
        yield await _letters(desk.redis, stream)
    before = time.time()
    seconds, micros = await desk.redis.time()
    off = float(seconds) + float(micros) / 1e6 - (before + time.time()) / 2
    fix = "" if abs(off) < _CLOCK_SECONDS else "; run NTP on both machines"
    yield Check("clock", abs(off) < _CLOCK_SECONDS, f"{off:+.3f} s from Redis{fix}")


async def _letters(redis: Redis, stream: str) -> Check:
    """See that the index of dead letters is whole; it is not for letters of an older version."""
    index, letters = Index(redis, stream), DeadLetters(redis, stream=stream)
    name = "closed letters" if stream == DEAD_CLOSED else "dead letters"
    option = " --closed" if stream == DEAD_CLOSED else ""
    if not await index.is_ready():
        return Check(name, is_ok=None, detail=f"not all are in the index: `refunds dead reindex{option}`")
    indexed, count = await index.count(), await letters.count()
    if indexed != count and await index.count() != await letters.count():  # asked again: one may have come in between
        return Check(name, is_ok=False, detail=f"{count}, but {indexed} in the index: `refunds dead reindex{option}`")
    return Check(name, is_ok=True, detail=f"{count}, all in the index")


async def _config(redis: Redis) -> dict[str, Any] | None:
    try:
        found: Any = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
    except RedisError:
        return None
    return dict(found)


def _expected(name: str, config: dict[str, Any], option: str, wanted: str) -> Check:
    found = str(config.get(option))
    detail = found if found == wanted else f"is {found}; set `{option} {wanted}`, or acknowledged refunds may be lost"
    return Check(name, found == wanted, detail)


async def _broker(settings: Settings) -> Check:
    try:
        async with Redis.from_url(str(settings.broker_url), socket_connect_timeout=2, socket_timeout=2) as broker:
            await broker.ping()
    except (RedisError, OSError) as error:
        return Check("broker", is_ok=False, detail=f"{settings.broker_url.masked}: {error}")
    return Check("broker", is_ok=True, detail=settings.broker_url.masked)


async def _shop(settings: ShopSettings) -> AsyncIterator[Check]:
    name = f"shop {settings.name}"
    if settings.auth != "oauth1":
        yield Check(
            f"{name} auth", None, f"{settings.auth} has no nonces: the shop does not help against a second copy"
        )
    async with open_session() as session:
        magento = open_shop(settings, session).magento
        try:
            first = await magento.creditmemos_by_ids([1])
        except Unauthorised as error:
            yield Check(name, is_ok=False, detail=f"{settings.base_url} lets us not in: {error.message}")
            return
        except RefundError as error:
            yield Check(name, is_ok=False, detail=f"{settings.base_url}: {error}")
            return
        yield Check(name, is_ok=True, detail=f"{settings.base_url} answers and takes our credentials")
        yield await _marker_search(f"{name} marker search", magento, first)


async def _marker_search(name: str, magento: Magento, known: list[dict[str, Any]]) -> Check:
    """See that a search finds a credit memo that is there: a wrong condition would answer `none` (contract 0, 12)."""
    if not known:
        return Check(name, None, "credit memo 1 does not exist, so the search could not be tried")
    memo = known[0]
    try:
        found = await magento.creditmemos_of(int(memo["order_id"]))
    except RefundError as error:
        return Check(name, is_ok=False, detail=str(error))
    if memo["entity_id"] in {one["entity_id"] for one in found}:
        return Check(name, is_ok=True, detail=f"finds credit memo {memo['entity_id']} by its order")
    return Check(name, is_ok=False, detail=f"does not find credit memo {memo['entity_id']} by its order; do not refund")
