"""Promise P1, with real processes and sockets: one idempotency key, one credit memo, whatever repeats or is lost."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from config.settings import Settings
from tests.stack import Stack
from worker.cli.opening import producer
from worker.domain.money import cents
from worker.enqueue import Enqueue
from worker.sandbox.demo_verdict import key_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

Job = dict[str, Any]
#: The first sample order.
ORDER = 1
SLOW = {"delay": 1, "delay_seconds": 0.3}


def goodwill(key: str = "job-1", *, amount: str = "1.00", order_id: int = ORDER) -> Job:
    return {"idempotency_key": key, "order_id": order_id, "amount": amount}


def memos_by_key(stack: Stack) -> Counter[str]:
    return Counter(key_of(memo) for memo in stack.memos())


def publish(stack: Stack, keys: list[str], *, times: int, lane: str = "express") -> None:
    """Deliver the same keys several times, each time in a message with a number of its own."""
    app = producer(Settings.from_environ(stack.env))
    for _ in range(times):
        Enqueue(app).publish(lane, int(stack.client.incr(f"refunds:seq:{lane}")), keys)
    app.close()


def consumed(stack: Stack) -> bool:
    """Whether no message waits and no worker holds one."""
    return not stack.client.llen("refunds.express") and not stack.client.hlen("unacked")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers; each test uses keys and orders of its own."""
    with Stack.start(tmp_path_factory.mktemp("stack"), workers=2, orders=8) as stack:
        yield stack


def test_a_job_that_is_submitted_twice_is_refunded_once(shared: Stack):
    job = goodwill("twice", order_id=1)
    assert [receipt["status"] for receipt in shared.submit(job, job)] == ["accepted", "duplicate"]
    assert shared.settle(["twice"]) == {"twice": "settled"}
    assert shared.submit(job)[0]["status"] == "duplicate"
    shared.wait_until(lambda: consumed(shared))
    assert memos_by_key(shared)["twice"] == 1


def test_a_job_that_is_delivered_to_two_workers_at_once_is_refunded_once(shared: Stack):
    shared.shop("POST", "/sandbox/faults", SLOW)
    calls = shared.shop("GET", "/sandbox/ledger")["calls"].get("order_refund", {}).get("200", 0)
    shared.submit(goodwill("delivered", order_id=2))
    publish(shared, ["delivered"], times=10)
    assert shared.settle(["delivered"]) == {"delivered": "settled"}
    publish(shared, ["delivered"], times=10)  # and when it is settled long since
    shared.wait_until(lambda: consumed(shared))
    assert memos_by_key(shared)["delivered"] == 1
    assert shared.shop("GET", "/sandbox/ledger")["calls"]["order_refund"] == {"200": calls + 1}


def test_a_replayed_job_is_never_refunded_twice(shared: Stack):
    shared.submit(goodwill("settled", order_id=3), goodwill("refused", order_id=9_999_999))
    for _ in range(2):
        assert shared.settle(["settled", "refused"]) == {"settled": "settled", "refused": "dead"}
        assert shared.refunds("dead", "replay", "refused").returncode == 0
        assert shared.refunds("dead", "replay", "settled").returncode != 0
        shared.wait_until(lambda: consumed(shared))
    assert shared.settle(["settled", "refused"]) == {"settled": "settled", "refused": "dead"}
    assert (memos_by_key(shared)["settled"], memos_by_key(shared)["refused"]) == (1, 0)


@pytest.mark.parametrize("auth", ["oauth1", "bearer"])
def test_a_ledger_that_was_wiped_is_not_taken_for_a_new_one(tmp_path: Path, auth: Literal["oauth1", "bearer"]):
    """Workers refuse to send and say why; after `ledger init --after-loss` they look for the marker first."""
    with Stack.start(tmp_path, workers=1, orders=3, auth=auth) as stack:
        stack.submit(goodwill())
        assert stack.settle(["job-1"]) == {"job-1": "settled"}

        stack.client.flushall()
        stack.submit(goodwill())
        publish(stack, ["job-1"], times=1)
        stack.wait_until(lambda: "ledger.missing" in stack.log_of("worker"))
        assert "refunds ledger init --after-loss" in stack.log_of("worker")
        assert stack.state("job-1") not in {"sent", "settled"}
        assert memos_by_key(stack) == {"job-1": 1}

        assert stack.refunds("ledger", "init", "--after-loss").returncode == 0
        stack.submit(goodwill(), goodwill("job-2"))
        assert stack.settle(["job-1", "job-2"]) == {"job-1": "settled", "job-2": "settled"}
        assert memos_by_key(stack) == {"job-1": 1, "job-2": 1}
        via = json.loads(stack.client.hget("refunds:entry:job-1", "result") or "{}")["via"]
        assert via == "marker"


@pytest.mark.parametrize("auth", ["oauth1", "bearer"])
def test_fifty_jobs_for_one_order_are_refunded_one_at_a_time(tmp_path: Path, auth: Literal["oauth1", "bearer"]):
    """Two workers, and a shop that loses answers: credit memos and totals exactly as asked."""
    faults = "drop_after=0.1,drop_before=0.05,error_502=0.05"
    shop = {"request_timeout_seconds": 1, "longest_request_seconds": 1, "connect_timeout_seconds": 0.5}
    with Stack.start(tmp_path, workers=2, orders=16, auth=auth, faults=faults, shop=shop) as stack:
        order = max(
            (stack.shop("GET", f"/rest/V1/orders/{number}") for number in range(1, 17)),
            key=lambda order: float(order["base_grand_total"]),
        )
        jobs = [goodwill(f"job-{n}", amount=f"0.{n:02d}", order_id=order["entity_id"]) for n in range(1, 51)]
        stack.submit(*jobs[:25], lane="bulk")
        for job in jobs[25:30]:
            stack.submit(job)
        stack.submit(*jobs[30:])

        assert set(stack.settle([job["idempotency_key"] for job in jobs], timeout=50).values()) == {"settled"}

        amounts = {key_of(memo): cents(memo["base_grand_total"]) for memo in stack.memos()}
        assert amounts == {job["idempotency_key"]: Decimal(job["amount"]) for job in jobs}
        assert memos_by_key(stack).total() == 50
        order = stack.shop("GET", f"/rest/V1/orders/{order['entity_id']}")
        assert cents(order["base_total_refunded"]) == sum(Decimal(job["amount"]) for job in jobs)
        assert stack.shop("GET", "/sandbox/ledger")["max_in_flight_per_order"] == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_worker_that_is_told_to_stop_leaves_nothing_twice_and_nothing_behind(tmp_path: Path, how: signal.Signals):
    """SIGTERM: calls in flight end, jobs that wait for the shop go back. SIGQUIT may cut calls off: a clean `sent`."""
    settings = {
        "REFUNDS_SHUTDOWN_GRACE_SECONDS": "4",
        "REFUNDS_LEASE_SECONDS": "2",
        "REFUNDS_HEARTBEAT_SECONDS": "0.5",
    }
    with Stack.start(tmp_path, workers=1, orders=101, shop={"max_concurrency": 2}, settings=settings) as stack:
        stack.shop("POST", "/sandbox/faults", {"delay": 1, "delay_seconds": 0.3})
        keys = [f"job-{number}" for number in range(100)]
        stack.submit(*(goodwill(key, order_id=n + 1) for n, key in enumerate(keys)), lane="bulk")
        stack.wait_until(lambda: len(stack.memos()) >= 3)

        first = next(process for name, process in stack.processes.items() if name.startswith("worker"))
        assert stack.end(first, how=how, seconds=20) == 0
        if how == signal.SIGTERM:
            counts = stack.client.hgetall("refunds:counts")
            left = {name: int(counts.get(name, 0)) for name in ("in_doubt", "sent", "claimed")}
            assert left == {"in_doubt": 0, "sent": 0, "claimed": 0}
            assert len(stack.memos()) == int(counts["settled"]) < 50
        stack.shop("POST", "/sandbox/faults", {})
        stack.start_process("worker", "worker")

        assert set(stack.settle(keys).values()) == {"settled"}
        assert memos_by_key(stack) == dict.fromkeys(keys, 1)
