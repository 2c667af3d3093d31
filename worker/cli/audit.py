"""refunds audit: the ledger against the shops, both ways."""

import asyncio
import re
from dataclasses import asdict
from typing import Annotated

import typer

from config.settings import Settings
from worker.audit import Audit, audit
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table
from worker.magento.session import open_session
from worker.resources import open_shop

_EPILOG = "Examples: refunds audit | refunds audit --since '2026-11-01' | refunds audit --campaign recall-7 --json"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("audit", epilog=_EPILOG)(audit_command)


def audit_command(
    campaign: Annotated[str | None, typer.Option(help="Only the jobs of this campaign.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only credit memos created from then on: YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare the ledger with the shops: missing, double, other amount, unknown. Sends nothing.

    Exit code 0 when they agree, 1 on any difference, 3 when Redis or a shop cannot be asked.
    """
    if since is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", since):
        raise Failure("--since must be YYYY-MM-DD or 'YYYY-MM-DD HH:MM:SS' (UTC)", code=Exit.INVALID)
    found = asyncio.run(_audit(settings_for_a_command(), campaign, since))
    if as_json:
        answer_json({**asdict(found), "agrees": not found.differences})
    else:
        _show(found)
    if found.differences:
        raise typer.Exit(int(Exit.SOME_FAILED))


async def _audit(settings: Settings, campaign: str | None, since: str | None) -> Audit:
    session = open_session()
    try:
        shops = {name: open_shop(shop, session).magento for name, shop in settings.shops.items()}
        async with opened_desk(settings) as desk:
            return await audit(desk.ledger, shops, campaign=campaign, since=since)
    finally:
        await session.close()


def _show(found: Audit) -> None:
    if found.differences:
        rows = [(d.kind, d.key, d.shop, d.memo_id or "", d.detail) for d in found.differences]
        answer_table(("difference", "key", "shop", "memo", "detail"), rows)
    answer(
        f"{found.settled} settled, {found.dead} dead, {found.open} not finished; "
        f"{found.memos} credit memos looked at; {len(found.differences)} differences"
    )
