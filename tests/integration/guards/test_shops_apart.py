"""A shop that hangs delays nobody but itself, also when its campaign was submitted first."""

from pathlib import Path

import pytest

from tests.integration.guards.shops import ask, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_a_shop_goes_on_while_another_one_hangs(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        hanging = start_limited_shop(stack, "hanging", latency_seconds=60)
        well = start_limited_shop(stack, "well", latency_seconds=0.02)
        there = jobs_for(seed(hanging, 1000), shop="hanging")
        here = jobs_for(seed(well, 120), shop="well")
        serve_with(stack, {"hanging": hanging, "well": well}, request_timeout_seconds=20, longest_request_seconds=70)
        stack.submit(*there, lane="bulk")
        stack.submit(*here, lane="bulk")
        states = stack.settle([job["idempotency_key"] for job in here], timeout=25)
        assert set(states.values()) == {"settled"}
        assert len(memos(well)) == len(here)
        assert ask(hanging, "/sandbox/ledger")["total"] == 0
