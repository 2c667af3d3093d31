"""The run of a selection, on fakeredis; the pauses of the run are the time in which workers work."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from tests.suites.letter_acts import ANN, Desk
from worker.dead_letters.acts import LetterActs
from worker.dead_letters.foresee import Foreseen, Outlook, crowded
from worker.dead_letters.run import IN_FLIGHT, Pace, Progress, Run, RunsElsewhere
from worker.dead_letters.selection import Result, Selection, Selections
from worker.ledger.ledger import Ledger

FAST = Pace(per_second=100_000, max_failures=1.0)
Work = Callable[[str], Awaitable[None]]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with FakeAsyncRedis(decode_responses=True) as redis:
        ledger = Ledger(redis)
        await ledger.initialise("first")
        yield Desk(redis, ledger, LetterActs(redis))


@dataclass
class Workers:
    """Settles or buries what was replayed, a few at each pause."""

    desk: Desk
    dying: frozenset[str] = frozenset()
    seen: list[set[str]] = field(default_factory=list)

    async def __call__(self, _seconds: float) -> None:
        due = [str(key) for key in await self.desk.redis.zrange("refunds:due", 0, -1)]
        self.seen += [set(due)] if due else []
        for key in due:
            (claim,) = await self.desk.ledger.claim([key], worker="w", lane="express", message=9)
            if key in self.dying:
                await self.desk.ledger.bury(claim, reason="max_money", verdict="refused", message="No.", line={})
            else:
                await self.desk.ledger.settle(claim, result={"memo_id": 7, "via": "answer"}, line={})


async def frozen(desk: Desk, *names: str, orders: tuple[str, ...] = (), refused: tuple[str, ...] = ()) -> Selection:
    found = []
    for name, order in itertools.zip_longest(names, orders, fillvalue=""):
        would = Outlook.WOULD_BE_REFUSED if name in refused else Outlook.WOULD_REFUND
        letter = await desk.dead(name)
        found.append(
            Foreseen(letter=letter, outlook=would, detail="", reason="max_money" if name in refused else "",
                     money=Decimal("2.50"), order=order)
        )  # fmt: skip
    return await Selections(desk.redis).freeze(found, by="ann", why="", what="all", not_refunded=False)


async def run(desk: Desk, selection: Selection, work: Workers, pace: Pace = FAST, *, most: int = IN_FLIGHT) -> Progress:
    parts = {"redis": desk.redis, "ledger": desk.ledger, "selection": selection, "who": ANN}
    return await Run(**parts, pace=pace, pause=work, most=most)()  # type: ignore[arg-type]


async def results(redis: Redis, selection: Selection) -> dict[str, Result | str | None]:
    return {item.name: result async for item, result in Selections(redis).items(selection.id)}


async def state(desk: Desk, selection: Selection) -> str:
    found = await Selections(desk.redis).find(selection.id)
    assert found is not None
    return found.state


async def test_all_of_it_is_replayed_and_its_end_written_down(desk: Desk):
    selection = await frozen(desk, "a", "b", "c", refused=("c",))
    progress = await run(desk, selection, Workers(desk, frozenset({"c"})))
    assert (progress.settled, progress.foreseen, progress.failed) == (2, 1, 0)
    assert progress.money == Decimal("5.00")
    assert await state(desk, selection) == "done"
    found = await results(desk.redis, selection)
    assert found["a"] == Result(status="settled", memo_id=7, via="answer")
    assert found["c"] == Result(status="dead", reason="max_money")
    assert await desk.is_whole()


async def test_a_letter_that_changed_since_is_left_alone(desk: Desk):
    selection = await frozen(desk, "a", "b")
    await desk.edit(await desk.letter("a"), amount="1.00")
    progress = await run(desk, selection, Workers(desk))
    assert (progress.settled, progress.skipped) == (1, 1)
    assert (await desk.entry("a")).state == "dead"


async def test_it_stops_when_too_many_die_unforeseen_and_goes_on_when_told(desk: Desk):
    names = [f"k{number:02}" for number in range(30)]
    selection = await frozen(desk, *names, refused=tuple(names[:5]))
    workers = Workers(desk, frozenset(names[:12]))  # 5 as foreseen, 7 not

    first = await run(desk, selection, workers, Pace(per_second=100_000, max_failures=0.2), most=5)

    assert first.stopped == "7 of 20 died again, which nobody foresaw"
    assert (first.ended, await state(desk, selection)) == (20, "stopped")
    second = await run(desk, selection, workers, Pace(per_second=100_000, max_failures=0.4))
    assert (second.stopped, second.settled, second.foreseen, second.failed) == ("", 18, 5, 7)
    assert await state(desk, selection) == "done"


async def test_it_stops_when_the_breaker_of_a_shop_is_open(desk: Desk):
    selection = await frozen(desk, "a", "b")
    await desk.redis.hset("refunds:shop:default", "breaker", "open")
    progress = await run(desk, selection, Workers(desk))
    assert "circuit breaker of default is open" in progress.stopped
    assert await state(desk, selection) == "stopped"
    assert await results(desk.redis, selection) == {"a": None, "b": None}
    await desk.redis.hset("refunds:shop:default", "breaker", "closed")
    assert (await run(desk, selection, Workers(desk))).settled == 2


async def test_what_was_under_way_when_a_run_was_killed_is_not_replayed_again(desk: Desk):
    selection = await frozen(desk, "a", "b", "c")

    class Killed(BaseException):
        pass

    async def killed(_seconds: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        await Run(
            redis=desk.redis, ledger=desk.ledger, selection=selection, who=ANN, pause=killed,
            pace=Pace(per_second=100_000, max_failures=1.0),
        )()  # fmt: skip
    assert (await run(desk, selection, Workers(desk))).settled == 3
    acts = [record.subject for record in await desk.records() if record.act == "letter.replayed"]
    assert sorted(acts) == ["letter:a", "letter:b", "letter:c"]


async def test_letters_of_one_order_are_replayed_one_after_the_other(desk: Desk):
    selection = await frozen(desk, "a", "b", "c", orders=("default:1", "default:1", "default:2"))
    workers = Workers(desk)
    progress = await run(desk, selection, workers)
    assert (progress.settled, workers.seen) == (3, [{"a", "c"}, {"b"}])


async def test_two_processes_do_not_run_one_selection(desk: Desk):
    selection = await frozen(desk, "a")
    assert await Selections(desk.redis).take(selection.id, "another")
    runs = Run(redis=desk.redis, ledger=desk.ledger, selection=selection, who=ANN, pace=FAST)

    async def hold(_seconds: float) -> None:
        await Selections(desk.redis).take(selection.id, "another")
        raise RunsElsewhere

    runs.pause = hold
    with pytest.raises(RunsElsewhere):
        await runs()
    assert await results(desk.redis, selection) == {"a": None}


async def test_overlapping_selections_replay_a_letter_once(desk: Desk):
    first = await frozen(desk, "a")
    again = Foreseen(letter=await desk.letter("a"), outlook=Outlook.WOULD_REFUND, detail="")
    second = await Selections(desk.redis).freeze([again], by="ann", why="", what="", not_refunded=False)
    await run(desk, first, Workers(desk))
    progress = await run(desk, second, Workers(desk))
    assert (progress.settled, progress.skipped) == (0, 1)


async def test_of_letters_of_one_order_only_the_first_is_foreseen(desk: Desk):
    letter = await desk.dead("a")
    one = Foreseen(letter=letter, outlook=Outlook.WOULD_REFUND, detail="", order="default:1")
    done = Foreseen(letter=letter, outlook=Outlook.ALREADY_REFUNDED, detail="", order="default:1")
    assert [found.outlook for found in crowded([done, one, one])] == [
        Outlook.ALREADY_REFUNDED, Outlook.WOULD_REFUND, Outlook.CANNOT_TELL,
    ]  # fmt: skip
