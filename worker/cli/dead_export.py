"""`refunds dead export`: dead letters as a file for a spreadsheet or a program."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, TextIO

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_filters import (
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
from worker.cli.output import remark
from worker.cli.progress import counting
from worker.dead_letters.export import Format, head, row
from worker.dead_letters.filter import Filter
from worker.dead_letters.query import Query
from worker.dead_letters.totals import Group, added


def register(group: typer.Typer) -> None:
    """Add the command."""
    lines = (
        "refunds dead export --campaign recall-7 --out letters.csv",
        "refunds dead export --format jsonl --verdict unknown | jq .key",
    )
    group.command("export", epilog=examples(*lines))(export)


def export(
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
    form: Annotated[
        Format, typer.Option("--format", help="csv for a spreadsheet; jsonl has everything, an object a line.")
    ] = Format.CSV,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to, instead of standard output; the file is whole, or not there."),
    ] = None,
) -> None:
    """Write dead letters, oldest first. Filters combine, as those of `refunds dead list`."""
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
    with _opened(out) as file:
        written = run_until_done(_write(settings_for_a_command(), wanted, form, file))
    remark(f"{written} letter(s) written" + (f" to {out}" if out else ""))


async def _write(settings: Settings, wanted: Filter, form: Format, file: TextIO) -> int:
    written = 0
    async with opened_desk(settings) as desk:
        query = Query(desk.redis)
        total = added((await query.groups(wanted, Group.REASON)).values()).letters
        count: Callable[[int], None]
        with counting("letters", total=total) as count:
            file.write(head(form))
            async for letter in query.find(wanted):
                file.write(row(letter, form))
                written += 1
                count(1)
    return written


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """A file under another name until it is whole, or standard output."""
    if out is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(newline="")  # or Windows ends each line twice
        yield sys.stdout
        sys.stdout.flush()
        return
    if out.is_dir():
        raise Failure(f"cannot write {out}: it is a directory", code=Exit.INVALID)
    try:
        number, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    except OSError as error:
        raise Failure(f"cannot write {out}: {error.strerror}", code=Exit.INVALID) from None
    part = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
