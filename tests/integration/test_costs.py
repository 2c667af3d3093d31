"""What a job costs, counted and not timed: a number here may fall, and needs a reason to rise."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.settings import Settings
from tests.bench.jobs import document
from tests.fakes import handle
from tests.stack import KEYS
from worker.guards.allotment import Allotment
from worker.intake.accept import accept
from worker.ledger.confirmations import Confirmations, Confirmed
from worker.ledger.packer import Packer
from worker.resources import Resources, opened

pytestmark = pytest.mark.integration

#: Round trips to Redis of a job that travels alone: claim, send, settle. Together jobs need fewer.
ROUND_TRIPS = 3
#: Lua scripts of a job in a chunk of 100: send and settle; one claim for all.
SCRIPTS = 2.01
#: Redis commands of a job in a chunk of 100, with those inside scripts; a campaign's job also moves its counters.
#: One of them asks, before each send, whether Redis was replaced since the claim.
COMMANDS = {"": 26, "spring": 34}
#: The same of a job that is accepted together with 99 others.
COMMANDS_TO_ACCEPT = {"": 2.1, "spring": 2.2}
#: Bytes of a settled entry in Redis, its key included, from a document of 400 bytes: what is kept for ever.
SETTLED_BYTES = {"": 290, "spring": 345}
CALLS = 1


@dataclass
class Desk:
    """One process's resources, and how often the shop was called."""

    r: Resources
    calls: int = 0

    async def begin(self) -> None:
        """Empty the ledger."""
        await self.r.redis.flushdb()
        await self.r.ledger.initialise("first", run_id=str((await self.r.redis.info("server"))["run_id"]))

    async def accept(self, count: int, campaign: str) -> list[str]:
        keys: list[str] = []

        async def publish(_lane: str, _message: int, accepted: Sequence[str]) -> None:
            keys.extend(accepted)

        documents = [document(number, campaign=campaign) for number in range(count)]
        await accept(documents, self.r, publish, lane="bulk", door="cli")
        return keys

    async def costs(self) -> dict[str, int]:
        """Commands, scripts and reads of the server so far; asking is one read."""
        pipe = self.r.redis.pipeline(transaction=False)
        pipe.info("commandstats")  # type: ignore[unused-awaitable]  # queued
        pipe.info("stats")  # type: ignore[unused-awaitable]
        commands, stats = await pipe.execute()
        calls = {name.removeprefix("cmdstat_"): told["calls"] for name, told in commands.items()}
        return {
            "commands": sum(calls.values()),
            "scripts": calls.get("evalsha", 0),  # a new connection introduces itself with one EVAL
            "reads": stats["total_reads_processed"],
        }

    async def cost_of(self, keys: list[str]) -> dict[str, float]:
        """Work a message off; gives what a job of it cost."""
        before = await self.costs()
        await handle(keys, "bulk", 1, self.r)
        after = await self.costs()
        assert (await self.r.ledger.counts())["settled"] >= len(keys)
        own = {"commands": 2, "scripts": 0, "reads": 1}  # of the question itself
        return {name: (after[name] - before[name] - own[name]) / len(keys) for name in own}


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[Desk]:
    async def refund(_request: web.Request) -> web.Response:
        made.calls += 1
        return web.json_response(made.calls)

    shop = web.Application()
    shop.router.add_post("/rest/all/V1/order/{id}/refund", refund)
    async with TestServer(shop) as server:
        table = {"base_url": str(server.make_url("/")), "auth": "oauth1", **dict.fromkeys(KEYS, "x" * 32)}
        environ = {
            "REFUNDS_REDIS_URL": f"{redis_url.rpartition('/')[0]}/4",
            "REFUNDS_SHOPS": json.dumps({"default": table}),
            "REFUNDS_LOG_LEVEL": "warning",
        }
        async with opened(Settings.from_environ(environ)) as r:
            r.shops["default"].gate.allotment = Allotment(slots=100)
            made = Desk(r)
            await made.begin()
            await handle(await made.accept(5, ""), "bulk", 1, r)  # loads scripts, opens connections
            await made.begin()
            yield made


async def test_a_job_alone_takes_three_round_trips(desk: Desk):
    (key,) = await desk.accept(1, "")

    assert (await desk.cost_of([key]))["reads"] == ROUND_TRIPS


async def test_a_job_is_accepted_and_numbered_in_one_round_trip(desk: Desk):
    before = await desk.costs()
    await desk.accept(1, "")
    after = await desk.costs()

    assert after["reads"] - before["reads"] - 1 == 1  # the question itself is one


@pytest.mark.parametrize("campaign", ["", "spring"])
async def test_a_job_in_a_chunk_costs_no_more_than_it_did(desk: Desk, campaign: str):
    keys = await desk.accept(100, campaign)
    called = desk.calls

    costs = await desk.cost_of(keys)

    assert costs["scripts"] == SCRIPTS
    assert costs["reads"] <= ROUND_TRIPS
    assert costs["commands"] <= COMMANDS[campaign]
    assert desk.calls - called == CALLS * len(keys)


@pytest.mark.parametrize("campaign", ["", "spring"])
async def test_a_job_that_is_accepted_with_others_costs_no_more_than_it_did(desk: Desk, campaign: str):
    before = await desk.costs()
    keys = await desk.accept(100, campaign)
    after = await desk.costs()

    assert (after["commands"] - before["commands"]) / len(keys) <= COMMANDS_TO_ACCEPT[campaign]


@pytest.mark.parametrize("campaign", ["", "spring"])
async def test_a_settled_entry_stays_small(desk: Desk, campaign: str):
    keys = await desk.accept(50, campaign)
    await handle(keys, "bulk", 1, desk.r)
    facts = {"at_ms": 1_800_000_000_000, "increment_id": "000000123", "order_id": 7, "state": 2}
    totals = {"base_currency_code": "EUR", "order_currency_code": "EUR", "base_grand_total": "12.50", "marker": True}
    await Confirmations(desk.r.redis).write("default", [Confirmed(key=key, facts=facts | totals) for key in keys])

    await Packer(desk.r.redis).pack(until_ms=2**52, at_most=100)

    sizes = [int(await desk.r.redis.memory_usage(f"refunds:entry:{key}") or 0) for key in keys]
    assert 0 < max(sizes) <= SETTLED_BYTES[campaign]
