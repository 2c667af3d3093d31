"""Kill -9 in the middle of the replay of a selection, again and again; then every letter must be in one place only."""

import asyncio
import json
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.factories import rows_of
from tests.stack import Stack
from worker.dead_letters.selection import Result, Selections
from worker.domain.job import parse_job
from worker.ledger.ledger import Ledger
from worker.sandbox.demo_verdict import key_of
from worker.trail import Trail

_BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the letters.

    Attributes:
        kills: SIGKILLs that hit a running replay.
        places: (state, letters, credit memos) of a job -> how many jobs.
        replays: How often each job was replayed, by the audit trail -> how many jobs.
        unforeseen: Letters whose replay ended otherwise than the dry run said.
        trail: Whether the audit trail is whole.
    """

    kills: int
    places: Counter[tuple[str | None, int, int]]
    replays: Counter[int]
    unforeseen: int
    trail: bool


def replay_under_kills(folder: Path, *, letters: int, kills: int, timeout: float) -> Outcome:
    """Freeze a selection of all letters and replay it; the process is killed after each share of the letters."""
    with Stack.start(folder, workers=0, orders=letters) as stack:
        asyncio.run(_bury(stack, letters))  # nobody is there yet who could adopt its claims
        for _ in range(2):
            stack.start_worker()
        looked = stack.refunds("dead", "replay", "--all", "--dry-run", "--json", "--by", "ann", timeout=timeout)
        selection = json.loads(looked.stdout.splitlines()[-1])["selection"]
        hit = sum(
            _killed(stack, selection, after=letters * (number + 1) // (kills + 1), timeout=timeout)
            for number in range(kills)
        )
        done = stack.refunds("dead", "replay", "--selection", selection, "--rate", "2000/s", timeout=timeout)
        assert done.returncode == 0, done.stderr
        return asyncio.run(_judged(stack, selection, letters, hit))


def _killed(stack: Stack, selection: str, *, after: int, timeout: float) -> bool:
    """Replay until so many letters were replayed, then SIGKILL; every other time a worker goes with it."""
    runner = stack.start_process("replay", "dead", "replay", "--selection", selection, "--rate", "2000/s")
    results = f"refunds:selection:{selection}:results"
    stack.wait_until(lambda: runner.poll() is not None or stack.client.hlen(results) >= after, timeout)
    is_running = runner.poll() is None
    stack.end(runner, how=signal.SIGKILL)
    if after % 2:
        worker = next(one for name, one in stack.processes.items() if name.startswith("worker") and one.poll() is None)
        stack.end(worker, how=signal.SIGKILL)
        stack.start_process("worker", "worker")
    return is_running


async def _bury(stack: Stack, letters: int) -> None:
    """Dead letters of jobs that the shop would take, each on an order of its own."""
    async with Redis.from_url(stack.redis_url, decode_responses=True) as redis:
        ledger = Ledger(redis)
        for start in range(0, letters, _BATCH):
            jobs = [parse_job(_document(number)) for number in range(start, min(start + _BATCH, letters))]
            await ledger.accept(rows_of(*jobs), lane="express", message=0)
            keys = [job.idempotency_key for job in jobs]
            for claim in await ledger.claim(keys, worker="test", lane="express", message=0):
                await ledger.bury(
                    claim,
                    reason="order_status",
                    verdict="refused",
                    message="on hold",
                    line={"outcome": "dead_lettered"},
                )
        await redis.zrem("refunds:workers", "test")


def _document(number: int) -> dict[str, Any]:
    return {"idempotency_key": f"replay-{number:05}", "order_id": number + 1, "amount": "0.25"}


async def _judged(stack: Stack, selection: str, letters: int, kills: int) -> Outcome:
    async with Redis.from_url(stack.redis_url, decode_responses=True) as redis:
        dead: Any = await redis.xrange("refunds:dead")
        in_list = Counter(fields["key"] for _, fields in dead)
        memos = Counter(map(key_of, stack.memos()))
        keys = [_document(number)["idempotency_key"] for number in range(letters)]
        states: dict[str, str] = {}
        for start in range(0, letters, _BATCH):
            states |= {
                key: state.value for key, state in (await Ledger(redis).states(keys[start : start + _BATCH])).items()
            }
        acts = Counter([record.subject async for record in Trail(redis).records() if record.act == "letter.replayed"])
        results = [(item, result) async for item, result in Selections(redis).items(selection)]
        return Outcome(
            kills=kills,
            places=Counter((states.get(key), in_list[key], memos[key]) for key in keys),
            replays=Counter(acts[f"letter:{key}"] for key in keys),
            unforeseen=sum(not isinstance(result, Result) or not result.agrees(item) for item, result in results),
            trail=not (await Trail(redis).verify()).broken_at,
        )
