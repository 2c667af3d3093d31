"""Whatever people and workers do to dead letters, in any order, also to letters that are stale by then.

Each job is in one place, closed is for good, the counts add up, and the audit trail is whole.
"""

from collections import Counter
from typing import Any

from fakeredis import FakeAsyncRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.suites.letter_acts import ACTS, ANN, LINE, Desk
from worker.dead_letters.acts import LetterActs
from worker.dead_letters.letter import Letter
from worker.ledger.ledger import Ledger

KEYS = ("a", "bb", "ccc")
STEPS = st.tuples(
    st.sampled_from((*ACTS, "replay in s1", "replay in s2", "work", "die", "look")), st.sampled_from(KEYS)
)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=3, max_size=25), verdicts=st.tuples(*[st.sampled_from(["refused", "unknown"])] * 3)
)
async def test_each_job_is_in_one_place(steps: list[tuple[str, str]], verdicts: tuple[str, ...]):
    redis = FakeAsyncRedis(decode_responses=True)
    ledger = Ledger(redis)
    await ledger.initialise("first")
    desk = Desk(redis, ledger, LetterActs(redis))
    seen = {key: await desk.dead(key, verdict=verdict) for key, verdict in zip(KEYS, verdicts, strict=True)}
    done = Counter[str]()

    for step, key in steps:
        closed = (await desk.entry(key)).closed
        done[key] += await _step(desk, step, key, seen)
        now = await desk.entry(key)
        assert not closed or (now.closed, now.state) == (closed, "settled" if closed == "refunded" else "dead")
        await _is_in_one_place(desk, key)

    assert Counter([record.subject.removeprefix("letter:") for record in await desk.records()]) == +done
    assert await desk.is_whole()
    await redis.aclose()


async def _step(desk: Desk, step: str, key: str, seen: dict[str, Letter]) -> int:
    """Make one step; gives how many acts it was."""
    if step in ACTS:
        return int(not (await ACTS[step](desk, seen[key])).why_not)
    if step.startswith("replay in "):
        answer = await desk.acts.replay(seen[key], ANN, selection=step[-2:])
        return int(not answer.why_not)
    if step == "look":
        page: Any = await desk.redis.xrange("refunds:dead")
        seen.update({fields["key"]: Letter.read(letter_id, fields) for letter_id, fields in page})
        return 0
    for claim in await desk.ledger.claim([key], worker="w", lane="express", message=9):
        if step == "work":
            await desk.ledger.settle(claim, result={"memo_id": 1}, line={})
        else:
            await desk.ledger.bury(claim, reason="max_money", verdict="refused", message="No.", line=LINE)
    return 0


async def _is_in_one_place(desk: Desk, key: str) -> None:
    page: Any = await desk.redis.xrange("refunds:dead")
    letters = [letter_id for letter_id, fields in page if fields["key"] == key]
    closed = [letter.key for letter in await desk.closed()].count(key)
    entry = await desk.entry(key)
    is_finished = entry.state == "settled" or bool(entry.closed)
    assert len(letters) == (0 if is_finished else 1), (entry.state, letters)
    assert closed == int(bool(entry.closed))
    assert await desk.redis.hget("refunds:dead_index", key) == (letters[0] if letters else None)
