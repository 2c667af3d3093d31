"""`refunds pause` is obeyed by all workers from the moment when it returns; `refunds resume` lets everything go on."""

import time
from pathlib import Path

import pytest

from tests.integration.guards.shops import ask, jobs_for, memos, seed, serve_with, start_limited_shop
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_after_the_acknowledgement_nothing_new_is_sent_until_it_is_resumed(tmp_path: Path):
    with Stack.start(tmp_path, workers=0) as stack:
        url = start_limited_shop(stack, latency_seconds=0.3)
        jobs = jobs_for(seed(url, 140))
        serve_with(stack, {"default": url}, max_concurrency=4)
        stack.submit(*jobs[:110], lane="bulk")
        stack.wait_until(lambda: len(memos(url)) > 20)

        paused = stack.refunds("pause", "--by", "anna")
        assert paused.returncode == 0, paused.stderr
        time.sleep(0.6)  # noqa: TID251 - what was under way ends
        then = sum(ask(url, "/sandbox/ledger")["calls"]["order_refund"].values())
        stack.submit(*jobs[110:])
        time.sleep(1.5)  # noqa: TID251 - nothing may happen
        assert sum(ask(url, "/sandbox/ledger")["calls"]["order_refund"].values()) == then < 110
        assert "anna" in stack.refunds("shops").stderr

        unknown = stack.refunds("pause", "--shop", "nowhere")
        assert (unknown.returncode, "there are: default" in unknown.stderr) == (2, True)
        assert stack.refunds("pause", "--lane", "bulk").returncode == 0
        assert stack.refunds("resume").returncode == 0
        stack.settle([job["idempotency_key"] for job in jobs[110:]], timeout=20)
        assert len(memos(url)) < 140, "the lane was still paused"
        assert stack.refunds("resume", "--lane", "bulk").returncode == 0
        states = stack.settle([job["idempotency_key"] for job in jobs], timeout=40)
        assert set(states.values()) == {"settled"}
        assert len(memos(url)) == len(jobs)
