"""The gate of one shop in one process, fed by hand instead of by Redis."""

import asyncio
import time

import pytest

from worker.guards.allotment import Allotment
from worker.guards.gate import Gate, NotNow
from worker.guards.hand import Hand
from worker.guards.signals import Kind, Signal


class Jobs:
    """Jobs that wait at a gate; each holds its slot until it is told to end."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[str] = []
        self.turned_away: dict[str, str] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, *names: str, lane: str = "bulk", may_look: bool = False) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._pass(name, lane, may_look=may_look)))
            await settled()

    async def _pass(self, name: str, lane: str, *, may_look: bool) -> None:
        try:
            async with self.gate.slot(lane, may_look=may_look):
                self.inside.append(name)
                await self._ends[name].wait()
        except NotNow as why:
            self.turned_away[name] = why.reason

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    def cancel(self, number: int) -> None:
        self._tasks[number].cancel()


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_no_more_jobs_are_inside_than_there_are_slots():
    jobs = Jobs(Gate.fixed(2))
    await jobs.come("a", "b", "c")
    assert jobs.inside == ["a", "b"]
    await jobs.end("a")
    assert jobs.inside == ["a", "b", "c"]


async def test_single_jobs_overtake_campaigns_and_each_lane_is_first_come_first_served():
    jobs = Jobs(Gate.fixed(1))
    await jobs.come("a", "bulk-1", "bulk-2")
    await jobs.come("single-1", "single-2", lane="express")
    for name in ("a", "single-1", "single-2", "bulk-1"):
        await jobs.end(name)
    assert jobs.inside == ["a", "single-1", "single-2", "bulk-1", "bulk-2"]


async def test_a_job_that_gives_up_leaves_its_place():
    gate = Gate.fixed(1)
    jobs = Jobs(gate)
    await jobs.come("a", "b", "c")
    jobs.cancel(1)
    await settled()
    await jobs.end("a")
    assert (jobs.inside, gate.in_use) == (["a", "c"], 1)


async def test_while_a_question_is_unanswered_no_more_slots_are_used_than_it_declared():
    gate = Gate(most=10)
    gate.answer(Allotment(slots=3, is_contested=True))
    jobs = Jobs(gate)
    await jobs.come("a")
    assert gate.ask().kept == 1
    await jobs.come("b")
    assert jobs.inside == ["a"], "the slots that were free may be another worker's by now"
    gate.answer(Allotment(slots=2))
    await settled()
    assert jobs.inside == ["a", "b"]


async def test_slots_that_nobody_else_could_use_are_kept_for_the_jobs_that_come_during_a_question():
    gate = Gate(most=10)
    gate.answer(Allotment(slots=3))
    jobs = Jobs(gate)
    await jobs.come("a")
    ask = gate.ask()
    assert (ask.in_use, ask.kept) == (1, 3)
    await jobs.come("b", "c", "d")
    assert jobs.inside == ["a", "b", "c"]


async def test_what_was_busy_a_moment_ago_is_wanted_again():
    now = [0.0]
    gate = Gate(most=20, clock=lambda: now[0])
    gate.answer(Allotment(slots=9))
    jobs = Jobs(gate)
    await jobs.come(*"abcdefg")
    assert gate.ask().wanted == 9
    for name in "abcdef":
        await jobs.end(name)
    assert gate.ask().wanted == 9, "the next message may be as large"
    now[0] = 0.6
    assert gate.ask().wanted == 3
    await jobs.end("g")
    assert gate.ask().wanted == 0, "an idle process wants nothing"


async def test_without_an_answer_the_declared_slots_are_all_there_is():
    gate = Gate(most=10)
    gate.answer(Allotment(slots=3, is_contested=True))
    jobs = Jobs(gate)
    await jobs.come("a")
    gate.ask()
    gate.no_answer()
    await jobs.come("b")
    assert jobs.inside == ["a"]


async def test_an_allotment_that_has_run_out_lets_nobody_in():
    gate = Gate(most=10)
    gate.answer(Allotment(slots=3, until=time.monotonic() - 1))
    jobs = Jobs(gate)
    await jobs.come("a")
    assert jobs.inside == []


async def test_a_job_leaves_at_its_send_time_and_not_before():
    gate = Gate(most=10)
    now = time.monotonic()
    gate.answer(Allotment(slots=5, times=(now - 0.01, now + 0.08), gap_seconds=0.09))
    jobs = Jobs(gate)
    await jobs.come("a", "b", "c")
    assert jobs.inside == ["a"]
    await asyncio.sleep(0.12)
    assert jobs.inside == ["a", "b"], "there was no third send time"


async def test_a_send_time_that_is_long_over_is_not_used():
    gate = Gate(most=10)
    gate.answer(Allotment(slots=5, times=(time.monotonic() - 1,), gap_seconds=0.01))
    jobs = Jobs(gate)
    await jobs.come("a")
    assert jobs.inside == []


async def test_an_open_breaker_turns_away_all_who_wait():
    gate = Gate(most=1)
    jobs = Jobs(gate)
    await jobs.come("a", "b")
    gate.answer(Allotment(slots=0, is_open=True))
    await settled()
    assert jobs.turned_away == {"a": "breaker_open", "b": "breaker_open"}


async def test_a_pause_turns_away_its_lane_but_not_those_who_only_look():
    gate = Gate(most=1)
    jobs = Jobs(gate)
    await jobs.come("bulk")
    await jobs.come("in doubt", may_look=True)
    await jobs.come("single", lane="express")
    gate.answer(Allotment(slots=0, paused=frozenset({"bulk"})))
    await settled()
    assert jobs.turned_away == {"bulk": "paused"}


async def test_a_closed_gate_gives_all_jobs_back():
    gate = Gate.fixed(1)
    jobs = Jobs(gate)
    await jobs.come("a", "b")
    gate.close()
    await jobs.come("c")
    assert (jobs.inside, jobs.turned_away) == (["a"], {"b": "stopping", "c": "stopping"})


async def test_bad_news_is_told_at_once_and_kept_until_it_was_answered():
    gate = Gate.fixed(1)
    async with gate.slot("bulk") as slot:
        slot.signal = Signal(kind=Kind.TRIPPED, reason="maintenance")
    assert gate.wake.is_set()
    assert gate.ask().trip
    gate.no_answer()
    assert gate.ask().trip
    gate.answer(Allotment(slots=1))
    assert not gate.ask().trip


async def test_look_ups_are_charged_where_they_count_against_the_rate():
    made = 0
    gate = Gate(most=5, requests=lambda: made)
    gate.answer(Allotment(slots=5))
    async with gate.slot("bulk"):
        made += 3
    assert gate.ask().debt == 2
    gate.answer(Allotment(slots=5))
    assert gate.ask().debt == 0


class TestHand:
    def test_a_full_hand_from_which_nothing_goes_is_stuck(self):
        now = 0.0
        hand = Hand(2, clock=lambda: now)
        hand.take(3)
        assert (hand.room, hand.is_stuck) == (0, False)
        now = 1.0
        assert hand.is_stuck
        hand.finish()
        assert (hand.room, hand.is_stuck) == (0, False)
        hand.finish()
        assert hand.room == 1

    @pytest.mark.timeout(5)
    async def test_messages_wait_for_room_but_not_for_a_shop_that_hangs(self):
        hand = Hand(1)
        hand.take(2)
        waiting = asyncio.create_task(hand.wait_for_room())
        await settled()
        assert not waiting.done()
        hand.finish()
        hand.finish()
        await waiting
        hand.take(1)
        await hand.wait_for_room()
        assert hand.is_stuck

    async def test_messages_are_called_in_one_after_the_other_as_far_as_what_they_bring_fits(self):
        now = [0.0]
        hand = Hand(100, clock=lambda: now[0])
        hand.take(200)
        waiting = [asyncio.create_task(hand.wait_for_room(50)) for _ in range(3)]
        await settled()
        for _ in range(101):
            hand.finish()
        await settled()
        assert [one.done() for one in waiting] == [True, False, False], "it brings 50; with one more they would not fit"
        hand.take(50)
        for _ in range(50):
            hand.finish()
        await settled()
        assert [one.done() for one in waiting] == [True, True, False]
        now[0] = 0.5
        hand.finish()
        await settled()
        assert waiting[2].done(), "the second one did not come: nothing waits for it"

    def test_a_hand_that_will_not_have_room_for_seconds_is_stuck_though_jobs_are_finished(self):
        now = [0.0]
        hand = Hand(10, clock=lambda: now[0])
        hand.take(110)
        for step in range(1, 9):  # eight jobs a second
            now[0] = step / 8
            hand.finish()
        assert hand.is_stuck, "some 11 s until there is room"
        for _ in range(80):
            hand.finish()
        assert not hand.is_stuck, "a second and a half"

    @pytest.mark.timeout(5)
    async def test_nobody_waits_for_a_message_that_was_called_in_and_does_not_come(self):
        hand = Hand(1)
        hand.take(2)
        waiting = [asyncio.create_task(hand.wait_for_room()) for _ in range(2)]
        await settled()
        hand.finish()
        hand.finish()
        await settled()
        assert [one.done() for one in waiting] == [True, False]
        await waiting[1]
