"""`refunds shops`, `refunds pause` and `refunds resume`: how the shops stand, and stopping what is sent to them."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table, moment, remark
from worker.cli.people import login
from worker.guards.budget import Spent, limits_by_shop, spent_today
from worker.guards.pauses import Scope, pause, pauses, resume
from worker.guards.view import ShopView, view

_COLUMNS = (
    *("shop", "breaker", "paused", "limit", "rate", "latency", "in use", "waiting", "parked"),
    *("spent today", "why, and until when it asks again"),
)


class Lane(StrEnum):
    """The lanes."""

    EXPRESS = "express"
    BULK = "bulk"


Shop = Annotated[str | None, typer.Option("--shop", metavar="NAME", help="Only this shop; all if not given.")]
OfLane = Annotated[Lane | None, typer.Option("--lane", help="Only this lane; both if not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("shops", epilog=examples("refunds shops", "refunds shops --json"))(shops)
    cli.command(
        "pause",
        epilog=examples("refunds pause --by anna", "refunds pause --shop eu --lane bulk", "refunds pause --lane bulk"),
    )(pause_command)
    cli.command("resume", epilog=examples("refunds resume", "refunds resume --shop eu --lane bulk"))(resume_command)


def shops(as_json: AsJson = False) -> None:
    """Show how each shop stands: breaker, pauses, limits in force, latency, what waits for it, money spent today."""
    found, spent, stopped = run_until_done(_shops(settings_for_a_command()))
    if as_json:
        answer_json({"shops": [_as_json(shop, spent[shop.name]) for shop in found], "pauses": stopped})
        return
    answer_table(_COLUMNS, [_row(shop, spent[shop.name]) for shop in found])
    for name, who in stopped.items():
        remark(f"paused: {name}, by {who.get('by')} at {moment(who.get('at_ms', 0))} UTC")


async def _shops(settings: Settings) -> tuple[list[ShopView], dict[str, Spent], dict[str, dict[str, Any]]]:
    async with opened_desk(settings) as desk:
        found = [
            await view(desk.redis, name, ceiling=shop.max_concurrency, rate_per_second=shop.rate_per_second)
            for name, shop in sorted(settings.shops.items())
        ]
        return found, await spent_today(desk.redis, limits_by_shop(settings)), await pauses(desk.redis)


def _as_json(shop: ShopView, spent: Spent) -> dict[str, Any]:
    money = {"spent_today": str(spent.spent), "limit_per_day": None if spent.limit is None else str(spent.limit)}
    return {**asdict(shop), "backlog": shop.backlog, **money}


def _row(shop: ShopView, spent: Spent) -> list[object]:
    until = f", {moment(shop.until_ms)} UTC" if shop.until_ms else ""
    return [
        shop.name,
        shop.breaker.replace("_", "-"),
        ", ".join(shop.paused) or "no",
        f"{shop.limit} of {shop.ceiling}",
        f"{shop.rate_per_second:g}/s" if shop.rate_per_second else "no limit",
        f"{shop.latency_ms:.0f} ms" if shop.latency_ms else "",
        shop.in_use,
        shop.waiting,
        sum(shop.parked.values()),
        "not counted" if spent.limit is None else f"{spent.spent} of {spent.limit}",
        f"{shop.reason}{until}" if shop.breaker != "closed" else "",
    ]


def pause_command(
    shop: Shop = None,
    lane: OfLane = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who pauses; the login if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop sending. When this returns nothing new is sent; calls that are under way end, and are written down."""
    is_new, calls = run_until_done(_pause(settings_for_a_command(), Scope(shop=shop, lane=lane), by or login()))
    scope = Scope(shop=shop, lane=lane).field
    if as_json:
        answer_json({"paused": scope, "new": is_new, "calls_under_way": calls})
        return
    answer(f"paused: {scope}" if is_new else f"{scope} was paused already")
    if calls:
        remark(f"{calls} calls were under way; they end by themselves")


async def _pause(settings: Settings, scope: Scope, by: str) -> tuple[bool, int]:
    _check(settings, scope)
    async with opened_desk(settings) as desk:
        is_new = await pause(desk.redis, scope, by=by)
        return is_new, (await desk.ledger.counts())["sent"]


def resume_command(shop: Shop = None, lane: OfLane = None, as_json: AsJson = False) -> None:
    """End a pause, named exactly as it was made. What waited goes on by itself."""
    scope = Scope(shop=shop, lane=lane)
    was_paused, left = run_until_done(_resume(settings_for_a_command(), scope))
    if as_json:
        answer_json({"resumed": scope.field, "was_paused": was_paused, "pauses": left})
    else:
        answer(f"resumed: {scope.field}" if was_paused else f"{scope.field} was not paused")
        if left:
            remark(f"still paused: {', '.join(left)}")


async def _resume(settings: Settings, scope: Scope) -> tuple[bool, list[str]]:
    async with opened_desk(settings) as desk:
        return await resume(desk.redis, scope), list(await pauses(desk.redis))


def _check(settings: Settings, scope: Scope) -> None:
    if scope.shop is not None and scope.shop not in settings.shops:
        known = ", ".join(sorted(settings.shops)) or "none"
        raise Failure(f"no shop is named {scope.shop!r}; there are: {known}", code=Exit.INVALID)
