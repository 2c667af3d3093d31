"""The storm: a campaign while worker processes are killed, messages are lost and repeated, and the shop misbehaves."""

import asyncio
import contextlib
import json
import math
import random
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from redis.exceptions import RedisError

from tests.chaos.campaign import Campaign, Verdict
from tests.stack import Stack
from worker.domain.crash_point import CrashPoint
from worker.sandbox.redis_server import EmbeddedRedis

#: What the shop does wrong while the storm lasts.
FAULTS: Final = {
    "drop_after": 0.02,
    "drop_before": 0.01,
    "error_500_after": 0.01,
    "error_502": 0.01,
    "throttle": 0.01,
    "delay": 1,
    "delay_seconds": 0.05,
}
#: Jobs that are accepted and not done, at most: the campaign is fed as it drains.
BACKLOG: Final = 3000
#: Share of the kills that processes do themselves, at the named crash points.
AT_POINTS: Final = 0.5
#: How often each job (or message, for two of them) passes a point, as a first guess; corrected as hits are counted.
PASSES_PER_JOB: Final = {
    CrashPoint.AFTER_CLAIM: 0.1,
    CrashPoint.AFTER_LOCK: 1.0,
    CrashPoint.AFTER_SENT: 1.0,
    CrashPoint.AFTER_ANSWER: 1.0,
    CrashPoint.BEFORE_SETTLE: 1.0,
    CrashPoint.AFTER_SETTLE: 1.0,
    CrashPoint.AFTER_RECONCILE: 0.2,
    CrashPoint.BEFORE_PUBLISH: 0.1,
}
_CRASH_LINE: Final = re.compile(rb"^crash\.(\w+) (\d+\.\d+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One storm; all that is random in it comes from the seed, but for the operating system's timing.

    Attributes:
        kills: SIGKILLs of our processes, about; half of them at the named crash points.
        lease_seconds: None leaves the default.
        chunk: Jobs per message.
        threads: Messages in hand per worker.
        quiet_seconds: How long after the storm everything may take to come to an end.
    """

    jobs: int
    kills: int
    seed: int
    workers: int = 4
    auth: Literal["oauth1", "bearer"] = "oauth1"
    lease_seconds: float | None = None
    chunk: int = 10
    threads: int = 2
    quiet_seconds: float = 240

    def command(self) -> str:
        """Give the command that runs this storm again."""
        lease = "" if self.lease_seconds is None else f" --lease-seconds {self.lease_seconds:g}"
        return (
            f"python -m tests.chaos.run --jobs {self.jobs} --kills {self.kills} --seed {self.seed} "
            f"--workers {self.workers} --auth {self.auth}{lease}"
        )


@dataclass(kw_only=True)
class Report:
    """What a storm came to.

    Attributes:
        at_points: SIGKILLs at each named crash point.
        recovery: For each key that a dead process held, seconds from its death until the key was adopted.
        replayed: Dead letters that were replayed after the storm, all of them.
        after_replay: What was left of them.
    """

    plan: Plan
    verdict: Verdict
    seconds: float
    storm_seconds: float
    random_kills: int
    at_points: Mapping[str, int]
    messages_lost: int
    messages_repeated: int
    recovery: Sequence[float]
    replayed: int
    after_replay: Verdict
    problems: Sequence[str]

    @property
    def kills(self) -> int:
        """All SIGKILLs."""
        return self.random_kills + sum(self.at_points.values())

    def rows(self) -> Iterator[tuple[str, str]]:
        """Give the table."""
        plan, verdict, after = self.plan, self.verdict, self.after_replay
        yield "jobs accepted", f"{verdict.jobs:,}"
        yield "workers, sign-in", f"{plan.workers} + 2 upkeep, {plan.auth}"
        yield "lease", "default" if plan.lease_seconds is None else f"{plan.lease_seconds:g} s"
        yield "SIGKILLs", f"{self.kills:,}"
        yield "at a random moment", f"{self.random_kills:,}"
        for point, hits in self.at_points.items():
            yield f"at `{point}`", f"{hits:,}"
        yield "messages lost, repeated", f"{self.messages_lost:,}, {self.messages_repeated:,}"
        yield "**lost**", f"**{verdict.lost}**"
        yield "**doubled**", f"**{verdict.doubled}**"
        yield "**in doubt at the end**", f"**{verdict.in_doubt}**"
        yield "settled", f"{verdict.settled:,}"
        for reason, count in verdict.dead.items():
            yield f"dead: {reason}", f"{count:,}"
        yield "dead letters replayed: settled, dead again", f"{self.replayed - _dead(after):,}, {_dead(after):,}"
        yield "credit memos", f"{after.memos:,} ({', '.join(f'{k} {v:,}' for k, v in after.services.items())})"
        yield "most refunds of one order at once", str(after.max_in_flight_per_order)
        yield "recovery after SIGKILL, keys", f"{len(self.recovery):,}"
        for share in (0.5, 0.99, 1.0):
            name = "max" if share == 1.0 else f"p{share * 100:.0f}"
            yield f"recovery {name}", f"{percentile(self.recovery, share):.1f} s"
        yield "duration, storm alone", f"{self.seconds:.0f} s, {self.storm_seconds:.0f} s"
        yield "jobs/s during the storm", f"{verdict.jobs / self.storm_seconds:.0f}"
        yield "seed", str(plan.seed)

    def markdown(self) -> str:
        """Give the table as Markdown."""
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in self.rows())])


def _dead(verdict: Verdict) -> int:
    return sum(verdict.dead.values())


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that `share` of all are not above (nearest rank); 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


async def run_storm(plan: Plan, *, folder: Path | None = None) -> Report:
    """Run one storm and judge it.

    Args:
        plan: What to do.
        folder: Where logs and data go and stay; a temporary one, removed at the end, if not given.
    """
    with contextlib.ExitStack() as stack:
        path = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refunds-chaos-")))
        path.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(EmbeddedRedis(directory=path / "redis"))  # every write on disk, as is asked for
        services = Stack(path, server)
        stack.callback(services.stop)
        services.start_shop()
        lease = {} if plan.lease_seconds is None else _lease(plan.lease_seconds)
        services.env = services.environment(auth=plan.auth, settings=lease, shop={"max_concurrency": 64})
        del services.env["REFUNDS_UPKEEP_INTERVAL_SECONDS"]  # the default
        assert services.refunds("ledger", "init").returncode == 0
        async with Campaign.open(services, seed=plan.seed, prefix=f"storm{plan.seed}") as campaign:
            return await Storm(plan, services, campaign).run()


def _lease(seconds: float) -> dict[str, str]:
    return {"REFUNDS_LEASE_SECONDS": str(seconds), "REFUNDS_HEARTBEAT_SECONDS": str(min(2.0, seconds / 4))}


@dataclass
class Process:
    """One process of ours that may die at any time, and the next one in its place."""

    role: str
    popen: subprocess.Popen[bytes]
    log: Path
    is_ours: bool = False  # whether we killed it


@dataclass
class Storm:
    """A storm under way."""

    plan: Plan
    stack: Stack
    campaign: Campaign
    alive: list[Process] = field(default_factory=list)
    killed_at: dict[int, float] = field(default_factory=dict)
    hits: Counter[CrashPoint] = field(default_factory=Counter)
    random_kills: int = 0
    lost: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)
    done: int = 0
    is_raging: bool = True
    _started: Counter[str] = field(default_factory=Counter)
    _source: random.Random = field(default_factory=random.Random)
    _odds: dict[CrashPoint, float] = field(default_factory=dict)

    async def run(self) -> Report:
        """Rage until the campaign is done, then wait until all is quiet, and judge."""
        plan, began = self.plan, time.monotonic()
        self._source = random.Random(plan.seed)  # noqa: S311 - repeatable, not secret
        per_point = AT_POINTS * plan.kills / len(CrashPoint)
        self._odds = {point: min(per_point / (plan.jobs * PASSES_PER_JOB[point]), 0.5) for point in CrashPoint}
        await self._set_faults(FAULTS)
        for _ in range(plan.workers):
            self._start("worker")
        for _ in range(2):
            self._start("upkeep")
        async with self._background():
            await self._feed()
            while await self._progress() < plan.jobs * 0.995 and self._has_time(began):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            self.is_raging = False
            storm_seconds = time.monotonic() - began
            await self._set_faults({})
            await self._replace_the_armed()
            if not await self.campaign.quiet(seconds=plan.quiet_seconds):
                self.problems.append(f"not quiet {plan.quiet_seconds:.0f} s after the storm")
            verdict = await self.campaign.judge()
            replayed = await self.campaign.replay_the_dead()
            await self.campaign.quiet(seconds=plan.quiet_seconds)
            after = await self.campaign.judge()
        return Report(
            plan=plan,
            verdict=verdict,
            seconds=time.monotonic() - began,
            storm_seconds=storm_seconds,
            random_kills=self.random_kills,
            at_points={point.value: self.hits[point] for point in CrashPoint},
            messages_lost=self.lost,
            messages_repeated=self.repeated,
            recovery=list(self._recoveries()),
            replayed=replayed,
            after_replay=after,
            problems=[*self.problems, *verdict.problems, *(f"after the replay: {text}" for text in after.problems)],
        )

    def _has_time(self, began: float) -> bool:
        return time.monotonic() - began < 120 + self.plan.jobs * 0.05 + self.plan.kills * 3

    async def _set_faults(self, faults: Mapping[str, float]) -> None:
        body = {**faults, "seed": self.plan.seed} if faults else {}
        await asyncio.to_thread(self.stack.shop, "POST", "/sandbox/faults", body)

    @contextlib.asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(work()) for work in (self._supervise, self._kill, self._lose_and_repeat, self._read)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.problems += [
                f"the harness itself failed: {result!r}"
                for result in results
                if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError)
            ]

    # --- the campaign -----------------------------------------------------------------------------------------

    async def _feed(self) -> None:
        submitted = 0
        while submitted < self.plan.jobs:
            if submitted - await self._progress() > BACKLOG:
                await asyncio.sleep(0.2)
                continue
            submitted += await self.campaign.submit(min(500, self.plan.jobs - submitted), chunk=self.plan.chunk)

    async def _progress(self) -> int:
        self.done = await self.campaign.done()
        return self.done

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(10)
            if self.is_raging:
                await asyncio.to_thread(self.campaign.books.read, self.stack)

    # --- processes --------------------------------------------------------------------------------------------

    def _start(self, role: str) -> None:
        args = ["worker", "--threads", str(self.plan.threads)] if role == "worker" else ["upkeep"]
        name = f"{role}-{self._started[role]}"
        self._started[role] += 1
        spec = ",".join(f"{point}={odds:.6f}" for point, odds in self._odds.items()) if self.is_raging else ""
        popen = self.stack.start_process(f"{name}x", *args, env={"REFUNDS_CRASH_POINT": spec})
        self.alive.append(Process(role, popen, self.stack.folder / f"{name}x-0.log"))

    async def _supervise(self) -> None:
        """See who died, of what, and start the next one at once."""
        while True:
            for process in [process for process in self.alive if process.popen.poll() is not None]:
                self.alive.remove(process)
                self._bury(process)
                self._start(process.role)
            await asyncio.sleep(0.05)

    def _bury(self, process: Process) -> None:
        pid, code = process.popen.pid, process.popen.returncode
        tail = process.log.read_bytes()[-4000:]
        crash = _CRASH_LINE.search(tail)
        if crash and code == -signal.SIGKILL:
            self.hits[CrashPoint(crash[1].decode())] += 1
            self.killed_at[pid] = float(crash[2])
            self._correct()
        elif process.is_ours and code == -signal.SIGKILL:
            self.random_kills += 1
        elif self.is_raging or not process.is_ours:
            self.problems.append(
                f"{process.log.name} ended by itself with {code}: {tail[-800:].decode(errors='replace')}"
            )

    def _correct(self) -> None:
        """Raise the odds of points that are hit too rarely for their share, lower those of the others."""
        share = min(self.done / self.plan.jobs, 1.0)
        wanted = AT_POINTS * self.plan.kills / len(CrashPoint)
        if share < 0.02:
            return
        for point in CrashPoint:
            ratio = self.hits[point] / max(wanted * share, 1.0)
            factor = 1.3 if ratio < 0.8 else 0.6 if ratio > 1.2 else 1.0
            self._odds[point] = min(max(self._odds[point] * factor, 1e-6), 0.5)

    async def _kill(self) -> None:
        """Kill at random moments, as often as the crash points leave to do, over the whole progress of the campaign."""
        while self.is_raging and (share := self.done / (self.plan.jobs * 0.97)) < 1:
            await asyncio.sleep(self._source.uniform(0.05, 0.35))
            if self.random_kills + sum(self.hits.values()) >= self.plan.kills * share:
                continue
            victim = await self._victim()
            if victim is not None:
                victim.is_ours = True
                self.killed_at[victim.popen.pid] = time.time()
                victim.popen.kill()

    async def _victim(self) -> Process | None:
        """Choose a process at work; now and then any, also one that is only starting, or upkeep."""
        candidates = [process for process in self.alive if not process.is_ours]
        if self._source.random() < 0.9:
            try:
                known = {
                    int(str(name).split(":")[1]) for name in await self.campaign.redis.zrange("refunds:workers", 0, -1)
                }
            except RedisError:
                known = set()
            candidates = [process for process in candidates if process.popen.pid in known] or candidates
        return self._source.choice(candidates) if candidates else None

    async def _replace_the_armed(self) -> None:
        """End the processes that may still crash, as a deploy would; their successors are unarmed."""
        for process in list(self.alive):
            process.is_ours = True
            process.popen.terminate()
        deadline = time.monotonic() + 30
        while any(process.is_ours for process in self.alive) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    # --- messages ---------------------------------------------------------------------------------------------

    async def _lose_and_repeat(self) -> None:
        """Take messages out of the queue, and deliver some again that came already."""
        while True:
            await asyncio.sleep(self._source.uniform(0.2, 1.0))
            if not self.is_raging or not self.campaign.orders:
                continue
            lane = self._source.choice(("bulk", "bulk", "express"))
            if await self.campaign.redis.lpop(f"refunds.{lane}") is not None:
                self.lost += 1
            keys = self._source.sample(list(self.campaign.orders)[-5000:], k=min(self.plan.chunk, 5))
            await self.campaign.publish_again(keys, lane=lane)
            self.repeated += 1

    # --- recovery ---------------------------------------------------------------------------------------------

    def _recoveries(self) -> Iterator[float]:
        """For each adopted key, give the seconds from the death of its holder to its adoption."""
        for event in events(self.stack.folder, "job.adopted"):
            died = self.killed_at.get(int(event["worker"].split(":")[1]))
            if died is not None:
                yield datetime.fromisoformat(event["timestamp"]).timestamp() - died


def events(folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    """Read the log lines of some events, of every process, in no order."""
    wanted = [f'"{name}"' for name in names]
    for path in folder.glob("*.log"):
        with path.open(errors="replace") as log:
            for line in log:
                if any(name in line for name in wanted) and line.startswith("{"):
                    with contextlib.suppress(json.JSONDecodeError):  # cut off by a kill
                        event = json.loads(line)
                        if event.get("event") in names:
                            yield event
