"""The options by which commands choose dead letters; each command that takes some of them takes them from here."""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

import typer

from worker.cli.failure import Exit, Failure
from worker.dead_letters.filter import Filter
from worker.domain.money import parse_amount

Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="CODE", help="Only letters of this reason code; may be repeated."),
]
Shops = Annotated[list[str] | None, typer.Option("--shop", metavar="NAME", help="Only of this shop; may be repeated.")]
Campaigns = Annotated[
    list[str] | None,
    typer.Option("--campaign", metavar="NAME", help="Only of this campaign, - is none; may be repeated."),
]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="Only of this service, as order_refund; may be repeated."),
]
Verdicts = Annotated[
    list[str] | None,
    typer.Option("--verdict", metavar="V", help="Only not_sent, refused or unknown; may be repeated."),
]
Since = Annotated[
    str,
    typer.Option(metavar="TIME", help="Died at TIME or later: 2026-11-25, '2026-11-25 13:00:00' (UTC), 90m, 12h, 3d."),
]
Until = Annotated[str, typer.Option(metavar="TIME", help="Died before TIME.")]
MinAmount = Annotated[str, typer.Option(metavar="AMOUNT", help="Asks for at least so much; as 12.50.")]
MaxAmount = Annotated[str, typer.Option(metavar="AMOUNT", help="Asks for at most so much.")]
Text = Annotated[
    str, typer.Option(metavar="TEXT", help="Part of Magento's words, of the key, or of the order's id or number.")
]
Closed = Annotated[bool, typer.Option("--closed", help="Letters that were closed by hand, instead of the open ones.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

_VERDICTS: Final = frozenset({"not_sent", "refused", "unknown"})
_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def filter_of(
    *,
    reasons: Sequence[str] | None = None,
    shops: Sequence[str] | None = None,
    campaigns: Sequence[str] | None = None,
    services: Sequence[str] | None = None,
    verdicts: Sequence[str] | None = None,
    since: str = "",
    until: str = "",
    min_amount: str = "",
    max_amount: str = "",
    text: str = "",
    closed: bool = False,
    now: dt.datetime | None = None,
) -> Filter:
    """Make the filter that the options describe.

    Raises:
        Failure: One of them cannot be read; says which, and how it is written.
    """
    if wrong := set(verdicts or ()) - _VERDICTS:
        raise Failure(f"--verdict {min(wrong)} is none of {', '.join(sorted(_VERDICTS))}", code=Exit.INVALID)
    now = now or dt.datetime.now(dt.UTC)
    return Filter(
        reasons=tuple(reasons or ()),
        shops=tuple(shops or ()),
        campaigns=tuple(campaigns or ()),
        services=tuple(services or ()),
        verdicts=tuple(verdicts or ()),
        since_ms=_moment("--since", since, now),
        until_ms=_moment("--until", until, now),
        min_amount=_amount("--min-amount", min_amount),
        max_amount=_amount("--max-amount", max_amount),
        text=text,
        is_closed=closed,
    )


def _moment(option: str, text: str, now: dt.datetime) -> int | None:
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return int((now.timestamp() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{option} {text!r} is no time: write 2026-11-25 or '2026-11-25 13:00:00' (UTC), or how long ago: 90m, 3d",
            code=Exit.INVALID,
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def _amount(option: str, text: str) -> Decimal | None:
    try:
        return parse_amount(text) if text else None
    except ValueError as error:
        raise Failure(f"{option} {text!r} {error}", code=Exit.INVALID) from None
