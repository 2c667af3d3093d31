"""Promise P5, with real processes: two workers never do more than the shop allows, and do all that it allows."""

import time
from pathlib import Path

import pytest

from tests.integration.guards.shops import ask, fullest_second, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]


def test_two_workers_use_the_allowed_rate_and_never_overrun_it_and_a_single_job_overtakes(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, max_concurrency=6, rate_per_second=30, latency_seconds=0.05)
        jobs = jobs_for(seed(url, 301))
        serve_with(stack, {"default": url}, max_concurrency=6, rate_per_second=30)
        stack.submit(*jobs[1:], lane="bulk")
        stack.wait_until(lambda: len(memos(url)) > 10)
        stack.submit(jobs[0])
        began = time.monotonic()
        stack.settle([jobs[0]["idempotency_key"]], timeout=10)
        assert time.monotonic() - began < 4, "a single job waited behind a campaign"
        stack.settle([job["idempotency_key"] for job in jobs], timeout=40)

        books = ask(url, "/sandbox/ledger")
        times = sorted(memo["at"] for memo in books["creditmemos"])
        assert len(times) == 301
        assert (books["overruns"], books["max_in_flight"] <= 6) == (0, True)
        assert fullest_second(times) <= 31  # the books note when a refund ends: that may be one sooner
        steady = times[20:-20]
        assert len(steady) / (steady[-1] - steady[0]) >= 0.95 * 30
