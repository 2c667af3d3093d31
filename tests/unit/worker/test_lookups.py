"""What is read before a job is sent, and how many calls that costs."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from tests.factories import a_job, a_memo, an_order
from tests.fakes import FakeShop
from worker.domain.facts import Facts, Need, Preflight, reasons_to_read
from worker.domain.service import Service
from worker.lookups import read_facts
from worker.magento.client import Magento


class CountingShop:
    """A shop that notes every call."""

    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: object) -> object:
            self.calls.append(name)
            return await getattr(self._shop, name)(*args)

        return call


async def read(shop: FakeShop, preflight: Preflight = "auto", *, is_repeated: bool = False, **job: object):
    """What a job reads: the facts, and the calls."""
    counting = CountingShop(shop)

    async def lock(_order_id: int) -> None:
        counting.calls.append("lock")

    magento = cast("Magento", counting)
    facts = await read_facts(a_job(**job), magento, lock, preflight=preflight, is_repeated=is_repeated)
    return facts, counting.calls


RELATIVE: dict[str, dict[str, Any]] = {
    "full": {"items": None, "full": True},
    "amount": {"items": None, "amount": "1.00"},
    "sku": {"items": [{"sku": "sku-11", "qty": 1}]},
    "expected total": {"expected_total": "10.00"},
}


@pytest.mark.parametrize(
    "story", [{}, {"service": Service.CREDITMEMO_REFUND}, {"service": Service.CREDITMEMO_SAVE}], ids=str
)
async def test_a_plain_job_reads_nothing(story: dict[str, Any]):
    assert await read(FakeShop(), **story) == (None, [])


@pytest.mark.parametrize("story", RELATIVE.values(), ids=list(RELATIVE))
async def test_a_relative_job_of_an_order_costs_one_read_with_the_order_locked(story: dict[str, Any]):
    facts, calls = await read(FakeShop(), **story)
    assert isinstance(facts, Facts)
    assert calls == ["lock", "order"]


async def test_an_order_number_costs_two():
    _, calls = await read(FakeShop(), order_id=None, order_number="000000107")
    assert calls == ["orders_by_number", "lock", "order"]


@pytest.mark.parametrize("story", [{"invoice_id": 3}, {"invoice_id": 3, "order_id": None}], ids=str)
async def test_an_invoice_costs_two(story: dict[str, Any]):
    _, calls = await read(FakeShop(), **story)
    assert sorted(calls) == ["invoice", "lock", "order"]


async def test_memos_are_read_only_of_an_order_that_shows_refunds():
    shop = FakeShop(orders={7: an_order(base_total_refunded=10)}, memos=[a_memo(invoice_id=3)])
    facts, calls = await read(shop, invoice_id=3)
    assert calls == ["lock", "order", "invoice", "creditmemos_of"]
    assert facts is not None
    assert len(facts.memos) == 1
    _, calls = await read(shop, items=None, full=True)
    assert calls == ["lock", "order"]


async def test_a_job_that_may_have_been_sent_is_read():
    assert (await read(FakeShop(), is_repeated=True))[1] == ["lock", "order"]


async def test_always_reads_a_plain_job_too():
    assert (await read(FakeShop(), "always"))[1] == ["lock", "order"]


async def test_a_deduction_is_held_against_the_order_because_magento_books_negative_memos():
    assert (await read(FakeShop(), "auto", adjustment_negative="50.00"))[1] == ["lock", "order"]
    assert (await read(FakeShop(), "auto", adjustment_negative="0"))[1] == []


async def test_never_reads_only_what_the_job_cannot_do_without():
    assert (await read(FakeShop(), "never", expected_total="10.00", is_repeated=True))[1] == []
    assert (await read(FakeShop(), "never", items=None, full=True))[1] == ["lock", "order"]


async def test_of_a_memo_that_is_only_stored_nothing_is_read():
    assert (await read(FakeShop(), "always", service=Service.CREDITMEMO_SAVE, is_repeated=True))[1] == []


async def test_an_online_credit_memo_is_read_with_its_invoice():
    story: dict[str, Any] = {"service": Service.CREDITMEMO_REFUND, "invoice_id": 3, "online": True}
    assert (await read(FakeShop(), "always", **story))[1] == ["lock", "order", "invoice"]


def test_every_reason_is_a_sentence_for_people():
    reasons = reasons_to_read(a_job(expected_total="1", adjustment_negative="1"), "always", is_repeated=True)
    assert reasons == (Need.DEDUCTION, Need.EXPECTED_TOTAL, Need.REPEATED, Need.ALWAYS)
