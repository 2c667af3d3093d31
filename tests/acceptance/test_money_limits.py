"""Limits on money through the real command line: held, shown, approved by somebody else, declined."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack import Stack

GOODWILL = "2.00"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker with a limit of 5.00 for one job and of 12.00 for a day."""
    settings = {"REFUNDS_MAX_AMOUNT": "5.00", "REFUNDS_MAX_AMOUNT_PER_DAY": "12.00"}
    with Stack.start(tmp_path_factory.mktemp("limited"), orders=20, settings=settings) as stack:
        yield stack


def goodwill(key: str, order_id: int, amount: str = GOODWILL, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"idempotency_key": key, "order_id": order_id, "amount": amount, "requested_by": "Rita", **changes}


def held_now(stack: Stack) -> dict[str, dict[str, Any]]:
    lines = stack.refunds("held", "--json").stdout.splitlines()
    return {found["key"]: found for found in map(json.loads, lines)}


def memos_of(stack: Stack, order_id: int) -> list[dict[str, Any]]:
    return [memo for memo in stack.memos() if memo["order_id"] == order_id]


def test_a_job_over_a_limit_waits_for_somebody_else(limited: Stack):
    stack = limited
    # Given: one job that fits, one over the limit of one job, and a whole order, of which only the shop knows the total
    receipts = stack.submit(goodwill("fits", 1), goodwill("large", 2, "5.01"))
    assert [(one["status"], one["state"]) for one in receipts] == [("accepted", "queued"), ("accepted", "held")]
    stack.submit({"idempotency_key": "whole", "order_id": 3, "full": True, "requested_by": "Rita"})
    stack.settle(["fits"])
    stack.wait_until(lambda: stack.state("whole") == "held")

    # Then: what is held says why, and nothing of it is at the shop
    found = held_now(stack)
    assert set(found) == {"large", "whole"}
    assert (found["large"]["reason"], found["large"]["money"], found["large"]["limit"]) == (
        *("over_job_limit", "5.01", "5.00"),
    )
    assert float(found["whole"]["money"]) > 5
    assert "5.01 asked, one job may refund 5.00" in stack.refunds("show", "large").stdout
    assert memos_of(stack, 2) == memos_of(stack, 3) == []

    # When: whoever asked for it approves
    own = stack.refunds("approve", "large", "--by", " rita ")
    assert (own.returncode, "somebody else must approve" in own.stdout) == (1, True)
    assert stack.state("large") == "held"

    # When: somebody else does, for one, and declines the other
    dry = stack.refunds("approve", "large", "--by", "ann", "--dry-run")
    assert (dry.returncode, stack.state("large")) == (0, "held")
    done = stack.refunds("approve", "large", "--by", "ann", "--why", "checked", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "approved")
    assert stack.refunds("decline", "whole", "--by", "bob", "--why", "not ours").returncode == 0

    # Then: the one is refunded, the other is a dead letter of which nothing was sent
    assert stack.settle(["large", "whole"]) == {"large": "settled", "whole": "dead"}
    (memo,) = memos_of(stack, 2)
    assert float(memo["base_grand_total"]) == 5.01
    assert memos_of(stack, 3) == []
    letter = json.loads(stack.refunds("dead", "show", "whole", "--json").stdout)
    assert (letter["reason"], letter["verdict"]) == ("declined", "not_sent")
    shown = json.loads(stack.refunds("show", "large", "--json").stdout)
    assert [line.get("event") for line in shown["history"]][:2] == ["held", "approved"]
    trail = stack.refunds("audit", "--trail")
    assert trail.returncode == 0
    assert stack.refunds("audit", "--json").returncode == 0


def test_a_day_has_its_limit_and_wait_says_what_is_held(limited: Stack):
    stack = limited
    stack.submit(*(goodwill(f"day-{number}", number) for number in range(4, 10)))
    stack.wait_until(lambda: all(stack.state(f"day-{number}") in {"settled", "held"} for number in range(4, 10)))
    held = [key for key, found in held_now(stack).items() if found["reason"] == "over_day_limit"]
    spent = sum(float(memo["base_grand_total"]) for memo in stack.memos())

    assert held
    assert 12 - float(GOODWILL) < spent <= 12
    (shop,) = json.loads(stack.refunds("shops", "--json").stdout)["shops"]
    assert (float(shop["spent_today"]), shop["limit_per_day"]) == (spent, "12.00")
    assert f"{shop['spent_today']} of 12.00" in stack.refunds("shops").stdout
    waited = stack.refunds("submit", "-", "--wait", input=json.dumps(goodwill("late", 10)))
    assert waited.returncode == 1
    assert "1 held for approval" in waited.stderr


def test_bad_use_is_named(limited: Stack):
    assert limited.refunds("approve", "--by", "ann").returncode == 2
    assert limited.refunds("approve", "k", "--campaign", "spring", "--by", "ann").returncode == 2
    assert limited.refunds("approve", "k").returncode == 2
    unknown = limited.refunds("approve", "k", "--by", "ann")
    assert (unknown.returncode, "never seen this key" in unknown.stdout) == (1, True)
    wrong = limited.refunds("held", env={"REFUNDS_MAX_AMOUNT": "13.00"})
    assert (wrong.returncode, "must not be larger than that of many" in wrong.stderr) == (2, True)
