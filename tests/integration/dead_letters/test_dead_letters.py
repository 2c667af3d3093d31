"""Dead letters in a real Redis, written by the ledger's own moves."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.query import Query
from worker.dead_letters.replay import replay
from worker.dead_letters.store import DeadLetters
from worker.domain.asked import money_asked
from worker.domain.job import parse_job
from worker.domain.limits import NO_LIMITS
from worker.ledger.ledger import Ledger
from worker.ledger.row import Row

pytestmark = pytest.mark.integration
ANN = Who(by="ann", why="")


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    made = Ledger(redis)
    await made.initialise("first", run_id="r")
    return made


async def a_dead_job(
    ledger: Ledger, key: str, *, reason: str = "qty_too_large", verdict: str = "refused", **changes: object
) -> None:
    document = {"idempotency_key": key, "order_id": 1, "amount": "2.50", **changes}
    await ledger.accept([Row.of(parse_job(document), json.dumps(document), NO_LIMITS)], lane="express", message=1)
    (claim,) = await ledger.claim([key], worker="w", lane="express", message=1)
    await ledger.bury(claim, reason=reason, verdict=verdict, message="No.", line={"outcome": "dead_lettered"})


async def listed(redis: Redis, **wanted: tuple[str, ...]) -> list[Letter]:
    return [letter async for letter in Query(redis).find(Filter(**wanted))]  # type: ignore[arg-type]


async def test_letters_are_listed_oldest_first_and_filtered(redis: Redis, ledger: Ledger):
    await a_dead_job(ledger, "a")
    await a_dead_job(ledger, "b", reason="order_status", campaign="recall")
    await a_dead_job(ledger, "c", campaign="recall")

    assert [letter.key for letter in await listed(redis)] == ["a", "b", "c"]
    assert [letter.key for letter in await listed(redis, campaigns=("recall",), reasons=("order_status",))] == ["b"]
    assert await listed(redis, shops=("other",)) == []


async def test_reading_goes_on_after_a_letter(redis: Redis, ledger: Ledger):
    for number in range(5):
        await a_dead_job(ledger, f"k{number}")
    first = (await listed(redis))[1]
    rest = [letter.key async for letter in Query(redis).find(Filter(), after=first.id)]
    assert rest == ["k2", "k3", "k4"]


async def test_a_letter_is_found_by_key_and_by_id(redis: Redis, ledger: Ledger):
    await a_dead_job(ledger, "a")
    by_key = await DeadLetters(redis).find("a")
    assert by_key is not None
    assert by_key == await DeadLetters(redis).find(by_key.id)
    assert (by_key.money, by_key.verdict, by_key.message) == (Decimal("2.50"), "refused", "No.")
    assert [line["outcome"] for line in by_key.attempts] == ["dead_lettered"]
    assert await DeadLetters(redis).find("b") is None


async def test_replay_queues_the_job_under_its_key_and_notes_who_and_why(redis: Redis, ledger: Ledger):
    await a_dead_job(ledger, "a")
    (letter,) = await listed(redis)

    done = await replay(letter, LetterActs(redis), Who(by="ann", why="order was unheld"))

    entry = await ledger.find("a")
    assert done.status == "queued"
    assert entry is not None
    assert (entry.state, entry.look_first) == ("queued", True)
    assert {"by": "ann", "why": "order was unheld"}.items() <= entry.history[-1].items()


async def test_a_replay_that_comes_twice_queues_the_job_once(redis: Redis, ledger: Ledger):
    await a_dead_job(ledger, "a")
    (letter,) = await listed(redis)
    done = [await replay(letter, LetterActs(redis), ANN) for _ in range(2)]
    entry = await ledger.find("a")
    assert entry is not None
    assert [one.status for one in done] == ["queued", "refused"]
    assert len([line for line in entry.history if line.get("event") == "replayed"]) == 1


async def test_a_letter_that_may_hide_money_is_replayed_only_after_somebody_looked_at_the_gateway(
    redis: Redis, ledger: Ledger
):
    await a_dead_job(ledger, "k", reason="outcome_unknown", verdict="unknown", online=True)
    (letter,) = await listed(redis)

    blind = await replay(letter, LetterActs(redis), ANN)
    looked = await replay(letter, LetterActs(redis), ANN, not_refunded=True)

    assert (blind.status, looked.status) == ("refused", "queued")
    assert "--not-refunded" in blind.detail
    entry = await ledger.find("k")
    assert entry is not None
    assert entry.history[-1]["not_refunded"] is True


async def test_a_job_that_has_been_claimed_since_is_left_alone(redis: Redis, ledger: Ledger):
    await a_dead_job(ledger, "a")
    (letter,) = await listed(redis)
    await replay(letter, LetterActs(redis), ANN)
    await ledger.claim(["a"], worker="w", lane="express", message=2)
    again = await replay(letter, LetterActs(redis), ANN)
    assert (again.status, again.detail) == ("refused", "it is claimed by now")


async def test_what_never_was_a_job_keeps_its_bytes_and_cannot_be_replayed(redis: Redis, ledger: Ledger):
    raw = base64.b64encode(b"\xff\x00").decode()
    await ledger.bury_invalid(key="k", raw_base64=raw, reason="invalid", reasons="not UTF-8", door="stream")
    (letter,) = await listed(redis)

    done = await replay(letter, LetterActs(redis), ANN)

    assert (letter.raw, letter.raw_text) == (b"\xff\x00", "\\xff\x00")
    assert letter == await DeadLetters(redis).find("k")
    assert done.status == "refused"
    assert "submit it again" in done.detail


@pytest.mark.parametrize(
    ("job", "money"),
    [
        ({"amount": "2.50"}, "2.50"),
        ({"amount": "2.50", "shipping_amount": "1.00"}, "3.50"),
        ({"shipping_amount": "4.00"}, "4.00"),
        ({"full": True}, None),
        ({"full": True, "expected_total": "90.00"}, "90.00"),
        ({"items": [{"sku": "a", "qty": 1}]}, None),
        ({"creditmemo": {"base_grand_total": "12.00"}}, "12.00"),
        ({"creditmemo": {}}, None),
    ],
)
def test_the_money_of_a_job_is_known_where_the_job_says_it(job: dict[str, Any], money: str | None):
    assert money_asked(job) == (None if money is None else Decimal(money))
