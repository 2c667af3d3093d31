"""A worker process reads back what it settled; `refunds show` tells what the credit memo turned out to be."""

import json
from collections.abc import Callable
from typing import Any

from tests.stack import Stack


def confirmed(stack: Stack, key: str) -> dict[str, Any]:
    """What the entry says of its credit memo, once that was read back."""
    stack.wait_until(lambda: stack.client.hexists(f"refunds:entry:{key}", "confirmed"), 20)
    done = stack.refunds("show", key, "--json")
    entry: dict[str, Any] = json.loads(done.stdout)
    facts: dict[str, Any] = entry["confirmed"]
    return facts


def test_the_credit_memo_of_a_settled_job_is_read_back(stack: Stack, a_job: Callable[..., dict[str, Any]]):
    job = a_job(expected_total="1.25")
    stack.submit(job)
    stack.settle([job["idempotency_key"]])
    facts = confirmed(stack, job["idempotency_key"])
    assert facts["base_grand_total"] == "1.25"
    assert facts["order_id"] == job["order_id"]
    assert facts["marker"] is True
    assert "mismatches" not in facts


def test_a_job_that_expects_another_total_is_refused_before_the_call(
    stack: Stack, a_job: Callable[..., dict[str, Any]]
):
    job = a_job(expected_total="1.20")
    stack.submit(job)
    assert stack.settle([job["idempotency_key"]]) == {job["idempotency_key"]: "dead"}
    done = stack.refunds("show", job["idempotency_key"])
    assert "expected_total_differs" in done.stdout
    assert "1.20 was expected, Magento would refund 1.25; the order has left:" in done.stdout
    assert not [memo for memo in stack.memos() if memo["order_id"] == job["order_id"]]


def test_a_mismatch_is_shown(stack: Stack, a_job: Callable[..., dict[str, Any]]):
    """What a confirmation finds is written by hand here: the sandbox makes what it is asked for."""
    job = a_job()
    stack.submit(job)
    stack.settle([job["idempotency_key"]])
    facts = {
        **confirmed(stack, job["idempotency_key"]),
        "mismatches": [{"kind": "quote", "detail": "1.25 was computed"}],
    }
    stack.client.hset(f"refunds:entry:{job['idempotency_key']}", "confirmed", json.dumps(facts))
    shown = stack.refunds("show", job["idempotency_key"]).stdout
    assert "MISMATCH" in shown
    assert "quote: 1.25 was computed" in shown
