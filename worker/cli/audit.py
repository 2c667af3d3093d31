"""refunds audit: the ledger against the shops, both ways; with --trail, whether the record of all acts is whole."""

import datetime as dt
import re
from dataclasses import asdict
from typing import Annotated

import typer

from config.settings import Settings
from worker.audit import Audit, audit
from worker.campaigns.report import campaign_keys
from worker.campaigns.store import Campaigns
from worker.cancelling import run_until_done
from worker.cli.campaign_steer import missing_campaign
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.opening_shops import opened_shops
from worker.cli.output import answer, answer_json, answer_table, moment, remark
from worker.trail import Chain, Record, Trail

_EPILOG = examples(
    "refunds audit --since '2026-11-01'",
    "refunds audit --campaign recall-7 --json",
    "refunds audit --trail",
    "refunds audit --trail --subject letter:rma-1",
)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("audit", epilog=_EPILOG)(audit_command)


def audit_command(
    campaign: Annotated[str | None, typer.Option(help="Only the jobs of this campaign.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only credit memos created from then on: YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC.")
    ] = None,
    trail: Annotated[
        bool, typer.Option("--trail", help="Verify the audit trail instead: is each act as it was?")
    ] = False,
    subject: Annotated[
        str, typer.Option(metavar="WHAT", help="With --trail: list the acts on this one, as letter:rma-1.")
    ] = "",
    noted: Annotated[
        str, typer.Option(metavar="HASH", help="With --trail: a head that you kept; it must be in the chain.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; with --trail, one line per act.")] = False,
) -> None:
    """Compare the ledger with the shops: missing, double, other amount, unknown. Sends nothing.

    Exit code 0 when they agree, 1 on any difference, 3 when Redis or a shop cannot be asked. With --trail no shop is
    asked: the hash chain over everything that people did is verified, and the first broken record is named.
    """
    if trail:
        _of_trail(settings_for_a_command(), subject=subject, noted=noted, as_json=as_json)
        return
    if subject or noted:
        raise Failure("--subject and --noted go with --trail", code=Exit.INVALID)
    if since is not None and not _is_a_time(since):
        raise Failure("--since must be YYYY-MM-DD or 'YYYY-MM-DD HH:MM:SS' (UTC)", code=Exit.INVALID)
    settings = settings_for_a_command()
    if not settings.shops:
        raise Failure(
            "no shop is configured, so there is nothing to compare with: set REFUNDS_SHOPS", code=Exit.INVALID
        )
    found = run_until_done(_audit(settings, campaign, since))
    if as_json:
        answer_json({**asdict(found), "agrees": not found.differences})
    else:
        _show(found)
    if found.differences:
        raise typer.Exit(int(Exit.SOME_FAILED))


async def _audit(settings: Settings, campaign: str | None, since: str | None) -> Audit:
    async with opened_desk(settings) as desk, opened_shops(settings, desk.redis) as shops:
        keys = await campaign_keys(desk.redis, campaign) if campaign else None
        found = await audit(desk.ledger, shops, campaign=campaign, keys=keys, since=since)
        if campaign and not (found.settled or found.open or found.dead or found.cancelled or found.unchecked):
            campaigns = Campaigns(desk.redis)
            if await campaigns.find(campaign) is None:  # agreeing about nothing would hide a misspelt name
                raise await missing_campaign(campaigns, campaign)
        return found


def _is_a_time(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", text):
        return False
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:  # no such day or hour: the shop would take it, and find nothing
        return False
    return True


def _show(found: Audit) -> None:
    if found.differences:
        rows = [(d.kind, d.key, d.shop, d.memo_id or "", d.detail) for d in found.differences]
        answer_table(("difference", "key", "shop", "memo", "detail"), rows)
    answer(
        f"{found.settled} settled, {found.dead} dead, {found.open} not finished"
        f"{f', {found.cancelled} cancelled' if found.cancelled else ''}"
        f"{f', {found.unchecked} of shops that are not configured here' if found.unchecked else ''}; "
        f"{found.memos} credit memos looked at; {len(found.differences)} differences"
    )


# --- the audit trail ------------------------------------------------------------------------------------------------


def _of_trail(settings: Settings, *, subject: str, noted: str, as_json: bool) -> None:
    if noted and not re.fullmatch(r"[0-9a-f]{64}", noted):
        raise Failure("--noted must be a hash, as this command prints it (64 hex digits)", code=Exit.INVALID)
    chain = run_until_done(_verify(settings, subject=subject, noted=noted, as_json=as_json))
    if chain.broken_at:
        raise Failure(f"THE TRAIL IS BROKEN at record {chain.broken_at}: {chain.why}", code=Exit.SOME_FAILED)
    whole = f"{chain.count} records, each as it was written; head {chain.head or 'none'}"
    (remark if as_json else answer)(whole)


async def _verify(settings: Settings, *, subject: str, noted: str, as_json: bool) -> Chain:
    async with opened_desk(settings) as desk:
        trail = Trail(desk.redis)
        if as_json or subject:
            async for record in trail.records(subject=subject):
                if as_json:
                    answer_json(asdict(record))
                else:
                    _print_act(record)
        return await trail.verify(noted=noted)


def _print_act(record: Record) -> None:
    answer(f"{record.number:>6}  {moment(record.at_ms)}  {record.act:<22}  {record.subject}  by {record.by or '?'}")
    names = sorted({*record.before, *record.after})
    changed = [name for name in names if record.before.get(name) != record.after.get(name)]
    for what in (f"why: {record.why}" if record.why else "", *(_change(record, name) for name in changed)):
        if what:
            answer(f"        {what}")


def _change(record: Record, name: str) -> str:
    if name not in record.before:
        return f"{name}: {record.after[name]}"
    return f"{name}: {record.before[name]} -> {record.after.get(name, 'gone')}"
