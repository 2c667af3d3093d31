"""Workers are replaced every few seconds while a campaign runs, as a series of deploys would."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.harness import events
from tests.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(240)]


async def test_deploys_during_a_campaign_leave_no_job_in_doubt(tmp_path: Path):
    """The shop is slow but makes no faults, so every doubt would be of our making."""
    jobs = 1500
    with Stack.start(tmp_path, workers=2, shop={"max_concurrency": 16}) as stack:
        stack.shop("POST", "/sandbox/faults", {"delay": 1, "delay_seconds": 0.2})
        async with Campaign.open(stack, seed=8, prefix="deploy") as campaign:
            await campaign.submit(jobs)
            workers = [process for name, process in stack.processes.items() if name.startswith("worker")]
            while await campaign.done() < jobs * 0.95:
                workers.append(await asyncio.to_thread(stack.start_worker))
                oldest = workers.pop(0)
                assert await asyncio.to_thread(stack.end, oldest) == 0, stack.log_of("worker")
                await asyncio.sleep(1)
            assert await campaign.quiet(seconds=60)
            verdict = await campaign.judge()
    assert not verdict.problems
    assert (verdict.settled, verdict.doubled) == (jobs, 0)
    attempts = list(events(tmp_path, "refund.attempt_finished"))
    assert not [line for line in attempts if line["outcome"] == "in_doubt"]
    assert not list(events(tmp_path, "job.adopted"))
    assert len(stack.processes) >= 5


async def test_answers_that_trickle_end_settled(tmp_path: Path):
    """Slower than the request timeout: each is in doubt, is found by its marker, and is refunded once."""
    with Stack.start(tmp_path, workers=2, shop={"max_concurrency": 16, "request_timeout_seconds": 1}) as stack:
        stack.shop("POST", "/sandbox/faults", {"slow_body": 0.3, "slow_seconds": 3.0})
        async with Campaign.open(stack, seed=9, prefix="slow") as campaign:
            await campaign.submit(200)
            assert await campaign.quiet(seconds=90)
            verdict = await campaign.judge()
    assert not verdict.problems
    assert (verdict.settled, verdict.doubled) == (200, 0)
