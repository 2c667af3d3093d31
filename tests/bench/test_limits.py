"""Measures promise P5 whole: a long campaign at a shop with limits, and a shop beside one that hangs.

`pytest -m bench -s tests/bench/test_limits.py`
"""

import time
from functools import partial
from pathlib import Path

import pytest

from tests.integration.guards.shops import ask, fullest_second, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.bench, pytest.mark.integration, pytest.mark.timeout(900)]


def _has(url: str, count: int) -> bool:
    return len(memos(url)) == count


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_jobs_at_six_at_once_and_thirty_a_second(tmp_path: Path, count: int):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, max_concurrency=6, rate_per_second=30, latency_seconds=0.05)
        jobs = jobs_for(seed(url, count))
        serve_with(stack, {"default": url}, max_concurrency=6, rate_per_second=30)
        for start in range(0, count, 1000):
            stack.submit(*jobs[start : start + 1000], lane="bulk")
        stack.wait_until(lambda: int(stack.client.hget("refunds:counts", "settled") or 0) == count, timeout=800)
        books = ask(url, "/sandbox/ledger")
        times = sorted(memo["at"] for memo in books["creditmemos"])[30:-30]
        rate = len(times) / (times[-1] - times[0])
        print(
            f"\n{count} jobs: {rate:.2f}/s of 30, at most {books['max_in_flight']} at once, "
            f"{fullest_second(times)} in the fullest second, {books['overruns']} overruns"
        )
        assert books["overruns"] == 0
        assert rate >= 0.95 * 30


def test_a_shop_keeps_its_throughput_beside_one_that_hangs(tmp_path: Path):
    rates = {}
    for others in (0, 1000):
        folder = tmp_path / str(others)
        folder.mkdir()
        with Stack.start(folder, workers=0) as stack:
            hanging = start_limited_shop(stack, "hanging", latency_seconds=60)
            well = start_limited_shop(stack, "well", latency_seconds=0.1)
            there = jobs_for(seed(hanging, 1000)[:others], shop="hanging")
            here = jobs_for(seed(well, 1500), shop="well")
            serve_with(
                stack, {"hanging": hanging, "well": well},
                max_concurrency=8, request_timeout_seconds=20, longest_request_seconds=70,
            )  # fmt: skip
            if there:
                stack.submit(*there, lane="bulk")
                time.sleep(2)  # noqa: TID251 - it hangs
            stack.submit(*here, lane="bulk")
            stack.wait_until(partial(_has, well, 1500), timeout=120)
            times = sorted(memo["at"] for memo in memos(well))[20:-20]
            rates[others] = len(times) / (times[-1] - times[0])
    share = rates[1000] / rates[0]
    print(f"\nalone {rates[0]:.1f}/s, beside a hanging shop {rates[1000]:.1f}/s: {share:.0%}")
    assert share >= 0.9
