"""A campaign file comes in: judged whole, then accepted; again and again without repeating anything."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from config.settings import Settings
from tests.factories import a_job, rows_of
from worker.campaigns.read import Source
from worker.campaigns.rejected import Rejected
from worker.campaigns.seen import Seen
from worker.campaigns.spool import Spool
from worker.campaigns.store import Campaigns
from worker.domain.key import fingerprint
from worker.domain.lifecycle import State
from worker.intake.accept import stored
from worker.intake.campaign import Enlisted, NoDraft, Survey, Surveyor, Twin, enlist
from worker.intake.lines import Reading
from worker.ledger.ledger import Ledger

_SHOP = {"auth": "bearer", "token": "t"}
SHOPS = json.dumps({name: {"base_url": f"https://{name}.example", **_SHOP} for name in ("default", "eu")})


@dataclass
class Desk:
    """A ledger, a folder, and the command's two steps."""

    redis: Redis
    folder: Path
    campaigns: Campaigns = field(init=False)

    def __post_init__(self) -> None:
        self.campaigns = Campaigns(self.redis)

    async def take(
        self, content: str, *, name: str = "spring", shop: str = "", cut_after: int | None = None
    ) -> tuple[Survey, Enlisted | None]:
        path = self.folder / "file.csv"
        path.write_text(content)
        settings = Settings.from_environ({"REFUNDS_SHOPS": SHOPS, "REFUNDS_MAX_AMOUNT": "500"})
        with path.open("rb") as stream, Seen() as seen, Spool() as spool:
            source = Source(stream, max_bytes=10_000)
            reading = Reading(
                settings=settings, campaign=name, shop=shop, columns=source.columns, delimiter=source.delimiter
            )
            with Rejected(path) as rejected:
                survey = await Surveyor(source=source, reading=reading, rejected=rejected, seen=seen, spool=spool,
                                        campaigns=self.campaigns, helpers=0).run()  # fmt: skip
            await self.campaigns.create(name, sha256=survey.sha256)
            if cut_after is not None:
                (rows,) = spool.batches()
                await self.campaigns.accept(name, rows[:cut_after])
                return survey, None
            return survey, await enlist(name, spool, self.campaigns)

    def rejected(self) -> str:
        return (self.folder / "file.csv.rejected.csv").read_text()

    async def keys(self, name: str = "spring") -> list[str]:
        return [key async for page in self.campaigns.keys(name) for key in page]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    redis = FakeAsyncRedis(decode_responses=True)
    await Ledger(redis).initialise("first")
    yield Desk(redis, tmp_path)
    await redis.aclose()


async def test_good_lines_are_accepted_and_bad_ones_listed_with_their_reasons(desk: Desk):
    survey, done = await desk.take(
        'order_id,amount,comment\n1,2.50,x\n2,"1,50",x\n3,€ 5,x\n4,=1+1,x\n5,3.00,\x00\n6,1,y\n'
    )
    assert (survey.lines, survey.good, survey.rejected) == (6, 2, 4)
    assert survey.total == Decimal("3.50")
    assert done == Enlisted(accepted=2)
    listed = desk.rejected().splitlines()
    assert [line.split(",")[0] for line in listed[1:]] == ["3", "4", "5", "6"]
    assert "no thousands separator" in listed[1]
    assert "no currency sign" in listed[2]
    assert "formula" in listed[3]
    assert "NUL" in listed[4]


async def test_the_same_file_again_adds_nothing_and_a_cut_off_import_is_completed(desk: Desk):
    content = "order_id,amount\n" + "".join(f"{number},1.00\n" for number in range(1, 11))
    await desk.take(content, cut_after=4)
    survey, done = await desk.take(content)
    assert (survey.known, survey.good, done) == (4, 10, Enlisted(accepted=6))
    survey, done = await desk.take(content)
    assert (survey.known, done) == (10, Enlisted())
    assert not survey.sums
    assert len(await desk.keys()) == 10


async def test_columns_in_another_order_or_jsonl_make_the_same_keys(desk: Desk):
    await desk.take("order_id,amount,reason\n1,2.00,a\n")
    assert (await desk.take("amount;order_id\n2.00;1\n"))[0].known == 1
    assert (await desk.take('{"order_id": 1, "amount": "2.00"}\n'))[0].known == 1


async def test_the_same_line_twice_is_two_refunds_and_pointed_out(desk: Desk):
    survey, done = await desk.take("order_id,amount\n1,2.00\n2,2.00\n1,2.00\n")
    first, _, second = await desk.keys()
    assert done == Enlisted(accepted=3)
    assert second == f"{first}:2"
    assert (survey.twin_count, survey.twins) == (1, [Twin(line=4, first=2, key=second)])


async def test_the_same_key_twice_is_one_refund_and_the_second_line_is_rejected(desk: Desk):
    survey, _ = await desk.take("idempotency_key,order_id,amount\nk,1,2.00\nk,1,2.00\nk,2,9.00\n")
    assert (survey.good, survey.rejected) == (1, 2)
    assert "the key is on line 2 already" in desk.rejected()


async def test_keys_that_the_ledger_knows_are_not_accepted_again(desk: Desk):
    job = a_job(idempotency_key="k1", items=None, amount="2.00", order_id=1)
    await Ledger(desk.redis).accept(rows_of(job), lane="express", message=1)
    survey, done = await desk.take("idempotency_key,order_id,amount\nk1,1,2.00\nk2,1,2.00\n")
    assert (survey.elsewhere, done) == (1, Enlisted(accepted=1))
    survey, _ = await desk.take("idempotency_key,order_id,amount\nk1,1,3.00\nk2,1,2.00\n")
    assert (survey.conflicts, survey.rejected, survey.known) == (1, 1, 1)
    assert "another content" in desk.rejected()


async def test_sums_are_by_shop_and_the_largest_come_first(desk: Desk):
    survey, _ = await desk.take(
        "order_id,shop,amount,full,expected_total\n1,,2.00,,\n2,default,7.00,,\n3,,,true,\n4,,,true,5.00\n", shop="eu"
    )
    sums = {shop: (one.jobs, one.amount, one.unknown) for (shop, _), one in survey.sums.items()}
    assert sums == {"eu": (3, Decimal("7.00"), 1), "default": (1, Decimal("7.00"), 0)}
    assert [(cents, line) for cents, line, _ in survey.largest] == [(700, 3), (500, 5), (200, 2)]
    assert (survey.total, survey.unknown) == (Decimal("14.00"), 1)


async def test_rules_of_the_installation_hold_for_lines_too(desk: Desk):
    survey, _ = await desk.take(
        "order_id,amount,shop,campaign\n1,501.00,,\n2,1.00,us,\n3,1.00,,autumn\n4,1.00,,spring\n"
    )
    assert (survey.good, survey.rejected) == (2, 2)
    assert (await desk.campaigns.counts("spring")).jobs[State.HELD] == 1  # above the limit for one job
    assert "not configured" in desk.rejected()
    assert "this campaign is 'spring'" in desk.rejected()


async def test_an_accepted_line_is_a_job_like_any_other(desk: Desk):
    await desk.take('order_id,amount,metadata.ticket\n1,2.00,"T ""1"""\n')
    (key,) = await desk.keys()
    entry = await Ledger(desk.redis).find(key)
    assert entry is not None
    assert entry.document() == {"idempotency_key": key, "order_id": 1, "amount": "2.00", "campaign": "spring",
                                "metadata": {"ticket": 'T "1"'}}  # fmt: skip
    job = a_job(**entry.document() | {"items": None})
    assert (entry.fingerprint, entry.state, entry.lane) == (fingerprint(job), State.WAITING, "bulk")
    assert stored(job) == entry.doc


async def test_nothing_is_accepted_for_a_campaign_that_was_cancelled_meanwhile(desk: Desk):
    await desk.campaigns.create("spring", sha256="")
    await desk.redis.hset("refunds:campaign:spring", "state", "cancelled")
    with pytest.raises(NoDraft):
        await desk.take("order_id,amount\n1,2.00\n")
