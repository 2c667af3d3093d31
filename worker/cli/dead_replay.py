"""`refunds dead replay`: send jobs of dead letters again, under their own keys."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, TypedDict

import typer

from config.settings import Settings
from worker.cli.dead_filters import AsJson, Campaigns, Reasons, Shops, filter_of
from worker.cli.dead_who import login
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, remark
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.query import Query
from worker.dead_letters.replay import Replayed, replay
from worker.dead_letters.store import DeadLetters


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "replay",
        epilog=examples(
            "refunds dead replay rma-1 rma-2 --by ann --why 'order was unheld'",
            "refunds dead replay --all --reason order_status --dry-run",
        ),
    )(replay_letters)


def replay_letters(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Idempotency keys, or ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that the filters leave.")] = False,
    reason: Reasons = None,
    shop: Shops = None,
    campaign: Campaigns = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who wants it; your login if not given.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the history.")] = "",
    not_refunded: Annotated[
        bool, typer.Option("--not-refunded", help="You looked at the gateway: the money of these jobs did not move.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send jobs of dead letters again, under their own keys. The shop is asked first, so none is refunded twice."""
    if bool(keys) == everything:
        raise Failure("name the keys, or say --all (with --reason, --shop, --campaign)", code=Exit.INVALID)
    wanted = filter_of(reasons=reason, shops=shop, campaigns=campaign) if everything else None
    words: _Words = {"who": Who(by=by or login(), why=why), "dry_run": dry_run, "not_refunded": not_refunded}
    refused = asyncio.run(_replay(settings_for_a_command(), keys or [], wanted, words, as_json=as_json))
    if refused:
        raise SystemExit(int(Exit.SOME_FAILED))


class _Words(TypedDict):
    """What is said with a replay."""

    who: Who
    dry_run: bool
    not_refunded: bool


async def _replay(settings: Settings, keys: list[str], wanted: Filter | None, words: _Words, *, as_json: bool) -> int:
    counts: dict[str, int] = {}
    async with opened_desk(settings) as desk:
        acts = LetterActs(desk.redis)
        async for key, letter in _chosen(desk, keys, wanted):
            if letter is None:
                done = Replayed(key=key, status="refused", detail="there is no such dead letter")
            else:
                done = await replay(letter, acts, **words)
                if wanted is not None and not letter.was_a_job:
                    done = replace(done, status="skipped")
            counts[done.status] = counts.get(done.status, 0) + 1
            _say(done, as_json=as_json)
    remark(", ".join(f"{count} {status}" for status, count in counts.items()) or "no letter fits")
    return counts.get("refused", 0)


async def _chosen(desk: Desk, keys: list[str], wanted: Filter | None) -> AsyncIterator[tuple[str, Letter | None]]:
    store = DeadLetters(desk.redis)
    if wanted is not None:
        async for letter in Query(desk.redis).find(wanted):
            yield letter.key, letter
    for key in keys:
        yield key, await store.find(key)


def _say(done: Replayed, *, as_json: bool) -> None:
    if as_json:
        answer_json({"key": done.key, "status": done.status, "detail": done.detail})
    else:
        answer(f"{done.status:<12}  {done.key or '-'}  {done.detail}")
