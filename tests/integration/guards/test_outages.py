"""A shop that is away: jobs are parked, nothing is sent, nothing dies, and all goes on by itself."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guards.shops import ask, jobs_for, memos, seed, serve_with, start_limited_shop, wait
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def shop_state(stack: Stack, name: str = "default") -> dict[str, Any]:
    """What `refunds shops` says."""
    shops = json.loads(stack.refunds("shops", "--json").stdout)["shops"]
    return next(shop for shop in shops if shop["name"] == name)


def log_lines(stack: Stack, event: str) -> list[str]:
    text = "".join(path.read_text() for path in stack.folder.glob("worker-*.log"))
    return [line for line in text.splitlines() if f'"{event}"' in line]


def finish(stack: Stack, url: str, jobs: list[dict[str, Any]], seconds: float) -> None:
    """Every job is settled, once, and none is dead."""
    states = stack.settle([job["idempotency_key"] for job in jobs], timeout=seconds)
    assert set(states.values()) == {"settled"}
    assert len(memos(url)) == len(jobs)


def test_an_outage_costs_no_job_and_no_attempt(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, latency_seconds=0.02)
        jobs = jobs_for(seed(url, 200))
        serve_with(stack, {"default": url}, rate_per_second=40)  # so that it is not over before the outage
        stack.submit(*jobs[:150], lane="bulk")
        stack.wait_until(lambda: len(memos(url)) > 20)
        ask(url, "/sandbox/faults", {"maintenance": 1, "reads": True})
        stack.wait_until(lambda: stack.client.hget("refunds:shop:default", "breaker") == "open")
        stack.submit(*jobs[150:])
        stack.wait_until(lambda: shop_state(stack)["backlog"] >= len(jobs) - len(memos(url)) - 20)
        calls = ask(url, "/sandbox/ledger")["calls"]["order_refund"]
        time.sleep(3)  # noqa: TID251 - the outage
        state = shop_state(stack)
        assert state["breaker"] in {"open", "half_open"}
        assert state["reason"]
        assert ask(url, "/sandbox/ledger")["calls"]["order_refund"] == calls, "refunds were sent to a shop that is away"
        ask(url, "/sandbox/faults", {})
        finish(stack, url, jobs, 40)
        assert shop_state(stack)["breaker"] == "closed"


def test_a_flapping_shop_gets_every_job_once(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, latency_seconds=0.02)
        jobs = jobs_for(seed(url, 120))
        serve_with(stack, {"default": url}, rate_per_second=30)
        stack.submit(*jobs, lane="bulk")
        for _ in range(2):
            ask(url, "/sandbox/faults", {"refuse": 1, "reads": True})
            time.sleep(1.5)  # noqa: TID251 - down
            ask(url, "/sandbox/faults", {})
            time.sleep(1.5)  # noqa: TID251 - up
        finish(stack, url, jobs, 40)


def test_a_revoked_token_makes_jobs_wait_with_one_alert_until_a_new_one_is_in_the_file(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("sandbox\n")
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, latency_seconds=0.02)
        jobs = jobs_for(seed(url, 100))
        serve_with(stack, {"default": url}, token=None, token_file=str(token), rate_per_second=60)
        stack.submit(*jobs, lane="bulk")
        stack.wait_until(lambda: len(memos(url)) > 20)
        ask(url, "/sandbox/tokens", {"add": "another", "revoke": "sandbox"})
        stack.wait_until(lambda: stack.client.hget("refunds:shop:default", "breaker") == "open")
        done = len(memos(url))
        assert not wait(lambda: len(memos(url)) > done + 8, seconds=3)
        assert int(stack.client.hget("refunds:counts", "dead") or 0) == 0
        token.write_text("another\n")
        finish(stack, url, jobs, 40)
        assert len(log_lines(stack, "shop.unauthorised")) == 1
