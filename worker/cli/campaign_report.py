"""`refunds campaign report`: what a campaign came to, as a page to sign off, a spreadsheet, or JSON."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import Settings
from worker.campaigns.report import Made, make_report
from worker.campaigns.report_files import FORMATS, Format
from worker.campaigns.report_page import verdict
from worker.campaigns.report_row import Ending
from worker.campaigns.store import Campaigns
from worker.cancelling import run_until_done
from worker.cli.campaign_steer import missing_campaign
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.opening_shops import opened_shops
from worker.cli.output import answer, answer_json
from worker.cli.people import login
from worker.cli.progress import counting
from worker.domain.errors import RefundError

#: Differences that are printed; the files name more.
_MOST_LINES: Final = 20


class Form(StrEnum):
    """What the report is written as."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    ALL = "all"


def register(group: typer.Typer) -> None:
    """Add the command."""
    lines = (
        "refunds campaign report spring",
        "refunds campaign report spring --format all --out reports/ --by ann",
        "refunds campaign report spring --format csv --out spring-for-finance.csv",
    )
    group.command("report", epilog=examples(*lines))(report)


def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")],
    out: Annotated[
        str | None, typer.Option(metavar="DIR|FILE", help="Where to; this directory if not given.", show_default=False)
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="html is one page that needs nothing from elsewhere.")
    ] = Form.HTML,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who makes it; your login if not given.")] = "",
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not ask the shop; the report then says that it was not audited.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as one JSON object.")] = False,
) -> None:
    """Write the report of a campaign: every job with its credit memo, totals, plots, and what the audit found.

    Exit code 0 when ledger and shop agree, 1 on any difference, 3 when Redis or a shop cannot be asked.
    """
    paths = paths_of(name, out, form)
    settings = settings_for_a_command()
    if not (settings.shops or no_audit):
        words = "no shop is configured, so there is nothing to compare with: set REFUNDS_SHOPS, or say --no-audit"
        raise Failure(words, code=Exit.INVALID)
    made = run_until_done(_make(settings, name, paths, by or login(), is_audited=not no_audit))
    if as_json:
        files = {str(path): sha256 for path, sha256 in made.files.items()}
        answer_json({"name": name, "files": files, "figures": made.figures.summary(), "audit": made.audit.summary()})
    else:
        _print(made)
    if made.audit.differences:
        raise typer.Exit(int(Exit.SOME_FAILED))


async def _make(settings: Settings, name: str, paths: list[tuple[Format, Path]], by: str, *, is_audited: bool) -> Made:
    try:
        async with opened_desk(settings) as desk, opened_shops(settings, desk.redis) as shops:
            campaigns = Campaigns(desk.redis)
            campaign = await campaigns.find(name)
            if campaign is None:
                raise await missing_campaign(campaigns, name)
            total = (await campaigns.counts(name)).total
            with counting("jobs", total=total) as tick:
                return await make_report(desk.redis, campaign, shops if is_audited else None, paths, by=by, tick=tick)
    except RefundError as error:
        words = f"cannot reach the shop, no report was written: {error} (--no-audit makes one without asking it)"
        raise Failure(words, code=Exit.UNREACHABLE) from None


def paths_of(name: str, out: str | None, form: Form) -> list[tuple[Format, Path]]:
    """Say where each file goes: into a directory, which is made where it is missing, or one form into one file.

    Args:
        name: The campaign.
        out: A directory, also a new one that is written with a slash at its end; or a file.
        form: What is written.

    Raises:
        Failure: That cannot be.
    """
    formats: list[Format] = [one for one in FORMATS if form in {Form.ALL, Form(one)}]
    if "/" in name or name.startswith("."):
        raise Failure(f"there is no campaign {name!r}", code=Exit.INVALID)
    place = Path(out or ".")
    if len(formats) == 1 and out and not out.endswith("/") and not place.is_dir():
        if not place.parent.is_dir():
            raise Failure(f"there is no directory {place.parent}", code=Exit.INVALID)
        return [(formats[0], place)]
    if place.exists() and not place.is_dir():
        raise Failure(f"{place} is a file; --out must be a directory here", code=Exit.INVALID)
    return [(one, place / f"{name}.{one}") for one in formats]


def _print(made: Made) -> None:
    found = verdict(made.audit, made.figures)
    answer(found["title"])
    for sentence in found["sentences"]:
        answer(f"  {sentence}")
    for one in made.audit.differences[:_MOST_LINES]:
        answer(f"  {one.kind}  {one.key}  credit memo {one.memo_id}  {one.detail}")
    if len(made.audit.differences) > _MOST_LINES:
        answer(f"  and {len(made.audit.differences) - _MOST_LINES:,} more, in the files")
    endings = ", ".join(f"{count:,} {one.value}" for one in Ending if (count := made.figures.endings[one]))
    answer(f"{made.figures.jobs:,} jobs: {endings or 'none'}")
    for total in made.figures.totals():
        place = f"{total.shop}, {total.currency or 'currency not known'}"
        answer(
            f"  {place}: asked {total.asked:,.2f}, refunded {total.refunded:,.2f}, difference {total.difference:,.2f}"
        )
    for path in made.files:
        answer(str(path))
