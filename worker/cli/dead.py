"""`refunds dead`: the jobs that will not succeed by themselves."""

import asyncio
import getpass
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Final, TypedDict

import typer

from config.settings import Settings
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table, fields, moment, pretty, remark
from worker.cli.show import print_history
from worker.dead_letters.letter import Letter
from worker.dead_letters.replay import Replayed, replay
from worker.dead_letters.store import DeadLetters, Wanted

_WORDS: Final = 60

Reason = Annotated[str, typer.Option(help="Only letters of this reason code.")]
Shop = Annotated[str, typer.Option(help="Only letters of this shop.")]
Campaign = Annotated[str, typer.Option(help="Only letters of this campaign.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def commands() -> typer.Typer:
    """Put the commands together."""
    group = typer.Typer(help="Dead letters: list them, look at one, send jobs again.", no_args_is_help=True)
    group.command("list", epilog=examples("refunds dead list", "refunds dead list --reason qty_too_large --json"))(
        list_letters
    )
    group.command(epilog=examples("refunds dead show rma-1", "refunds dead show 1718000000000-0 --json"))(show)
    group.command(
        "replay",
        epilog=examples(
            "refunds dead replay rma-1 rma-2 --by ann --why 'order was unheld'",
            "refunds dead replay --all --reason order_status --dry-run",
        ),
    )(replay_letters)
    return group


def list_letters(
    reason: Reason = "",
    shop: Shop = "",
    campaign: Campaign = "",
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.", min=1)] = 100,
    after: Annotated[str, typer.Option(metavar="ID", help="Only those after this id.")] = "",
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first, with the money that their jobs ask for. --json gives one object a line."""
    wanted = Wanted(reason=reason, shop=shop, campaign=campaign)
    letters, total = asyncio.run(_list(settings_for_a_command(), wanted, after=after, limit=limit + 1))
    has_more, letters = len(letters) > limit, letters[:limit]
    if as_json:
        for letter in letters:
            answer_json(letter.summary())
    elif letters:
        answer_table(
            ("id", "at", "key", "reason", "verdict", "money", "message"),
            [
                (one.id, moment(one.at_ms), one.key or "-", one.reason, one.verdict, _money(one), _short(one.message))
                for one in letters
            ],
        )
    known = [letter.money for letter in letters if letter.money is not None]
    sum_known = f"{sum(known, Decimal('0.00'))} asked by {len(known)} of them" if known else "money unknown"
    remark(f"{len(letters)} letter(s) shown of {total} in all; {sum_known}")
    if has_more:
        remark(f"there are more: --after {letters[-1].id}")


async def _list(settings: Settings, wanted: Wanted, *, after: str, limit: int) -> tuple[list[Letter], int]:
    async with opened_desk(settings) as desk:
        store = DeadLetters(desk.redis)
        found: list[Letter] = []
        async for letter in store.read(wanted, after=after):
            found.append(letter)
            if len(found) == limit:
                break
        return found, await store.count()


def show(
    key_or_id: Annotated[str, typer.Argument(metavar="KEY_OR_ID", help="Idempotency key, or id of the letter.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: the job, Magento's words, every attempt. Raw bytes where it never became a job."""
    letter = asyncio.run(_find(settings_for_a_command(), key_or_id))
    if letter is None:
        raise Failure(f"there is no dead letter {key_or_id!r}", code=Exit.SOME_FAILED)
    if as_json:
        answer_json(letter.summary())
        return
    fields({
        "id": letter.id,
        "key": letter.key,
        "reason": letter.reason,
        "verdict": letter.verdict,
        "message": letter.message,
        "at": moment(letter.at_ms),
        "shop": letter.shop,
        "campaign": letter.campaign,
        "sends": str(letter.sends) if letter.was_a_job else "",
        "money": _money(letter),
        "door": letter.door,
    })  # fmt: skip
    answer()
    if letter.was_a_job:
        answer(pretty(letter.job))
        print_history(letter.attempts)
    else:
        answer(letter.raw_text)


async def _find(settings: Settings, key_or_id: str) -> Letter | None:
    async with opened_desk(settings) as desk:
        return await DeadLetters(desk.redis).find(key_or_id)


def replay_letters(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Idempotency keys, or ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that the filters leave.")] = False,
    reason: Reason = "",
    shop: Shop = "",
    campaign: Campaign = "",
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
    wanted = Wanted(reason=reason, shop=shop, campaign=campaign) if everything else None
    words: _Words = {"by": by or _login(), "why": why, "dry_run": dry_run, "not_refunded": not_refunded}
    refused = asyncio.run(_replay(settings_for_a_command(), keys or [], wanted, words, as_json=as_json))
    if refused:
        raise SystemExit(int(Exit.SOME_FAILED))


class _Words(TypedDict):
    """What is said with a replay."""

    by: str
    why: str
    dry_run: bool
    not_refunded: bool


async def _replay(settings: Settings, keys: list[str], wanted: Wanted | None, words: _Words, *, as_json: bool) -> int:
    counts: dict[str, int] = {}
    async with opened_desk(settings) as desk:
        seconds, micros = await desk.redis.time()
        at_ms = int(seconds) * 1000 + int(micros) // 1000
        async for key, letter in _chosen(desk, keys, wanted):
            if letter is None:
                done = Replayed(key=key, status="refused", detail="there is no such dead letter")
            else:
                done = await replay(letter, desk.ledger, at_ms=at_ms, **words)
                if wanted is not None and not letter.was_a_job:
                    done = replace(done, status="skipped")
            counts[done.status] = counts.get(done.status, 0) + 1
            _say(done, as_json=as_json)
    remark(", ".join(f"{count} {status}" for status, count in counts.items()) or "no letter fits")
    return counts.get("refused", 0)


async def _chosen(desk: Desk, keys: list[str], wanted: Wanted | None) -> AsyncIterator[tuple[str, Letter | None]]:
    store = DeadLetters(desk.redis)
    if wanted is not None:
        async for letter in store.read(wanted):
            yield letter.key, letter
    for key in keys:
        yield key, await store.find(key)


def _say(done: Replayed, *, as_json: bool) -> None:
    if as_json:
        answer_json({"key": done.key, "status": done.status, "detail": done.detail})
    else:
        answer(f"{done.status:<12}  {done.key or '-'}  {done.detail}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _money(letter: Letter) -> str:
    return "" if letter.money is None else str(letter.money)


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}..."
