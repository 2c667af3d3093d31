"""Promise P5, with real processes: two workers never do more than the shop allows.

How much of it they use is measured by tests/bench/test_limits.py.
"""

from pathlib import Path

import pytest

from tests.integration.guards.shops import ask, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_two_workers_never_overrun_what_the_shop_allows_and_a_single_job_overtakes(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, max_concurrency=6, rate_per_second=30, latency_seconds=0.05)
        jobs = jobs_for(seed(url, 301))
        serve_with(stack, {"default": url}, max_concurrency=6, rate_per_second=30)
        stack.submit(*jobs[1:], lane="bulk")
        stack.wait_until(lambda: len(memos(url)) > 10)
        stack.submit(jobs[0])
        before = len(memos(url))
        stack.settle([job["idempotency_key"] for job in jobs], timeout=60)

        books = ask(url, "/sandbox/ledger")
        in_time = [memo["order_id"] for memo in sorted(books["creditmemos"], key=lambda memo: memo["at"])]
        assert len(in_time) == 301
        assert (books["overruns"], books["max_in_flight"] <= 6) == (0, True)
        assert in_time.index(jobs[0]["order_id"]) < before + 30, "a single job waited behind a campaign"
