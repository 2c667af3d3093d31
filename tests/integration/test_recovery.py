"""Promise P2, with real processes and sockets: what a dead worker or a lost message left behind is taken up again."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.stack import Stack
from worker.sandbox.demo_verdict import key_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

#: Short, so that the test is; the default is 10 s.
LEASE = {"REFUNDS_LEASE_SECONDS": "2", "REFUNDS_HEARTBEAT_SECONDS": "0.5", "REFUNDS_LOST_MESSAGE_SECONDS": "1"}
SLOW = {"delay": 1, "delay_seconds": 0.5}


def jobs(count: int) -> list[dict[str, object]]:
    return [{"idempotency_key": f"job-{n}", "order_id": n, "amount": "1.00"} for n in range(1, count + 1)]


def memos_by_key(stack: Stack) -> Counter[str]:
    return Counter(key_of(memo) for memo in stack.memos())


def all_keys(count: int) -> list[str]:
    return [f"job-{n}" for n in range(1, count + 1)]


def test_jobs_of_a_killed_worker_are_adopted_by_another(tmp_path: Path, record_property: Callable[[str, object], None]):
    with Stack.start(tmp_path, workers=1, orders=40, settings=LEASE, shop={"max_concurrency": 4}) as stack:
        stack.shop("POST", "/sandbox/faults", SLOW)
        stack.submit(*jobs(30), lane="bulk")
        stack.wait_until(lambda: len(stack.memos()) >= 2)
        killed = next(process for name, process in stack.processes.items() if name.startswith("worker"))
        stack.end(killed, how=signal.SIGKILL)
        killed_at = time.time()
        stack.shop("POST", "/sandbox/faults", {})
        stack.start_process("worker", "worker")

        assert set(stack.settle(all_keys(30)).values()) == {"settled"}
        assert memos_by_key(stack) == dict.fromkeys(all_keys(30), 1)
        logs = "\n".join(path.read_text() for path in tmp_path.glob("worker-*.log"))
        adopted = [json.loads(line) for line in logs.splitlines() if '"job.adopted"' in line]
        took = [datetime.fromisoformat(line["timestamp"]).timestamp() - killed_at for line in adopted]
        assert adopted
        assert all(f":{killed.pid}:" in line["worker"] for line in adopted)
        assert max(took) < 2 + 0.5 + 5  # lease, a heartbeat, and what the new worker takes to start
        record_property("recovery_seconds", f"{max(took):.1f}")


def test_workers_that_die_at_the_worst_moments_refund_nothing_twice(tmp_path: Path):
    points = ("after_sent", "after_answer", "before_settle", "after_settle")
    with Stack.start(tmp_path, workers=0, orders=8, settings=LEASE) as stack:
        for job, point in zip(jobs(4), points, strict=True):
            stack.submit(job)
            dying = stack.start_process("worker", "worker", env={"REFUNDS_CRASH_POINT": point})
            assert dying.wait(20) == -signal.SIGKILL
            assert f"crash.{point} " in stack.log_of("worker")
        stack.start_process("worker", "worker")

        assert set(stack.settle(all_keys(4)).values()) == {"settled"}
        assert memos_by_key(stack) == dict.fromkeys(all_keys(4), 1)


@pytest.mark.parametrize("lane", ["express", "bulk"])
def test_a_message_that_was_lost_is_published_again(tmp_path: Path, lane: str):
    with Stack.start(tmp_path, workers=0, orders=8, settings=LEASE) as stack:
        stack.submit(*jobs(3), lane=lane)
        assert stack.client.lpop(f"refunds.{lane}") is not None
        stack.start_worker()

        assert set(stack.settle(all_keys(3)).values()) == {"settled"}
        assert memos_by_key(stack) == dict.fromkeys(all_keys(3), 1)
        assert "message.lost" in stack.log_of("worker")


def test_messages_that_come_twice_do_no_harm(tmp_path: Path):
    with Stack.start(tmp_path, workers=0, orders=8, settings=LEASE) as stack:
        stack.submit(*jobs(5), lane="bulk")
        for message in stack.client.lrange("refunds.bulk", 0, -1):
            for _ in range(5):  # the very same message, with the same number
                stack.client.lpush("refunds.bulk", message)
        stack.start_worker()
        stack.start_worker()

        assert set(stack.settle(all_keys(5)).values()) == {"settled"}
        stack.wait_until(lambda: not stack.client.llen("refunds.bulk"))
        assert memos_by_key(stack) == dict.fromkeys(all_keys(5), 1)


def test_two_upkeep_processes_do_no_harm_and_one_takes_over_from_the_other(tmp_path: Path):
    settings = {**LEASE, "REFUNDS_UPKEEP_IN_WORKER": "false"}
    with Stack.start(tmp_path, workers=1, orders=40, settings=settings) as stack:
        one, two = stack.start_upkeep(), stack.start_upkeep()
        stack.wait_until(lambda: "upkeep.lead_taken" in stack.log_of("upkeep"))
        stack.shop("POST", "/sandbox/faults", {"drop_before": 0.3, "throttle": 0.3})
        stack.submit(*jobs(20), lane="bulk")
        leader = str(stack.client.get("refunds:upkeep"))
        killed = next(process for process in (one, two) if f":{process.pid}:" in leader)
        stack.end(killed, how=signal.SIGKILL)
        stack.wait_until(lambda: str(stack.client.get("refunds:upkeep")) not in {leader, "None"})
        stack.shop("POST", "/sandbox/faults", {})

        assert set(stack.settle(all_keys(20)).values()) == {"settled"}
        assert memos_by_key(stack) == dict.fromkeys(all_keys(20), 1)
