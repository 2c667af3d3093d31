"""Measures campaigns whole: import, refunds, how soon a pause is obeyed, and single jobs beside one.

`pytest -m bench -s tests/bench/test_campaigns.py`; with `-k 100000` and the like only one size.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from tests.stack import ROOT, Stack

pytestmark = [pytest.mark.bench, pytest.mark.integration, pytest.mark.timeout(3600)]

#: The largest process of an import may take so much, in MB.
MOST_MB = 200
Line = Callable[[int], str]


def goodwill(number: int) -> str:
    """A line that the shop refunds without being read: an amount between 0.01 and 0.99."""
    return f"{number // 2 + 1},{number % 99 / 100 + 0.01:.2f},case {number}"


def write(path: Path, count: int, line: Line = goodwill, *, first: int = 0) -> Path:
    with path.open("w") as file:
        file.write("order_id,amount,comment\n")
        for number in range(first, first + count):
            file.write(line(number) + "\n")
    return path


def start(stack: Stack, file: Path, name: str, *options: str) -> tuple[dict[str, Any], float, float]:
    """Run `campaign start`; for what it gives see `run`."""
    return run(stack, "start", str(file), "--name", name, "--yes", *options)


def run(stack: Stack, *words: str) -> tuple[dict[str, Any], float, float]:
    """Run a campaign command; gives its answer, its time in seconds and the memory of its largest process in MB.

    Prints its processor time, helpers included: on a busy machine that says more than the time on the wall.
    """
    args = [sys.executable, "-m", "worker", "campaign", *words, "--json"]
    began = time.monotonic()
    process = subprocess.Popen(args, cwd=ROOT, env=stack.env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as stream:
        answer = stream.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(f"\ncampaign {words[0]}: {used.ru_utime + used.ru_stime:.1f} s of processor time")
    assert process.returncode == 0, answer
    return json.loads(answer), time.monotonic() - began, used.ru_maxrss / 1024


def peak_mb(process: "subprocess.Popen[bytes]") -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) / 1024


def count(stack: Stack, name: str, *states: str) -> int:
    return sum(int(found or 0) for found in stack.client.hmget(f"refunds:campaign:{name}:counts", states))


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


@pytest.mark.parametrize("lines", [10_000, 100_000, 1_000_000])
def test_import_in_speed_and_memory(tmp_path: Path, lines: int):
    with Stack.start(tmp_path, workers=0) as stack:
        file = write(tmp_path / "file.csv", lines)
        said, seconds, memory = start(stack, file, "bench")
        used = int(stack.client.info("memory")["used_memory"]) / lines
        print(
            f"\n{lines} lines: {lines / seconds:.0f} a second ({seconds:.1f} s with the start of Python), "
            f"largest process {memory:.0f} MB, Redis {used:.0f} bytes a job"
        )
        assert said["accepted"] == lines
        assert memory < MOST_MB


@pytest.mark.parametrize("lines", [10_000, 100_000])
def test_every_good_line_becomes_one_credit_memo(tmp_path: Path, lines: int):
    with Stack.start(tmp_path, workers=2, orders=lines // 2, shop={"max_concurrency": 64}) as stack:
        said, seconds, memory = start(stack, write(tmp_path / "file.csv", lines), "bench")
        began = time.monotonic()
        stack.wait_until(lambda: stack.client.hget("refunds:campaign:bench", "state") == "done", timeout=3000)
        took = time.monotonic() - began
        # The report before the books are read: a child's peak counts what its parent had when it was started.
        stack.wait_until(
            lambda: stack.client.hget("refunds:campaign:bench:confirmed", "jobs") == str(lines), timeout=600
        )
        made, writing, peak = run(stack, "report", "bench", "--format", "all", "--out", str(tmp_path))
        page, listed = (next(Path(one) for one in made["files"] if one.endswith(end)) for end in (".html", ".csv"))
        size = page.stat().st_size / 1e6
        print(f"{lines} lines: page ({size:.1f} MB), CSV and JSON after an audit in {writing:.1f} s ({peak:.0f} MB)")
        assert made["audit"]["agrees"]
        assert listed.read_bytes().count(b"\n") == lines + 1
        memos = stack.memos()
        money = sum((Decimal(str(memo["base_grand_total"])) for memo in memos), Decimal(0))
        workers = [round(peak_mb(process)) for name, process in stack.processes.items() if name.startswith("worker")]
        print(
            f"\n{lines} lines: imported in {seconds:.1f} s ({memory:.0f} MB), refunded in {took:.1f} s "
            f"({lines / took:.0f} a second, two workers of {workers} MB); {len(memos)} credit memos, {money}"
        )
        assert (len(memos), len({memo["marker"] for memo in memos})) == (lines, lines)
        assert money == Decimal(said["total"])


@pytest.mark.parametrize("act", ["pause", "cancel"])
def test_how_soon_two_workers_obey(tmp_path: Path, act: str):
    lines = 20_000
    with Stack.start(tmp_path, workers=2, orders=lines // 2, shop={"max_concurrency": 16}) as stack:
        start(stack, write(tmp_path / "file.csv", lines), "bench")
        stack.wait_until(lambda: count(stack, "bench", "settled") > 500, timeout=120)
        said_at = time.time()
        done = stack.refunds("campaign", act, "bench", "--json")
        returned_at = time.time()
        stack.wait_until(lambda: count(stack, "bench", "sent", "claimed") == 0, timeout=60)
        time.sleep(3)  # noqa: TID251 - whether anything comes after it
        last = max(memo["at"] for memo in stack.memos())
        print(
            f"\n{act}: the command took {returned_at - said_at:.2f} s; the last credit memo came "
            f"{last - returned_at:+.2f} s after it returned ({json.loads(done.stdout)['in_flight']} were in flight)"
        )
        assert last - returned_at < 2


def test_single_jobs_start_soon_beside_a_campaign_of_fifty_thousand(tmp_path: Path):
    lines, singles = 50_000, 60
    with Stack.start(tmp_path, workers=2, orders=lines // 2 + singles, shop={"max_concurrency": 16}) as stack:
        start(stack, write(tmp_path / "file.csv", lines), "bench")
        stack.wait_until(lambda: count(stack, "bench", "settled") > 500, timeout=120)
        waits = []
        for number in range(singles):
            key = f"single-{number}"
            order = lines // 2 + number + 1
            began = time.time()
            stack.client.xadd(
                "refunds:intake", {"job": json.dumps({"idempotency_key": key, "order_id": order, "amount": "1.00"})}
            )
            waits.append((key, began))
            if number == 0:
                stack.start_intake()
            time.sleep(0.3)  # noqa: TID251 - they come one by one
        assert stack.settle([key for key, _ in waits], timeout=120)
        assert count(stack, "bench", "waiting", "queued") > 0, "the campaign was over before"
        starts = []
        for key, _ in waits[5:]:
            entry = stack.client.hgetall(f"refunds:entry:{key}")
            line = json.loads(entry["history"].splitlines()[-1])
            starts.append((line["at_ms"] - int(entry["accepted_ms"])) / 1000)
        print(
            f"\n{len(starts)} single jobs beside {lines}: started within {p95(starts):.3f} s (p95), "
            f"{max(starts):.3f} s (max)"
        )
        assert p95(starts) < 1
