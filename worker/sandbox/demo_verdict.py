"""The verdict of the demo: the ledger held against the shop's own books and against what the orders say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.domain.key import MARKER_PREFIX
from worker.domain.lifecycle import FINAL, State
from worker.domain.money import cents
from worker.sandbox.demo_jobs import SampleJob


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What came of the demo.

    Attributes:
        jobs: Distinct jobs that were accepted.
        in_doubt: Jobs that are neither settled nor dead.
        doubled: Keys with more than one credit memo in the shop.
        money_asked: What the settled process jobs ask for, computed from the orders.
        money_refunded: What the shop's credit memos of process jobs say.
        dead: Dead letters by reason.
        problems: Everything that does not agree; empty when all is well.
    """

    jobs: int
    settled: int
    settled_process: int
    settled_persist: int
    in_doubt: int
    credit_memos: int
    doubled: int
    money_asked: Decimal
    money_refunded: Decimal
    money_asked_persist: Decimal
    money_persisted: Decimal
    dead: Mapping[str, int]
    services: Mapping[str, int]
    problems: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether all agrees."""
        return not self.problems


def judge(
    jobs: Sequence[SampleJob],
    states: Mapping[str, State],
    reasons: Sequence[tuple[str, str]],
    books: Mapping[str, Any],
) -> Figures:
    """Compare.

    Args:
        jobs: Every job that must have been accepted.
        states: Where the ledger says they stand.
        reasons: (key, reason) of every dead letter.
        books: Answer of `GET /sandbox/ledger`.
    """
    memos = books["creditmemos"]
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for memo in memos:
        by_key.setdefault(key_of(memo), []).append(memo)
    known = {job.key: job for job in jobs}
    settled = [job for job in jobs if states.get(job.key) is State.SETTLED]
    dead_of = dict(reasons)
    problems = [
        *(problem for job in jobs if (problem := _state_problem(job, states.get(job.key), dead_of))),
        *(problem for job in jobs if (problem := _memo_problem(job, states.get(job.key), by_key.get(job.key, [])))),
        *(f"credit memo {memo['entity_id']} belongs to no job" for memo in memos if key_of(memo) not in known),
    ]
    process, persist = [[job for job in settled if job.is_persist is kind] for kind in (False, True)]
    return Figures(
        jobs=len(jobs),
        settled=len(settled),
        settled_process=len(process),
        settled_persist=len(persist),
        in_doubt=sum(states.get(job.key) not in FINAL for job in jobs),
        credit_memos=len(memos),
        doubled=sum(len(found) > 1 for found in by_key.values()),
        money_asked=_sum(job.money for job in process),
        money_refunded=_sum(cents(memo["base_grand_total"]) for memo in memos if not _is_persist(memo, known)),
        money_asked_persist=_sum(job.money for job in persist),
        money_persisted=_sum(cents(memo["base_grand_total"]) for memo in memos if _is_persist(memo, known)),
        dead=dict(sorted(Counter(reason for _, reason in reasons).items())),
        services=dict(sorted(Counter(str(memo["service"]) for memo in memos).items())),
        problems=problems,
    )


def key_of(memo: Mapping[str, Any]) -> str:
    """Read the key from a credit memo: the last line of its note, or its transaction id, says `ref <key>`."""
    for text in (memo.get("customer_note"), memo.get("transaction_id")):
        last = str(text or "").rpartition("\n")[2]
        if last.startswith(MARKER_PREFIX):
            return last.removeprefix(MARKER_PREFIX)
    return ""


def _state_problem(job: SampleJob, state: State | None, dead_of: Mapping[str, str]) -> str:
    wanted = State.DEAD if job.dead_reason else State.SETTLED
    if state is not wanted:
        return (
            f"{job.key} should be {wanted.value} and is {state.value if state else 'unknown'} ({dead_of.get(job.key)})"
        )
    if job.dead_reason and dead_of.get(job.key) != job.dead_reason:
        return f"{job.key} should be dead for {job.dead_reason} and is for {dead_of.get(job.key)}"
    return ""


def _memo_problem(job: SampleJob, state: State | None, memos: Sequence[Mapping[str, Any]]) -> str:
    wanted = 1 if state is State.SETTLED else 0
    if len(memos) != wanted:
        return f"{job.key} is {state} and has {len(memos)} credit memos"
    if memos and cents(memos[0]["base_grand_total"]) != job.money:
        return f"{job.key} asked for {job.money} and got {cents(memos[0]['base_grand_total'])}"
    return ""


def _is_persist(memo: Mapping[str, Any], known: Mapping[str, SampleJob]) -> bool:
    job = known.get(key_of(memo))
    return job is not None and job.is_persist


def _sum(amounts: Any) -> Decimal:  # noqa: ANN401 - an iterable of Decimal | None
    return sum((amount for amount in amounts if amount is not None), Decimal("0.00"))
