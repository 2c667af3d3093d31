"""`refunds dead list`: which dead letters there are, and what money they ask for."""

import asyncio
from decimal import Decimal
from typing import Annotated, Final

import typer

from config.settings import Settings
from worker.cli.dead_filters import (
    AsJson,
    Campaigns,
    MaxAmount,
    MinAmount,
    Reasons,
    Services,
    Shops,
    Since,
    Text,
    Until,
    Verdicts,
    filter_of,
)
from worker.cli.examples import examples
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer_json, answer_table, moment, remark
from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.query import Query
from worker.dead_letters.store import DeadLetters

#: Letters of Magento's words that are shown in a table.
_WORDS: Final = 60


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "list",
        epilog=examples(
            "refunds dead list",
            "refunds dead list --reason qty_too_large --since 3d --min-amount 100 --json",
        ),
    )(list_letters)


def list_letters(
    reason: Reasons = None,
    shop: Shops = None,
    campaign: Campaigns = None,
    service: Services = None,
    verdict: Verdicts = None,
    since: Since = "",
    until: Until = "",
    min_amount: MinAmount = "",
    max_amount: MaxAmount = "",
    text: Text = "",
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.", min=1)] = 100,
    after: Annotated[str, typer.Option(metavar="ID", help="Only those after this id.")] = "",
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first, with the money that their jobs ask for. --json gives one object a line."""
    wanted = filter_of(
        reasons=reason,
        shops=shop,
        campaigns=campaign,
        services=service,
        verdicts=verdict,
        since=since,
        until=until,
        min_amount=min_amount,
        max_amount=max_amount,
        text=text,
    )
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


async def _list(settings: Settings, wanted: Filter, *, after: str, limit: int) -> tuple[list[Letter], int]:
    async with opened_desk(settings) as desk:
        found: list[Letter] = []
        async for letter in Query(desk.redis).find(wanted, after=after):
            found.append(letter)
            if len(found) == limit:
                break
        return found, await DeadLetters(desk.redis).count()


def _money(letter: Letter) -> str:
    return "" if letter.money is None else str(letter.money)


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}..."
