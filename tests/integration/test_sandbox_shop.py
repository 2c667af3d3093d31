"""The shop over a socket: its books, faults, limits, locks and sample orders."""

import asyncio

import aiohttp
import pytest

from tests.integration.sandbox_shop_client import Client, a_shop
from worker.sandbox.faults import Faults
from worker.sandbox.orders import sample_orders

pytestmark = pytest.mark.integration


def one_unit(order: dict[str, list[dict[str, int]]]) -> dict[str, object]:
    item = next(item for item in order["items"] if "parent_item_id" not in item)
    return {"items": [{"order_item_id": item["item_id"], "qty": 1}], "arguments": {"shipping_amount": 0}}


async def memos(client: Client, order_id: int) -> list[dict[str, object]]:
    head = "searchCriteria[filter_groups][0][filters][0]"
    _, found = await client.call("GET", f"/rest/V1/creditmemos?{head}[field]=order_id&{head}[value]={order_id}")
    items: list[dict[str, object]] = found["items"]
    return items


async def test_a_full_refund_of_every_sample_closes_the_order() -> None:
    samples = sample_orders(48, seed=3)
    async with a_shop() as client:
        await client.call("POST", "/sandbox/orders", samples)
        for order in samples["orders"]:
            status, answer = await client.call("POST", f"/rest/V1/order/{order['entity_id']}/refund", {})
            assert (status, answer) == (200, answer), order
            _, after = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
            assert (after["state"], after["total_refunded"]) == ("closed", after["total_paid"])


async def test_samples_repeat_with_their_seed_and_add_up() -> None:
    samples = sample_orders(32, seed=5, first_id=1000)
    assert samples == sample_orders(32, seed=5, first_id=1000)
    for order in samples["orders"]:
        parts = order["base_subtotal"] + order["base_tax_amount"] + order["base_discount_amount"]
        assert parts + order["base_shipping_amount"] == pytest.approx(order["base_grand_total"])


async def test_dropped_after_applying_leaves_one_memo() -> None:
    samples = sample_orders(1, first_id=1)
    async with a_shop(faults=Faults(drop_after=1.0)) as client:
        await client.call("POST", "/sandbox/orders", samples)
        with pytest.raises(aiohttp.ClientError):
            await client.call("POST", "/rest/V1/order/1/refund", one_unit(samples["orders"][0]))
        assert len(await memos(client, 1)) == 1
        _, ledger = await client.call("GET", "/sandbox/ledger")
        assert ledger["calls"]["order_refund"] == {"dropped": 1}
        assert ledger["creditmemos"][0]["service"] == "order_refund"


@pytest.mark.parametrize(
    ("fault", "status", "made"),
    [
        ("throttle", 429, 0), ("error_500", 500, 0), ("error_500_after", 500, 1), ("error_502", 502, 0),
        ("error_502_after", 502, 1), ("error_503", 503, 0), ("maintenance", 503, 0), ("slow_body", 200, 1),
    ],
)  # fmt: skip
async def test_faults_answer_as_named(fault: str, status: int, made: int) -> None:
    samples = sample_orders(1, first_id=1)
    async with a_shop() as client:
        await client.call("POST", "/sandbox/orders", samples)
        answer = await client.call("POST", "/sandbox/faults", {fault: 1.0, "slow_seconds": 0.01})
        assert answer[0] == 200
        got, _ = await client.call("POST", "/rest/V1/order/1/refund", one_unit(samples["orders"][0]))
        assert got == status
        assert len(await memos(client, 1)) == made


@pytest.mark.parametrize("fault", ["refuse", "drop_before"])
async def test_a_dropped_request_does_nothing(fault: str) -> None:
    samples = sample_orders(1, first_id=1)
    async with a_shop(faults=Faults.parse(f"{fault}=1")) as client:
        await client.call("POST", "/sandbox/orders", samples)
        with pytest.raises(aiohttp.ClientError):
            await client.call("POST", "/rest/V1/order/1/refund", one_unit(samples["orders"][0]))
        assert await memos(client, 1) == []


async def test_unknown_faults_are_refused_by_name() -> None:
    async with a_shop() as client:
        status, answer = await client.call("POST", "/sandbox/faults", {"dorp": 1})
        assert status == 400
        assert 'unknown fault "dorp"' in answer["message"]


async def test_a_seed_is_taken_whole_or_not_at_all() -> None:
    samples = sample_orders(2, first_id=1)
    samples["orders"][1]["items"] = "x"
    async with a_shop() as client:
        status, answer = await client.call("POST", "/sandbox/orders", samples)
        assert (status, answer["message"]) == (400, 'orders[1].items must be a list, not "x"')
        assert (await client.call("GET", "/rest/V1/orders/1"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "ledger?since=-1"), ("GET", "ledger?since=x"), ("POST", "tokens")]
)
async def test_a_wrong_control_request_is_refused(method: str, path: str) -> None:
    async with a_shop() as client:
        assert (await client.call(method, f"/sandbox/{path}", {"ad": "x"}))[0] == 400


async def test_the_order_service_is_serialised_and_the_invoice_service_loses_updates() -> None:
    samples = sample_orders(2, first_id=1)
    async with a_shop(latency_seconds=0.02) as client:
        await client.call("POST", "/sandbox/orders", samples)
        orders = await asyncio.gather(*[client.call("POST", "/rest/V1/order/1/refund", {}) for _ in range(3)])
        assert sorted(status for status, _ in orders) == [200, 400, 400]
        invoices = await asyncio.gather(*[client.call("POST", "/rest/V1/invoice/2/refund", {}) for _ in range(3)])
        assert [status for status, _ in invoices] == [200, 200, 200]
        _, order = await client.call("GET", "/rest/V1/orders/2")
        assert len(await memos(client, 2)) == 3
        assert order["total_refunded"] == order["total_paid"]
        _, ledger = await client.call("GET", "/sandbox/ledger")
        assert ledger["max_in_flight_per_order"] == 3


async def test_a_client_that_goes_away_does_not_stop_the_refund() -> None:
    samples = sample_orders(1, first_id=1)
    async with a_shop(latency_seconds=1) as client:
        await client.call("POST", "/sandbox/orders", samples)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.call("POST", "/rest/V1/order/1/refund", {}), 0.1)
        assert await memos(client, 1) == []
        async with asyncio.timeout(20):
            while not await memos(client, 1):  # noqa: ASYNC110 - it happens in the shop
                await asyncio.sleep(0.05)
        assert len(await memos(client, 1)) == 1


async def test_online_refunds_move_money_unless_declined() -> None:
    samples = sample_orders(2, first_id=1)
    async with a_shop() as client:
        await client.call("POST", "/sandbox/orders", samples)
        assert (await client.call("POST", "/rest/V1/invoice/1/refund", {"isOnline": True}))[0] == 200
        await client.call("POST", "/sandbox/faults", {"decline": 1})
        status, answer = await client.call("POST", "/rest/V1/invoice/2/refund", {"isOnline": True})
        assert (status, answer["message"]) == (400, "Could not save a Creditmemo, see error log for details")
        _, ledger = await client.call("GET", "/sandbox/ledger")
        assert [move["outcome"] for move in ledger["gateway"]] == ["refunded", "declined"]
        assert ledger["gateway"][0]["amount"] == samples["orders"][0]["base_grand_total"]


async def test_overruns_are_refused_and_counted() -> None:
    samples = sample_orders(1, first_id=1)
    async with a_shop(max_concurrency=1, latency_seconds=0.05) as client:
        await client.call("POST", "/sandbox/orders", samples)
        answers = await asyncio.gather(*[client.call("POST", "/rest/V1/order/1/refund", {}) for _ in range(2)])
        assert sorted(status for status, _ in answers) == [200, 429]
        _, ledger = await client.call("GET", "/sandbox/ledger")
        assert (ledger["overruns"], ledger["max_in_flight"]) == (1, 2)


async def test_the_marker_is_found_and_seeding_again_starts_afresh() -> None:
    samples = sample_orders(1, first_id=1)
    body = one_unit(samples["orders"][0]) | {"comment": {"comment": "ref KEY-1; \N{GRINNING FACE}"}}
    head = "searchCriteria[filter_groups][0][filters][0]"
    search = f"/rest/V1/creditmemos?{head}[field]=customer_note&{head}[value]=%25KEY-1;%25&{head}[condition_type]=like"
    async with a_shop() as client:
        await client.call("POST", "/sandbox/orders", samples)
        _, first = await client.call("POST", "/rest/V1/order/1/refund", body)
        _, found = await client.call("GET", search)
        assert [item["comments"][0]["comment"] for item in found["items"]] == ["ref KEY-1; ????"]
        await client.call("POST", "/sandbox/orders", samples)
        assert await memos(client, 1) == []
        _, second = await client.call("POST", "/rest/V1/order/1/refund", body)
        assert int(second) > int(first)


async def test_admin_tokens_are_issued_and_revoked() -> None:
    credentials = {"username": "admin", "password": "sandbox"}
    async with a_shop() as client:
        _, token = await client.call("POST", "/rest/V1/integration/admin/token", credentials)
        assert (await client.call("GET", "/rest/V1/orders/1", Authorization=f"Bearer {token}"))[0] == 404
        await client.call("POST", "/sandbox/tokens", {"revoke": token})
        assert (await client.call("GET", "/rest/V1/orders/1", Authorization=f"Bearer {token}"))[0] == 401
