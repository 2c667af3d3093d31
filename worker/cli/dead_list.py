"""`refunds dead list`: which dead letters there are, and what money they ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_filters import (
    AsJson,
    Campaigns,
    Closed,
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
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer_json, answer_table, moment, remark
from worker.dead_letters.filter import NONE, Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.order import BadCursor, Order, Sort
from worker.dead_letters.query import Query
from worker.dead_letters.totals import Group, Totals, added

#: Letters of Magento's words that are shown in a table.
_WORDS: Final = 60
#: What is said where the index cannot answer.
_SLOW: Final = "every letter was read, because not all are in the index: `refunds dead reindex` makes this fast"

Groups = Mapping[tuple[str, str], Totals]


def register(group: typer.Typer) -> None:
    """Add the command."""
    lines = (
        "refunds dead list",
        "refunds dead list --reason qty_too_large --since 3d --min-amount 100 --sort amount --reverse",
        "refunds dead list --campaign recall-7 --text 'not allow' --json",
        "refunds dead list --group-by reason --shop uk",
    )
    group.command("list", epilog=examples(*lines))(list_letters)


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
    closed: Closed = False,
    group_by: Annotated[
        Group | None, typer.Option(metavar="WHAT", help="Sums instead of letters: reason, shop, campaign, day, ...")
    ] = None,
    sort: Annotated[Sort, typer.Option(help="at: time of death; amount: unknown ones are the smallest.")] = Sort.AT,
    reverse: Annotated[bool, typer.Option("--reverse", help="Newest, largest or last first.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.", min=1, max=10_000)] = 100,
    after: Annotated[str, typer.Option(metavar="PLACE", help="Go on there; what the page before has said.")] = "",
    as_json: AsJson = False,
) -> None:
    """List dead letters, with counts and the money that their jobs ask for. Filters combine.

    --json gives one object a line. Money is in the base currency of its shop, so sums of shops stay apart.
    """
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
        closed=closed,
    )
    order = Order(by=sort, is_reverse=reverse, after=after)
    found = run_until_done(_ask(settings_for_a_command(), wanted, order, limit=limit, group_by=group_by))
    if group_by is not None:
        _show_groups(found.groups, group_by, as_json=as_json)
    else:
        _show_letters(found, order, limit, as_json=as_json)
    if not found.is_indexed:
        remark(_SLOW)


@dataclass(frozen=True, kw_only=True)
class _Found:
    letters: list[Letter]
    groups: Groups
    is_indexed: bool


async def _ask(settings: Settings, wanted: Filter, order: Order, *, limit: int, group_by: Group | None) -> _Found:
    async with opened_desk(settings) as desk:
        query = Query(desk.redis)
        is_indexed = await query.is_ready(wanted)
        groups = await query.groups(wanted, group_by or Group.REASON)
        try:  # one more than is shown says whether there are more
            letters = [] if group_by else await query.page(wanted, order, limit=limit + 1)
        except BadCursor as error:
            raise Failure(f"--after: {error}; take what the page before has said", code=Exit.INVALID) from None
        return _Found(letters=letters, groups=groups, is_indexed=is_indexed)


def _show_letters(found: _Found, order: Order, limit: int, *, as_json: bool) -> None:
    has_more, letters = len(found.letters) > limit, found.letters[:limit]
    if as_json:
        for letter in letters:
            answer_json(letter.summary())
    elif letters:
        answer_table(
            ("id", "at", "key", "reason", "verdict", "money", "message"),
            [
                (one.id, moment(one.at_ms), one.key or NONE, one.reason, one.verdict, _money(one), _short(one.message))
                for one in letters
            ],
        )
    total = added(found.groups.values())
    remark(f"{len(letters)} letter(s) shown of {total.letters} that fit")
    for (reason, shop), sums in found.groups.items():
        remark(f"  {reason:<24}  {shop or NONE:<12}  {_words_of(sums)}")
    if has_more:
        remark(f"there are more: --after {order.cursor(letters[-1])!r}")


def _show_groups(groups: Groups, by: Group, *, as_json: bool) -> None:
    if as_json:
        for (value, shop), sums in groups.items():
            known = {"letters": sums.letters, "money": str(sums.money), "unknown": sums.unknown}
            answer_json({by.value: value, "shop": shop or NONE} | known)
    elif groups:
        names = [by.value] if by is Group.SHOP else [by.value, "shop"]
        rows = [
            (*(value, shop or NONE)[: len(names)], sums.letters, sums.money, sums.unknown)
            for (value, shop), sums in groups.items()
        ]
        answer_table((*names, "count", "money", "of unknown amount"), rows)
    remark(f"{added(groups.values()).letters} letter(s) fit")


def _words_of(sums: Totals) -> str:
    known = [f"{sums.known} letter(s) ask for {sums.money}"] if sums.known else []
    unknown = [f"{sums.unknown} of unknown amount"] if sums.unknown else []
    return ", ".join(known + unknown)


def _money(letter: Letter) -> str:
    return "" if letter.money is None else str(letter.money)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _WORDS else f"{words[:_WORDS]}..."
