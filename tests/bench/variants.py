"""What is compared. Each variant fills a queue of its own kind, then starts its processes on it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.ours import run_fill_lane, run_fill_stream, run_initialise, write_file
from tests.bench.peers.moves import IN_FLIGHT
from tests.bench.processes import Processes
from tests.bench.stand import Stand

#: Children of the prefork pool. 8 is what fits into half a gigabyte, 16 is faster.
PREFORK: Final = 16
_PEERS: Final = "tests.bench.peers"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to do the jobs.

    Attributes:
        title: For tables.
        fill: Puts `count` jobs in, before anything is measured.
        start: Starts the processes that are measured.
        latencies_ms: At which it is measured; all if None.
        environment: Of the peer, where it has one of its own.
        guess: Jobs per second that are expected at a latency in ms, for the size of the first round.
    """

    name: str
    title: str
    fill: Callable[[Stand, Processes, int], None]
    start: Callable[[Stand, Processes, int], None]
    guess: Callable[[float], float]
    is_ours: bool = False
    latencies_ms: frozenset[float] | None = None
    environment: str = ""

    def settled(self, stand: Stand) -> int:
        """How many jobs are done."""
        if self.is_ours:
            return int(stand.client.hget("refunds:counts", "settled") or 0)
        return int(stand.client.get("bench:settled") or 0)


def _at_once(most: float, slots: int) -> Callable[[float], float]:
    """Guess a rate: so many a second at most, and so many at once."""
    return lambda latency_ms: min(most, slots * 1000 / latency_ms) if latency_ms else most


def peer_python(name: str) -> Path:
    """Give the Python of a peer's environment, which `make bench` makes beside ours.

    Raises:
        FileNotFoundError: It is not there.
    """
    python = Path(f"{sys.prefix}-{name}") / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{python} is missing: `make bench` makes it")
    return python


def _nothing(_stand: Stand, _processes: Processes, _count: int) -> None:
    """The jobs are in the script."""


def _campaign(stand: Stand, _processes: Processes, count: int) -> None:
    run_initialise(stand.env)
    path = write_file(stand.folder / "campaign.jsonl", count)
    stand.refunds("campaign", "start", str(path), "--name", "bench", "--yes")


def _worker(_stand: Stand, processes: Processes, _count: int) -> None:
    processes.start("worker", [sys.executable, "-m", "worker", "worker"])


def _worker_and_intake(stand: Stand, processes: Processes, count: int) -> None:
    _worker(stand, processes, count)
    # The intake is quick: were it started first, its work would not be part of the measurement.
    stand.wait_until(lambda: stand.client.zcard("refunds:workers"), processes.check)
    processes.start("intake", [sys.executable, "-m", "worker", "intake"])


def _peer_fill(module: str, environment: str) -> Callable[[Stand, Processes, int], None]:
    def fill(_stand: Stand, processes: Processes, count: int) -> None:
        python = peer_python(environment) if environment else sys.executable
        processes.run("fill", [python, "-m", f"{_PEERS}.{module}", str(count)])

    return fill


def _bare(module: str) -> Callable[[Stand, Processes, int], None]:
    def start(_stand: Stand, processes: Processes, count: int) -> None:
        processes.start("bare", [sys.executable, "-m", module, str(count)])

    return start


def _celery(_stand: Stand, processes: Processes, _count: int) -> None:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    pool = ("--pool=prefork", f"--concurrency={PREFORK}", "--queues=bench")
    app = f"{_PEERS}.celery_app"
    processes.start("celery", [sys.executable, "-m", "celery", "-A", app, "worker", *pool, *quiet])


def _taskiq(_stand: Stand, processes: Processes, _count: int) -> None:
    flags = ("--workers", "1", "--max-async-tasks", str(IN_FLIGHT), "--log-level", "WARNING")
    processes.start("taskiq", [peer_python("bench"), "-m", "taskiq", "worker", f"{_PEERS}.taskiq_app:broker", *flags])


def _arq(_stand: Stand, processes: Processes, _count: int) -> None:
    processes.start("arq", [peer_python("bench-arq"), "-m", "arq", f"{_PEERS}.arq_app.Worker"])


def _dramatiq(_stand: Stand, processes: Processes, _count: int) -> None:
    flags = ("--processes", "1", "--threads", str(IN_FLIGHT))
    processes.start("dramatiq", [peer_python("bench"), "-m", "dramatiq", f"{_PEERS}.dramatiq_app", *flags])


VARIANTS: Final = {
    variant.name: variant
    for variant in (
        Variant(
            name="bare",
            title="bare asyncio script (the limit)",
            fill=_nothing,
            start=_bare(f"{_PEERS}.bare"),
            guess=_at_once(2700, IN_FLIGHT),
        ),
        Variant(
            name="chunks",
            title="ours, chunks (bulk lane)",
            fill=lambda stand, _, count: run_fill_lane(stand.env, count, lane="bulk"),
            start=_worker,
            guess=_at_once(1000, IN_FLIGHT),
            is_ours=True,
        ),
        Variant(
            name="campaign",
            title="ours, campaign fed by upkeep",
            fill=_campaign,
            start=_worker,
            guess=_at_once(1000, IN_FLIGHT),
            is_ours=True,
            latencies_ms=frozenset({50.0}),
        ),
        Variant(
            name="stream",
            title="ours, intake stream (express lane)",
            fill=lambda stand, _, count: run_fill_stream(stand.env, count),
            start=_worker_and_intake,
            guess=_at_once(800, IN_FLIGHT),
            is_ours=True,
        ),
        Variant(
            name="single",
            title="ours, one key per message",
            fill=lambda stand, _, count: run_fill_lane(stand.env, count, lane="express", size=1),
            start=_worker,
            guess=_at_once(500, IN_FLIGHT),
            is_ours=True,
        ),
        Variant(
            name="celery",
            title=f"naive Celery, prefork {PREFORK}",
            fill=_peer_fill("celery_app", ""),
            start=_celery,
            guess=_at_once(220, PREFORK),
        ),
        Variant(
            name="taskiq",
            title="taskiq, Redis stream",
            fill=_peer_fill("taskiq_app", "bench"),
            environment="bench",
            start=_taskiq,
            guess=_at_once(1400, IN_FLIGHT),
        ),
        Variant(
            name="arq",
            title="arq",
            fill=_peer_fill("arq_app", "bench-arq"),
            environment="bench-arq",
            start=_arq,
            guess=_at_once(1100, IN_FLIGHT),
        ),
        Variant(
            name="dramatiq",
            title="dramatiq, asyncio",
            fill=_peer_fill("dramatiq_app", "bench"),
            environment="bench",
            start=_dramatiq,
            guess=_at_once(1200, IN_FLIGHT),
        ),
    )
}
