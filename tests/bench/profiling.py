"""Where a worker's time goes: py-spy looks at it 100 times a second while it works off chunks at a 50 ms shop."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.bench.ours import run_fill_lane
from tests.bench.stand import Stand, say
from tests.bench.variants import peer_python

LATENCY_MS: Final = 50
_JOBS: Final = 30_000
_SECONDS: Final = 10
_TOP: Final = 25

#: Innermost frames of threads that only wait; py-spy cannot tell on every machine.
_WAITING: Final = (
    "wait (threading.py",
    "Condition.wait (threading.py",
    "_worker (concurrent/futures/thread.py",
    "select (selectors.py",
    "EpollSelector.select (selectors.py",
    "poll (kombu/utils/eventio.py",
    "_epoll.poll (kombu/utils/eventio.py",
)
#: What a line of code belongs to, by what its file's path holds; the first that fits.
_AREAS: Final = (
    ("/tests/", "the benchmark itself"),
    ("worker/magento/", "ours: signing and calling the shop"),
    ("worker/ledger/", "ours: ledger moves"),
    ("worker/guards/", "ours: limits and gate"),
    ("worker/domain/", "ours: reading the job, plan, answer"),
    ("worker/", "ours: handler, chunk, runtime"),
    ("config/", "ours: settings and logging"),
    ("structlog/", "structlog"),
    ("/logging/", "structlog"),
    ("pydantic", "pydantic"),
    ("oauthlib/", "oauthlib"),
    ("aiohttp/", "aiohttp"),
    ("yarl/", "aiohttp"),
    ("multidict/", "aiohttp"),
    ("redis/", "redis-py"),
    ("hiredis", "redis-py"),
    ("celery/", "Celery and Kombu"),
    ("kombu/", "Celery and Kombu"),
    ("asyncio/", "asyncio and sockets"),
    ("selectors.py", "asyncio and sockets"),
)


def profile(stand: Stand) -> str:
    """Profile the worker; gives a page of Markdown.

    Raises:
        RuntimeError: py-spy cannot look at the worker.
    """
    spy = peer_python("bench").with_name("py-spy")
    stand.clear()
    run_fill_lane(stand.env, _JOBS, lane="bulk")
    stand.reset_shop(LATENCY_MS)
    raw = stand.folder / "profile.txt"
    with stand.processes() as processes:
        worker = processes.start("worker", [sys.executable, "-m", "worker", "worker"])
        stand.first_refund(processes.check, seconds=90)
        time.sleep(1)  # noqa: TID251 - connections are opened
        say(f"profiling for {_SECONDS} s")
        before = stand.stats()["posts"]
        flags = ("--duration", str(_SECONDS), "--rate", "100", "--format", "raw", "--output", str(raw))
        done = subprocess.run(
            [spy, "record", "--pid", str(worker.pid), *flags], capture_output=True, text=True, check=False
        )
        rate = (stand.stats()["posts"] - before) / _SECONDS
    if done.returncode:
        raise RuntimeError(f"py-spy: {done.stderr.strip()}")
    return _page(_stacks(raw), rate)


def _stacks(path: Path) -> dict[tuple[str, ...], int]:
    """Read folded stacks: outermost frame first, then how often it was seen."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text().splitlines():
        frames, _, seen = line.rpartition(" ")
        stack = tuple(frames.split(";"))
        if not stack[-1].startswith(_WAITING):
            stacks[stack] += int(seen)
    return stacks


def _page(stacks: Mapping[tuple[str, ...], int], rate: float) -> str:
    total = sum(stacks.values())
    areas: Counter[str] = Counter()
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for stack, seen in stacks.items():
        areas[_area(stack)] += seen
        own[_function(stack[-1])] += seen
        for name in {_function(frame) for frame in stack if _is_ours(frame)}:
            within[name] += seen
    return "\n".join([
        f"A worker on chunks, shop latency {LATENCY_MS} ms, {rate:,.0f} jobs/s while it was looked at; {total:,}",
        "samples of threads that did not wait. A call into C counts for the line of Python that made it.",
        "",
        *_table("time in the code of", areas.most_common(), total),
        "",
        *_table("function of ours, with all that it calls", within.most_common(_TOP), total),
        "",
        *_table("function itself", own.most_common(_TOP), total),
        "",
    ])  # fmt: skip


def _table(title: str, rows: list[tuple[str, int]], total: int) -> Iterator[str]:
    yield f"| {title} | share |"
    yield "|---|---:|"
    yield from (f"| {name} | {seen / total:.1%} |" for name, seen in rows if seen / total >= 0.005)


def _is_ours(frame: str) -> bool:
    return "(worker/" in frame or "(config/" in frame or "(tasks/" in frame


def _function(frame: str) -> str:
    """Give a frame without its line number: `name (file)`."""
    return f"`{frame.rpartition(':')[0]})`" if ":" in frame else f"`{frame}`"


def _area(stack: tuple[str, ...]) -> str:
    """Say whose code the innermost frame is; what belongs to nobody counts for who called it."""
    for frame in reversed(stack):
        for part, name in _AREAS:
            if part in frame:
                return name
    return "everything else"
