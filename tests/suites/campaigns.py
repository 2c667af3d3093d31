"""What the moves of campaigns promise; run on the double and on a real Redis, so that they cannot differ."""
# ruff: noqa: ANN401 - documents and fields of any kind

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.factories import a_job
from tests.suites.ledger import Bench, Clock
from worker.campaigns.store import Campaigns, CampaignState
from worker.domain.key import fingerprint
from worker.domain.lifecycle import State
from worker.intake.accept import stored
from worker.ledger.ledger import Ledger
from worker.ledger.scripts import Moves

OPEN = frozenset({CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED})


@dataclass
class Desk(Bench):
    """A ledger with campaigns, and a campaign named `spring`."""

    campaigns: Campaigns

    async def enlist(self, *keys: str, cents: str = "1050", **changes: Any) -> list[list[str]]:
        args: list[str | float] = []
        for key in keys:
            job = a_job(idempotency_key=key, campaign="spring", **changes)
            args += [key, fingerprint(job), job.shop, cents, stored(job)]
        answer: list[list[str]] = await Moves(self.redis)("accept_campaign", self.clock.ms, "spring", *args)
        return answer

    async def all_keys(self) -> list[str]:
        return [key async for page in self.campaigns.keys("spring") for key in page]

    async def to(self, state: CampaignState) -> None:
        assert (await self.campaigns.steer("spring", allowed=OPEN, to=state)).answer == "ok"

    async def jobs(self) -> dict[str, int]:
        await self.counts_add_up()
        return {state.value: count for state, count in (await self.campaigns.counts("spring")).jobs.items() if count}


class CampaignPromises:
    """The promises; a subclass gives the fixture `redis`, empty."""

    @pytest.fixture
    async def desk(self, redis: Redis) -> AsyncIterator[Desk]:
        clock = Clock()
        ledger = Ledger(redis, now_ms=lambda: clock.ms)
        await ledger.initialise("first", run_id="run-1")
        campaigns = Campaigns(redis, now_ms=lambda: clock.ms)
        desk = Desk(redis, clock, ledger, campaigns)
        await campaigns.create("spring", sha256="c0ffee", file="spring.csv", by="ann", lines=2)
        yield desk
        await desk.counts_add_up()

    async def test_a_new_campaign_is_a_draft_and_is_found_again(self, desk: Desk):
        found = await desk.campaigns.find("spring")
        assert found is not None
        assert (found.state, found.by, found.lines, found.rate) == (CampaignState.DRAFT, "ann", 2, 0)
        assert await desk.campaigns.all() == [found]
        assert await desk.campaigns.find("autumn") is None

    async def test_the_same_name_is_created_once_and_the_same_content_is_told(self, desk: Desk):
        assert await desk.campaigns.create("spring", sha256="other") == (False, "")
        assert await desk.campaigns.create("autumn", sha256="c0ffee") == (True, "spring")

    async def test_jobs_are_accepted_once_in_the_order_of_the_file(self, desk: Desk):
        assert await desk.enlist("b", "a") == [["accepted", ""], ["accepted", ""]]
        assert await desk.enlist("a", "c") == [["duplicate", "spring"], ["accepted", ""]]
        assert await desk.enlist("a", order_id=8) == [["key_conflict", "spring"]]
        assert await desk.all_keys() == ["b", "a", "c"]
        assert await desk.jobs() == {"waiting": 3}

    async def test_nothing_is_accepted_once_it_is_no_draft(self, desk: Desk):
        await desk.to(CampaignState.CANCELLED)
        assert await desk.enlist("a") == []
        assert await desk.jobs() == {}

    async def test_its_counters_follow_its_jobs_in_number_and_in_money(self, desk: Desk):
        await desk.enlist("a", "b", cents="1050")
        await desk.enlist("c", cents="")
        await desk.settle(await desk.claim("a"))
        counts = await desk.campaigns.counts("spring")
        assert (counts.jobs[State.SETTLED], counts.jobs[State.WAITING], counts.total, counts.finished) == (1, 2, 3, 1)
        assert counts.asked[State.SETTLED] == counts.asked[State.WAITING] == Decimal("10.50")
        assert counts.asked[State.CLAIMED] == 0

    async def test_an_act_that_its_state_forbids_changes_nothing(self, desk: Desk):
        await desk.to(CampaignState.CANCELLED)
        steered = await desk.campaigns.steer("spring", allowed=OPEN, to=CampaignState.RUNNING)
        assert (steered.answer, steered.before) == ("refused", "cancelled")
        assert (await desk.campaigns.steer("autumn", allowed=OPEN)).answer == "missing"
