"""Selections of dead letters: look at the shop and freeze them, replay them, list them."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.opening_shops import opened_shops
from worker.cli.output import answer, answer_json, answer_table, moment, remark
from worker.cli.progress import counting, following
from worker.dead_letters.acts import Who
from worker.dead_letters.foresee import Foreseen, Outlook, foresee_all
from worker.dead_letters.letter import Letter
from worker.dead_letters.run import Pace, Progress, Run, RunsElsewhere
from worker.dead_letters.selection import Item, Result, Selection, Selections
from worker.trail import Trail

Letters = Callable[[Desk], AsyncIterator[Letter]]


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "selections", epilog=examples("refunds dead selections", "refunds dead selections s-1a2b3c4d --json")
    )(selections)


# --- look and freeze ------------------------------------------------------------------------------------------------


def look(settings: Settings, letters: Letters, what: str, who: Who, *, not_refunded: bool, as_json: bool) -> None:
    """Ask the shops what would come of replaying letters, say so, and freeze them."""
    made, found = run_until_done(_look(settings, letters, what, who, not_refunded=not_refunded))
    sums = _sums(found)
    for one in found:
        if as_json:
            answer_json({
                "key": one.letter.key, "letter": one.letter.id, "outlook": one.outlook.value, "reason": one.reason,
                "detail": one.detail, "money": one.money, "memo_id": one.memo_id,
            })  # fmt: skip
        else:
            answer(f"{one.outlook.value.replace('_', ' '):<16}  {one.name or '-'}  {one.detail}")
    if as_json:
        answer_json({"selection": made.id if made else None, "sums": sums})
    for name, (count, money) in sums.items():
        remark(f"{count} {name.replace('_', ' ')}{f', {money} of which the amount is known' if money else ''}")
    if made is None:
        remark("no letter fits; nothing was frozen")
        return
    remark(f"frozen as {made.id}: refunds dead replay --selection {made.id} --rate 5/s")


async def _look(
    settings: Settings, letters: Letters, what: str, who: Who, *, not_refunded: bool
) -> tuple[Selection | None, list[Foreseen]]:
    async with opened_desk(settings) as desk, opened_shops(settings, desk.redis) as shops:
        with counting("looked at") as count:
            found = await foresee_all(letters(desk), desk.ledger, shops, not_refunded=not_refunded, tell=count)
        if not found:
            return None, []
        made = await Selections(desk.redis).freeze(found, by=who.by, why=who.why, what=what, not_refunded=not_refunded)
        await Trail(desk.redis).record(
            act="selection.frozen", subject=f"selection:{made.id}", by=who.by, why=who.why,
            after={"what": what, "letters": made.letters, "not_refunded": not_refunded,
                   "foreseen": {name: count for name, (count, _) in _sums(found).items()}},
        )  # fmt: skip
        return made, found


def _sums(found: Sequence[Foreseen | Item]) -> dict[str, tuple[int, Decimal | None]]:
    """How many letters of each outlook, and the money of those whose amount is known."""
    counts = Counter(one.outlook for one in found)
    sums: dict[str, tuple[int, Decimal | None]] = {}
    for outlook in Outlook:
        known = [one.money for one in found if one.outlook is outlook and one.money is not None]
        if counts[outlook]:
            sums[outlook.value] = counts[outlook], sum(known, Decimal(0)) if known else None
    return sums


# --- replay ---------------------------------------------------------------------------------------------------------


def run_selection(settings: Settings, selection_id: str, who: Who, pace: Pace, *, as_json: bool) -> None:
    """Replay a selection to its end, or until something says stop; exit code 1 when letters are left or failed."""
    progress = run_until_done(_run(settings, selection_id, who, pace))
    if as_json:
        answer_json({**asdict(progress), "selection": selection_id})
    else:
        answer(f"{progress.ended} of {progress.total}: {progress.words()}; {progress.money} refunded, as foreseen")
    if progress.stopped:
        again = f"refunds dead replay --selection {selection_id}"
        raise Failure(f"STOPPED: {progress.stopped}; go on with: {again}", code=Exit.SOME_FAILED)
    if progress.failed:
        raise SystemExit(int(Exit.SOME_FAILED))


async def _run(settings: Settings, selection_id: str, who: Who, pace: Pace) -> Progress:
    async with opened_desk(settings) as desk:
        selection = await _found(desk, selection_id)
        who = Who(by=who.by, why=who.why or selection.why)
        trail = Trail(desk.redis)
        subject = f"selection:{selection.id}"
        act = "selection.started" if selection.state == "frozen" else "selection.continued"
        await trail.record(act=act, subject=subject, by=who.by, why=who.why, before={"state": selection.state},
                           after={"state": "running", "per_second": pace.per_second})  # fmt: skip
        with following(selection.letters) as show:
            run = Run(
                redis=desk.redis, ledger=desk.ledger, selection=selection, who=who, pace=pace,
                watch=lambda progress: show(progress.ended, progress.words()),
            )  # fmt: skip
            try:
                progress = await run()
            except RunsElsewhere:
                raise Failure(f"{selection.id} is being replayed by another process", code=Exit.SOME_FAILED) from None
        await trail.record(
            act="selection.stopped" if progress.stopped else "selection.done", subject=subject, by=who.by, why=who.why,
            before={"state": "running"}, after={"settled": progress.settled, "failed": progress.failed,
                                                "skipped": progress.skipped, "stopped": progress.stopped},
        )  # fmt: skip
        return progress


async def _found(desk: Desk, selection_id: str) -> Selection:
    selection = await Selections(desk.redis).find(selection_id)
    if selection is None:
        raise Failure(f"there is no selection {selection_id!r} (`refunds dead selections`)", code=Exit.SOME_FAILED)
    return selection


# --- list -----------------------------------------------------------------------------------------------------------


def selections(
    selection_id: Annotated[str, typer.Argument(metavar="[ID]", help="One selection: letter by letter.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one line each.")] = False,
) -> None:
    """List the frozen selections; or of one, what was foreseen for each letter, and what came of it."""
    settings = settings_for_a_command()
    if selection_id:
        run_until_done(_show(settings, selection_id, as_json=as_json))
    else:
        run_until_done(_list(settings, as_json=as_json))


async def _list(settings: Settings, *, as_json: bool) -> None:
    async with opened_desk(settings) as desk:
        store = Selections(desk.redis)
        rows = []
        for one in await store.all():
            state = one.state
            if state == "running" and not await store.has_runner(one.id):
                state = "killed"  # its process is gone; the same command goes on
            if as_json:
                answer_json({**asdict(one), "state": state})
            else:
                rows.append((one.id, moment(one.created_ms), state, one.letters, one.by, one.what, one.stopped))
        if rows:
            answer_table(("id", "frozen", "state", "count", "by", "what", "stopped"), rows)
        elif not as_json:
            remark("no selection was frozen: refunds dead replay --all --dry-run")


async def _show(settings: Settings, selection_id: str, *, as_json: bool) -> None:
    async with opened_desk(settings) as desk:
        await _found(desk, selection_id)
        other = 0
        async for item, result in Selections(desk.redis).items(selection_id):
            agrees = result.agrees(item) if isinstance(result, Result) else None
            other += agrees is False
            if as_json:
                answer_json(_row(item, result, agrees=agrees))
            else:
                mark = "!" if agrees is False else " "
                answer(f"{mark} {item.name}  foreseen: {item.detail}  ->  {_ended(result)}")
        remark(f"{other} ended otherwise than foreseen" if other else "all that ended did so as foreseen")


def _row(item: Item, result: Result | str | None, *, agrees: bool | None) -> dict[str, Any]:
    ended = asdict(result) if isinstance(result, Result) else result
    return {
        "name": item.name, "letter": item.letter.id, "outlook": item.outlook.value, "reason": item.foreseen_reason,
        "detail": item.detail, "money": item.money, "memo_id": item.memo_id, "result": ended, "agrees": agrees,
    }  # fmt: skip


def _ended(result: Result | str | None) -> str:
    match result:
        case Result(status="settled", memo_id=memo_id, via=via):
            return f"settled with credit memo {memo_id} ({via})"
        case Result(status=status, reason=reason):
            return f"{status}: {reason}"
        case _:
            return result or "not replayed"
