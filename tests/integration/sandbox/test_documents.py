"""The documents of the sandbox shop are whole: key by key and value by value those of the recorded Magento.

`conform.py` compares the amounts; here every field is compared, also how a number is printed (contract, section 2).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.sandbox_shop_client import Client, a_shop

pytestmark = pytest.mark.integration

SCENARIOS = Path(__file__).parents[2] / "data" / "magento" / "scenarios"
#: Given by the database or the gateway.
ASSIGNED = {"entity_id", "created_at", "updated_at", "increment_id", "parent_id", "last_trans_id", "transaction_id"}


def differences(where: str, wanted: object, got: object) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in (wanted.keys() | got.keys()) - ASSIGNED:
            yield from differences(f"{where}.{key}", wanted.get(key, "absent"), got.get(key, "absent"))
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for mine, theirs in zip(wanted, got, strict=True):
            yield from differences(f"{where}[]", mine, theirs)
    elif repr(wanted) != repr(got) and "Transaction ID" not in str(wanted):
        yield f"{where}: Magento {wanted!r}, here {got!r}"


def number_of(body: object) -> int:
    return int(body["entity_id"] if isinstance(body, dict) else str(body))


def with_our_ids(body: Any, ids: dict[int, int]) -> Any:  # noqa: ANN401 - any JSON value
    given = json.loads(json.dumps(body))
    for name in ("entity", "creditmemo"):
        inner = given.get(name) if isinstance(given, dict) else None
        if isinstance(inner, dict) and inner.get("entity_id") in ids:
            inner["entity_id"] = ids[inner["entity_id"]]
    return given


async def of_order(client: Client, kind: str, order_id: int) -> list[dict[str, Any]]:
    head = "searchCriteria[filter_groups][0][filters][0]"
    query = urlencode({f"{head}[field]": "order_id", f"{head}[value]": order_id})
    _, found = await client.call("GET", f"/rest/V1/{kind}?{query}")
    return sorted(found["items"], key=number_of)


async def played(client: Client, scenario: dict[str, Any]) -> list[str]:
    found: list[str] = []
    ids: dict[int, int] = {}
    await client.call("POST", "/sandbox/orders", scenario["before"])
    for step in scenario["steps"]:
        request, wanted = step["request"], step["response"]
        if "raw_body" in request:
            continue
        body = with_our_ids(request.get("body"), ids)
        status, got = await client.call(request["method"], request["path"], body)
        if status == wanted["status"] == 200:
            ids[number_of(wanted["body"])] = number_of(got)
            if isinstance(got, dict):
                found += differences("answer", wanted["body"], got)
    after = scenario["after"]
    for order in after["orders"]:
        _, got = await client.call("GET", f"/rest/V1/orders/{order['entity_id']}")
        found += differences("order", order, got)
        for kind in ("creditmemos", "invoices"):
            mine = [doc for doc in after.get(kind) or [] if doc["order_id"] == order["entity_id"]]
            theirs = await of_order(client, kind, order["entity_id"])
            found += differences(kind, sorted(mine, key=number_of), theirs)
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.json")))
async def test_documents_are_those_of_magento(name: str) -> None:
    async with a_shop() as client:
        assert await played(client, json.loads((SCENARIOS / f"{name}.json").read_text())) == []
