"""Whatever dies while a campaign is imported or runs, it ends complete and exact, and nothing is refunded twice."""

import signal
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(400)]

LINES = 3000
SHOP = {"max_concurrency": 32}


def write(tmp_path: Path, lines: int = LINES) -> str:
    path = tmp_path / "campaign.csv"
    with path.open("w") as file:
        file.write("order_id,amount\n")
        file.writelines(f"{number // 2 + 1},{number % 99 / 100 + 0.01:.2f}\n" for number in range(lines))
    return str(path)


def asked(lines: int = LINES) -> Decimal:
    return sum((Decimal(number % 99 + 1) for number in range(lines)), Decimal(0)) / 100


def start(stack: Stack, file: str) -> None:
    done = stack.refunds("campaign", "start", file, "--name", "chaos", "--yes", timeout=120)
    assert done.returncode == 0, done.stderr


def count(stack: Stack, *states: str) -> int:
    return sum(int(found or 0) for found in stack.client.hmget("refunds:campaign:chaos:counts", states))


def reach(stack: Stack, settled: int) -> None:
    stack.wait_until(lambda: count(stack, "settled") >= settled, timeout=120)


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def running(stack: Stack, name: str) -> list["subprocess.Popen[bytes]"]:
    return [process for known, process in stack.processes.items() if known.startswith(name) and process.poll() is None]


def is_complete_and_exact(stack: Stack, *, lines: int = LINES) -> None:
    stack.wait_until(lambda: stack.client.hget("refunds:campaign:chaos", "state") == "done", timeout=240)
    memos = stack.memos()
    assert (count(stack, "settled"), len(memos), len({memo["marker"] for memo in memos})) == (lines, lines, lines)
    assert sum((Decimal(str(memo["base_grand_total"])) for memo in memos), Decimal(0)) == asked(lines)
    assert stack.refunds("audit", timeout=120).returncode == 0


def descendants_of(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [one for child in children for one in descendants_of(child)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_the_import_is_killed_in_both_of_its_steps(tmp_path: Path):
    lines = 20_000
    with Stack.start(tmp_path, workers=0, orders=10) as stack:
        file = write(tmp_path, lines)
        options = ("campaign", "start", file, "--name", "chaos", "--yes")
        surveying = stack.start_process("import", *options)
        stack.wait_until(lambda: len(descendants_of(surveying.pid)) > 1)
        helpers = descendants_of(surveying.pid)
        kill(surveying)
        stack.wait_until(lambda: not any(is_alive(helper) for helper in helpers))
        assert not stack.client.exists("refunds:campaign:chaos")

        accepting = stack.start_process("import", *options)
        while int(stack.client.hget("refunds:campaign:chaos", "accepted") or 0) < lines / 10:
            assert accepting.poll() is None
        kill(accepting)
        accepted = int(stack.client.hget("refunds:campaign:chaos", "accepted") or 0)
        assert 0 < accepted < lines, "it was not killed in the middle"
        assert stack.client.hget("refunds:campaign:chaos", "state") == "draft"

        start(stack, file)
        assert stack.client.hmget("refunds:campaign:chaos", "accepted", "state") == [str(lines), "running"]
        keys = stack.client.lrange("refunds:campaign:chaos:keys", 0, -1)
        assert (len(keys), len(set(keys))) == (lines, lines)
        assert stack.client.llen("refunds:campaign:chaos:backlog:default") == lines
        assert stack.client.hget("refunds:counts", "accepted") == str(lines)


def kill_all_workers(stack: Stack) -> None:
    for process in running(stack, "worker"):
        kill(process)
    for _ in range(2):
        stack.start_process("worker", "worker")


def kill_redis(stack: Stack) -> None:
    stack.redis.kill()
    time.sleep(0.5)  # noqa: TID251 - it is away for a while
    stack.redis.restart()


def kill_the_feeder(stack: Stack) -> None:
    stack.wait_until(lambda: stack.client.exists("refunds:upkeep"))
    leader = str(stack.client.get("refunds:upkeep")).split(":")[1]
    for process in running(stack, "upkeep"):
        if str(process.pid) == leader:
            kill(process)
    stack.start_upkeep(REFUNDS_CRASH_POINT="")


@pytest.mark.parametrize("strike", [kill_all_workers, kill_redis, kill_the_feeder])
def test_what_runs_it_is_killed_three_times(tmp_path: Path, strike: Callable[[Stack], None]):
    """The feeder dies once more by itself, between taking jobs out of the backlog and publishing their message."""
    settings = {"REFUNDS_UPKEEP_IN_WORKER": "false"} if strike is kill_the_feeder else {}
    with Stack.start(tmp_path, workers=2, orders=LINES // 2, shop=SHOP, settings=settings) as stack:
        if strike is kill_the_feeder:
            dying = stack.start_upkeep(REFUNDS_CRASH_POINT="before_publish")
            stack.wait_until(lambda: stack.client.exists("refunds:upkeep"))
        start(stack, write(tmp_path))
        if strike is kill_the_feeder:
            stack.wait_until(lambda: dying.poll() is not None)
            stack.start_upkeep()
        for share in (0.2, 0.4, 0.6):
            reach(stack, int(LINES * share))
            strike(stack)
        is_complete_and_exact(stack)


def test_a_campaign_is_cancelled_while_its_workers_and_redis_are_killed(tmp_path: Path):
    with Stack.start(tmp_path, workers=2, orders=LINES // 2, shop=SHOP) as stack:
        stack.shop("POST", "/sandbox/faults", {"drop_after": 0.05, "delay": 1, "delay_seconds": 0.05})
        start(stack, write(tmp_path))
        reach(stack, LINES // 5)
        assert stack.refunds("campaign", "cancel", "chaos").returncode == 0
        kill_all_workers(stack)
        kill_redis(stack)
        stack.wait_until(lambda: int(stack.client.hget("refunds:campaign:chaos", "ended_ms") or 0) > 0, timeout=240)
        settled = count(stack, "settled")
        assert settled + count(stack, "cancelled") == LINES
        memos = stack.memos()
        assert (len(memos), len({memo["marker"] for memo in memos})) == (settled, settled)
        assert settled < LINES / 2
