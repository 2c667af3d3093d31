"""`refunds demo`: a sample campaign through every door, with faults on, and the shop's own books as the judge."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from config.queues import INTAKE_STREAM, Queue, TaskName
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure, Interrupted
from worker.cli.opening import Desk, opened_desk, producer
from worker.cli.output import answer, answer_json, answer_table, remark
from worker.cli.progress import following
from worker.cli.waiting import states_of
from worker.dead_letters.store import DeadLetters
from worker.domain.lifecycle import State
from worker.sandbox.demo_jobs import Campaign, Door, SampleJob, make_campaign
from worker.sandbox.demo_stack import DemoFailed, DemoStack, running_stack
from worker.sandbox.demo_verdict import Figures, judge

#: What goes wrong at the shop while the campaign runs, by probability of each call.
FAULTS: Final = {
    "drop_after": 0.06,
    "drop_before": 0.05,
    "error_500_after": 0.04,
    "error_502": 0.05,
    "throttle": 0.05,
    "maintenance": 0.03,
}
_WORKERS: Final = 2
_FEWEST: Final = 20
#: How long the jobs may take in all, in seconds; half of it is never needed.
_LONGEST_SECONDS: Final = 120.0
_CONFLICT: Final = {"idempotency_key": "demo-crowd-0", "order_id": 1, "amount": "99.00"}
_INVALID: Final = {"idempotency_key": "demo-invalid", "order_id": 1, "amount": 12.5}
#: The garbage of the stream, and the invalid document of `send_task`; `refunds submit` answers at once instead.
_INVALID_LETTERS: Final = 2
_SHOWN: Final = ("settled", "dead", "in_doubt", "held", "waiting", "queued", "claimed", "sent")
_NAMES: Final = (
    "jobs", "settled", "settled_process", "settled_persist", "in_doubt", "credit_memos", "doubled", "money_asked",
    "money_refunded", "money_asked_persist", "money_persisted", "dead", "services",
)  # fmt: skip
_GARBAGE: Final = b"\xff\xfe this is not a refund job"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command(epilog=examples("refunds demo", "refunds demo --jobs 1000 --seed 7 --json"))(demo)


def demo(
    jobs: Annotated[int, typer.Option(metavar="N", help="How many distinct jobs.", min=_FEWEST, max=20_000)] = 240,
    seed: Annotated[int, typer.Option(help="Seed of the orders and of the faults.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with data and logs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Refund a sample campaign at a simulated shop that fails on purpose, and compare with the shop's own books.

    Starts Redis, the shop, two workers and an intake on free ports, and ends them. Needs nothing installed before.
    """
    try:
        figures, took = asyncio.run(_demo(jobs, seed, keep=keep))
    except DemoFailed as error:
        raise Failure(f"the demo failed: {error}", code=Exit.SOME_FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted("everything that the demo started was ended; nothing goes on") from None
    if as_json:
        answer_json(_as_json(figures, took))
    else:
        _print(figures, took)
    raise SystemExit(int(Exit.DONE if figures.ok else Exit.SOME_FAILED))


async def _demo(count: int, seed: int, *, keep: bool) -> tuple[Figures, float]:
    began = time.monotonic()
    me = asyncio.current_task()
    if me is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    campaign = make_campaign(count, seed=seed)
    remark(f"starting Redis, a simulated Magento, {_WORKERS} workers and an intake ...")
    async with running_stack(workers=_WORKERS, keep=keep) as stack:
        try:
            await stack.ask_shop("POST", "/sandbox/orders", campaign.seeds)
            await stack.ask_shop("POST", "/sandbox/faults", {**FAULTS, "seed": seed})
            figures = await _campaign(stack, campaign)
        except (DemoFailed, asyncio.CancelledError):
            raise
        except Exception as error:
            tail = stack.tail("worker-1")
            raise DemoFailed(f"{type(error).__name__}: {error}\nworker log:\n{tail}") from error
        if keep:
            remark(f"data and logs stay in {stack.folder}")
    return figures, time.monotonic() - began


async def _campaign(stack: DemoStack, campaign: Campaign) -> Figures:
    async with opened_desk(stack.settings) as desk:
        info = await desk.redis.info("server")
        await desk.ledger.initialise("first", run_id=str(info["run_id"]))
        receipts = await _submit_everything(stack, desk, campaign.jobs)
        states = await _watch(stack, desk, campaign.jobs)
        letters = [letter async for letter in DeadLetters(desk.redis).read()]
    books = await stack.ask_shop("GET", "/sandbox/ledger")
    figures = judge(campaign.jobs, states, [(letter.key, letter.reason) for letter in letters], books)
    wrong = _wrong_at_the_doors(campaign.jobs, receipts, figures)
    return replace(figures, problems=[*figures.problems, *wrong])


async def _submit_everything(stack: DemoStack, desk: Desk, jobs: Sequence[SampleJob]) -> Counter[str]:
    """Use every door at once, with what must be refused at each; gives the receipts of `refunds submit`."""
    through = {door: [job.document for job in jobs if job.door is door] for door in Door}
    lines = [*through[Door.FILE], _CONFLICT, _INVALID]
    file = stack.folder / "refunds.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    submitting = asyncio.ensure_future(stack.run("submit", "submit", str(file), "--json", "--lane", "bulk"))
    app = producer(stack.settings)
    for document in [*through[Door.TASK], _INVALID]:
        await asyncio.to_thread(app.send_task, TaskName.SUBMIT.value, args=[document], queue=Queue.SUBMIT.value)
    async with desk.redis.pipeline(transaction=False) as pipe:
        for document in through[Door.STREAM]:
            _ = pipe.xadd(INTAKE_STREAM, {"job": json.dumps(document)})
        _ = pipe.xadd(INTAKE_STREAM, {"job": _GARBAGE})
        await pipe.execute()
    _, first = await submitting
    _, again = await stack.run("submit-again", "submit", str(file), "--json", "--lane", "bulk")
    return Counter(json.loads(line)["status"] for line in (first + again).splitlines())


def _wrong_at_the_doors(jobs: Sequence[SampleJob], receipts: Counter[str], figures: Figures) -> list[str]:
    by_file = sum(job.door is Door.FILE for job in jobs)
    wanted = {"accepted": by_file, "duplicate": by_file, "key_conflict": 2, "invalid": 2}
    wrong = [] if receipts == wanted else [f"receipts of refunds submit are {dict(receipts)}, not {wanted}"]
    if figures.dead.get("invalid") != _INVALID_LETTERS:
        wrong.append(f"{figures.dead.get('invalid', 0)} dead letters `invalid`, not {_INVALID_LETTERS}")
    return wrong


async def _watch(stack: DemoStack, desk: Desk, jobs: Sequence[SampleJob]) -> dict[str, State]:
    """Wait until everything has come to its end."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    with following(len(jobs)) as show:
        while time.monotonic() < deadline:
            stack.check()
            counts = await desk.ledger.counts()
            done = counts["settled"] + counts["dead"]
            words = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _SHOWN if counts[name])
            show(done, words)
            letters = int(await desk.redis.hget("refunds:counts", "refused_at_door") or 0)
            if done == len(jobs) and letters >= _INVALID_LETTERS:
                break
            await asyncio.sleep(0.2)
    return await states_of(desk.ledger, [job.key for job in jobs])


def _as_json(figures: Figures, took_seconds: float) -> dict[str, Any]:
    return {
        "ok": figures.ok,
        **{name: getattr(figures, name) for name in _NAMES},
        "seconds": round(took_seconds, 1),
        "problems": list(figures.problems),
    }


def _print(figures: Figures, took_seconds: float) -> None:
    rows = [
        ("jobs", figures.jobs),
        ("settled: refunded", figures.settled_process),
        ("settled: persisted only", figures.settled_persist),
        ("in doubt or unfinished", figures.in_doubt),
        ("credit memos in the shop", figures.credit_memos),
        *((f"  by {service}", count) for service, count in figures.services.items()),
        ("keys with two credit memos", figures.doubled),
        ("money asked", figures.money_asked),
        ("money refunded, as the shop says", figures.money_refunded),
        ("money asked, persisted only", figures.money_asked_persist),
        ("money persisted, as the shop says", figures.money_persisted),
        ("dead letters", sum(figures.dead.values())),
        *((f"  {reason}", count) for reason, count in figures.dead.items()),
    ]
    answer_table(("what", "count"), rows)
    for problem in figures.problems:
        answer(f"DIFFERS: {problem}")
    verdict = "The shop's books agree to the cent" if figures.ok else "THE SHOP'S BOOKS DO NOT AGREE"
    answer(f"{verdict}: one credit memo per settled job, none beside. {took_seconds:.1f} s, {_faults()}.")


def _faults() -> str:
    return "with faults: " + ", ".join(f"{name} {rate:.0%}" for name, rate in FAULTS.items())
