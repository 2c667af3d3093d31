"""Bad input at the doors: each is refused with its field and its reason, and nothing half-written stays behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack

GOOD: dict[str, Any] = {"idempotency_key": "bad-1", "order_id": 1, "full": True}
MEMO: dict[str, Any] = {
    "order_id": 1, "grand_total": "5.00", "base_grand_total": "5.00", "shipping_amount": "0",
    "base_shipping_amount": "0", "base_currency_code": "USD", "order_currency_code": "USD",
}  # fmt: skip


def memo_without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in MEMO.items() if name not in names}


#: What is submitted, and what must be said of it.
BAD: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "unknown field": ({**GOOD, "itmes": []}, "itmes is not a field"),
    "float amount": ({"idempotency_key": "bad-1", "order_id": 1, "amount": 12.5}, "amount must be a decimal string"),
    "negative": ({"idempotency_key": "bad-1", "order_id": 1, "amount": "-1.00"}, "amount must not be negative"),
    "3 decimals": ({"idempotency_key": "bad-1", "order_id": 1, "amount": "1.005"}, "amount has more than 2 decimals"),
    "items and full": ({**GOOD, "items": [{"sku": "a", "qty": 1}]}, "items and full exclude each other"),
    "persist without creditmemo": ({**GOOD, "mode": "persist"}, "creditmemo is required with mode persist"),
    "no shipping_amount": (
        {"idempotency_key": "bad-1", "creditmemo": memo_without("shipping_amount")},
        "creditmemo.shipping_amount is required",
    ),
    "no base_shipping_amount": (
        {"idempotency_key": "bad-1", "creditmemo": memo_without("base_shipping_amount")},
        "creditmemo.base_shipping_amount is required",
    ),
    "key with spaces": ({**GOOD, "idempotency_key": "bad 1"}, "idempotency_key must be 1 to 255 printable ASCII"),
    "shop not configured": ({**GOOD, "shop": "nowhere"}, "shop 'nowhere' is not configured"),
    "10 MB": (json.dumps({**GOOD, "comment": "x" * 10_000_000}).encode(), "at most 262144 are read"),
    "not JSON": (b"refund order 1, please", "is not JSON"),
    "not UTF-8": (b'{"idempotency_key": "\xff\xfe"}', "is not UTF-8"),
    "a list": (json.dumps([GOOD]).encode(), "must be a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_with_its_field_and_leaves_nothing(stack: Stack, tmp_path: Path, name: str):
    document, said = BAD[name]
    file = tmp_path / "bad.json"
    file.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    before = stack.client.hget("refunds:counts", "accepted")

    commands = [(command, str(file)) for command in ("submit", "explain")]
    for (command, _), done in zip(commands, stack.refunds_at_once(commands), strict=True):
        assert done.returncode == 2, (command, done.stderr)
        assert said in done.stdout, command
        assert "Traceback" not in done.stderr

    assert stack.client.hget("refunds:counts", "accepted") == before
    assert stack.state("bad-1") is None


@pytest.mark.parametrize("command", ["submit", "explain"])
def test_a_missing_file_is_named(stack: Stack, command: str):
    done = stack.refunds(command, "no-such-file.json")
    assert done.returncode == 2
    assert "no-such-file.json: No such file" in done.stderr


def test_an_empty_input_holds_no_job(stack: Stack):
    for command in ("submit", "explain"):
        done = stack.refunds(command, "-", "--json", input="\n\n")
        assert (done.returncode, done.stdout) == (2, "")
        assert "the input holds no job" in done.stderr


def test_redis_away_is_code_3_and_names_the_address_without_a_password(stack: Stack, tmp_path: Path):
    env = {"REFUNDS_REDIS_URL": "redis://ops:secret-word@127.0.0.1:1/0"}
    file = tmp_path / "job.json"
    file.write_text(json.dumps(GOOD))
    commands = [("submit", str(file)), ("show", "a"), ("dead", "list"), ("ledger", "status"), ("doctor",)]
    for args, done in zip(commands, stack.refunds_at_once(commands, env=env), strict=True):
        assert done.returncode == 3, args
        assert "cannot reach Redis at redis://ops:***@127.0.0.1:1/0" in done.stderr
        assert "secret-word" not in done.stdout + done.stderr


def test_a_shop_that_is_away_is_code_3_for_explain_live(stack: Stack):
    shops = json.loads(stack.env["REFUNDS_SHOPS"])
    shops["default"]["base_url"] = "http://127.0.0.1:1"
    done = stack.refunds("explain", "-", "--live", input=json.dumps(GOOD), env={"REFUNDS_SHOPS": json.dumps(shops)})
    assert done.returncode == 3
    assert "cannot reach the shop" in done.stderr


def test_wrong_settings_are_code_2_and_named(stack: Stack):
    done = stack.refunds("submit", "-", input=json.dumps(GOOD), env={"REFUNDS_REDIS_URL": "http://x"})
    assert done.returncode == 2
    assert "REFUNDS_REDIS_URL" in done.stderr


def test_online_with_several_invoices_is_refused_before_the_call(stack: Stack, a_job: Callable[..., dict[str, Any]]):
    job = a_job(amount=None, full=True, online=True)
    invoice = stack.shop("GET", f"/rest/V1/invoices/{job['order_id']}")
    stack.shop("POST", "/sandbox/orders", {"invoices": [{**invoice, "entity_id": 7000 + job["order_id"]}]})

    explained = stack.refunds("explain", "-", "--live", "--json", input=json.dumps(job))
    stack.submit(job)

    assert explained.returncode == 1
    assert json.loads(explained.stdout)["refused"]["rule"] == 22
    assert stack.settle([job["idempotency_key"]]) == {job["idempotency_key"]: "dead"}
    letter = json.loads(stack.refunds("dead", "show", job["idempotency_key"], "--json").stdout)
    assert (letter["reason"], letter["verdict"]) == ("online_needs_invoice", "not_sent")
