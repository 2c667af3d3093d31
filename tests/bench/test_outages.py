"""The three outage stories in real time: down for 10 minutes, maintenance for an hour, flapping every 5 seconds.

`pytest -m bench -s tests/bench/test_outages.py -k flapping` (5 minutes), `-k down` (a quarter of an hour),
`-k short_maintenance` (two minutes of it), `-k "maintenance and not short"` (an hour and more).
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guards.shops import ask, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.bench, pytest.mark.integration, pytest.mark.timeout(6000)]

AWAY: dict[str, dict[str, Any]] = {
    "down": {"refuse": 1, "reads": True},
    "maintenance": {"maintenance": 1, "reads": True},
}


def down(url: str) -> Iterator[float]:
    ask(url, "/sandbox/faults", AWAY["down"])
    yield 600


def maintenance(url: str) -> Iterator[float]:
    ask(url, "/sandbox/faults", AWAY["maintenance"])
    yield 3600


def short_maintenance(url: str) -> Iterator[float]:
    """Four failed probes of the breaker; an hour is the same with 120 (see `tests/suites/guards.py`)."""
    ask(url, "/sandbox/faults", AWAY["maintenance"])
    yield 120


def flapping(url: str) -> Iterator[float]:
    for _ in range(12):
        ask(url, "/sandbox/faults", AWAY["down"])
        yield 5
        ask(url, "/sandbox/faults", {})
        yield 5


@pytest.mark.parametrize("story", [down, maintenance, short_maintenance, flapping], ids=lambda story: story.__name__)
@pytest.mark.parametrize("count", [10_000])
def test_an_outage_in_the_middle_of_a_campaign_costs_no_job(tmp_path: Path, story: Any, count: int):  # noqa: ANN401
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, latency_seconds=0.02)
        jobs = jobs_for(seed(url, count))
        serve_with(stack, {"default": url}, max_concurrency=20)
        assert stack.refunds("pause", "--lane", "bulk").returncode == 0  # or most is done before the outage begins
        for start in range(0, count, 1000):
            stack.submit(*jobs[start : start + 1000], lane="bulk")
        assert stack.refunds("resume", "--lane", "bulk").returncode == 0
        stack.wait_until(lambda: len(memos(url)) > 100)
        calls = sum(ask(url, "/sandbox/ledger")["calls"]["order_refund"].values())
        before = int(stack.client.hget("refunds:counts", "settled") or 0)
        began = time.monotonic()
        for seconds in story(url):
            time.sleep(seconds)  # noqa: TID251 - the outage
        away = sum(ask(url, "/sandbox/ledger")["calls"]["order_refund"].values()) - calls
        ask(url, "/sandbox/faults", {})
        lasted = time.monotonic() - began
        stack.wait_until(lambda: int(stack.client.hget("refunds:counts", "settled") or 0) == count, timeout=1500)
        found = memos(url)
        print(
            f"\n{story.__name__}, {count} jobs, {before} settled before it: {lasted:.0f} s, {away} refund calls in it; "
            f"settled {count}, "
            f"dead {int(stack.client.hget('refunds:counts', 'dead') or 0)}, credit memos {len(found)}; "
            f"all done {time.monotonic() - began - lasted:.0f} s after it"
        )
        assert len(found) == count
        assert len({memo["order_id"] for memo in found}) == count
        assert int(stack.client.hget("refunds:counts", "dead") or 0) == 0
