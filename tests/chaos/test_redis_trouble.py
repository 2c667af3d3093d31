"""The ledger's Redis dies, fails over or is full while a campaign runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

import pytest
import redis

from tests.chaos.campaign import Campaign, Verdict
from tests.chaos.proxy import Proxy
from tests.stack import Stack
from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(240)]

Auth = Literal["oauth1", "bearer"]
SHOP = {"max_concurrency": 32}


@asynccontextmanager
async def campaign_on(stack: Stack, *, seed: int) -> AsyncIterator[Campaign]:
    async with Campaign.open(stack, seed=seed, prefix=f"redis{seed}") as campaign:
        yield campaign


async def end_of(campaign: Campaign, *, seconds: float = 120) -> Verdict:
    """Wait for the end, and judge."""
    is_quiet = await campaign.quiet(seconds=seconds)
    verdict = await campaign.judge()
    assert is_quiet, f"{verdict}\n{campaign.stack.log_of('worker')}"
    return verdict


def workers_of(stack: Stack) -> Sequence[int | None]:
    """The exit code of each worker; None while it runs."""
    return [process.poll() for name, process in stack.processes.items() if name.startswith("worker")]


async def test_redis_is_killed_twenty_times_during_a_campaign(tmp_path: Path):
    """All settled, none doubled, and no worker had to be started again."""
    jobs, kills = 5000, 20
    with Stack.start(tmp_path, workers=2, shop=SHOP, settings={"REFUNDS_WAIT_FOR_DISK": "false"}) as stack:
        stack.shop("POST", "/sandbox/faults", {"delay": 1, "delay_seconds": 0.05})
        async with campaign_on(stack, seed=3) as campaign:
            submitting = asyncio.create_task(campaign.submit(jobs))
            survived = 0
            while survived < kills:
                await asyncio.sleep(campaign.source.uniform(0.5, 2.0))
                stack.redis.kill()
                await asyncio.sleep(campaign.source.uniform(0.1, 1.0))
                await asyncio.to_thread(stack.redis.restart)
                survived += 1
                if survived == kills // 2:
                    await submitting
            verdict = await end_of(campaign)
    assert not verdict.problems, verdict
    assert (verdict.jobs, verdict.settled, verdict.doubled) == (jobs, jobs, 0), verdict
    assert workers_of(stack) == [0, 0]


@contextmanager
def a_replica_of(master: EmbeddedRedis, folder: Path) -> Iterator[EmbeddedRedis]:
    with redis.Redis.from_url(master.url) as client:
        client.config_set("repl-diskless-sync-delay", 0)
    with EmbeddedRedis(directory=folder, appendfsync="everysec") as replica:
        with redis.Redis.from_url(replica.url, decode_responses=True) as client:
            client.replicaof("127.0.0.1", str(master.port))
            for _ in range(200):
                if client.info("replication")["master_link_status"] == "up":
                    break
                time.sleep(0.05)  # noqa: TID251 - waits for another process
        yield replica


@pytest.mark.parametrize(("auth", "seed"), [("oauth1", 4), ("bearer", 5)])
async def test_a_replica_is_promoted_that_lost_the_last_two_seconds(tmp_path: Path, auth: Auth, seed: int):
    """What was sent and settled in the lost seconds is unknown to the new ledger; the shop still has each once."""
    jobs = 1500
    with (
        Stack.start(tmp_path, workers=0, auth=auth, shop=SHOP, settings={"REFUNDS_WAIT_FOR_DISK": "false"}) as stack,
        a_replica_of(stack.redis, tmp_path / "replica") as replica,
        Proxy(stack.redis.port) as proxy,
    ):
        stack.env["REFUNDS_REDIS_URL"] = f"redis://127.0.0.1:{proxy.port}/0"
        stack.shop("POST", "/sandbox/faults", {"delay": 1, "delay_seconds": 0.05, "drop_after": 0.02})
        async with campaign_on(stack, seed=seed) as campaign:
            await campaign.submit(jobs)
            for _ in range(2):
                await asyncio.to_thread(stack.start_worker)
            while await campaign.done() < jobs / 5:  # noqa: ASYNC110 - other processes set no event
                await asyncio.sleep(0.05)
            with redis.Redis.from_url(replica.url, decode_responses=True) as client:
                assert client.info("replication")["master_link_status"] == "up"
                client.replicaof("NO", "ONE")
                settled_by_then = int(client.hget("refunds:counts", "settled") or 0)
            await asyncio.sleep(2)
            settled_at_death = await campaign.done()
            stack.redis.kill()
            proxy.point_at(replica.port)
            verdict = await end_of(campaign)
            epochs = await campaign.redis.hget("refunds:ledger", "epochs")
    assert settled_at_death > settled_by_then, "nothing was lost, so nothing was proven"
    assert epochs == "1"
    assert not verdict.problems, verdict
    assert (verdict.settled, verdict.doubled) == (jobs, 0), verdict


async def test_a_full_redis_stops_the_work_and_loses_nothing(tmp_path: Path):
    with Stack.start(tmp_path, workers=2, shop=SHOP, settings={"REFUNDS_WAIT_FOR_DISK": "false"}) as stack:
        stack.shop("POST", "/sandbox/faults", {"delay": 1, "delay_seconds": 0.05})
        async with campaign_on(stack, seed=6) as campaign:
            await campaign.submit(1500)
            for _round in range(2):
                await asyncio.sleep(1)
                stack.client.config_set("maxmemory", "1mb")
                await asyncio.sleep(3)
                stack.client.config_set("maxmemory", "0")
            verdict = await end_of(campaign)
    assert not verdict.problems, verdict
    assert (verdict.settled, verdict.doubled) == (1500, 0), verdict
    assert workers_of(stack) == [0, 0]
