"""`refunds campaign status`: how a campaign stands, once or as it goes on."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Final

import typer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from config.settings import Settings
from worker.campaigns.status import Status, lines, read_status
from worker.campaigns.store import Campaigns
from worker.cancelling import run_until_done
from worker.cli.campaign_steer import missing_campaign
from worker.cli.examples import examples
from worker.cli.failure import Exit, Interrupted
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, clean, remark
from worker.domain.lifecycle import State

#: Widths that the status is written for; an unknown terminal gets the usual one.
_NARROWEST: Final = 60
_WIDEST: Final = 100
_USUAL: Final = 80
#: How often a line is written where there is no terminal and nothing else was asked for, in seconds.
_LINE_SECONDS: Final = 10.0
_SCREEN_SECONDS: Final = 1.0


def register(group: typer.Typer) -> None:
    """Add the command."""
    lines_of_help = (
        "refunds campaign status spring",
        "refunds campaign status spring --watch",
        "refunds campaign status spring --watch --json --interval 5",
    )
    group.command("status", epilog=examples(*lines_of_help))(show_status)


def show_status(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on until nothing more happens by itself.")] = False,
    interval: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.2, help="How often, with --watch: 1; as plain lines 10.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; with --watch one per interval.")] = False,
) -> None:
    """Show how a campaign stands: jobs, money, pace, what died of what, latency. Reads counters only.

    Ctrl-C ends the watching and never the campaign. With --watch the exit code is 1 when jobs ended as dead letters.
    """
    settings = settings_for_a_command()
    try:
        last = run_until_done(
            _follow(settings, name, interval, as_json=as_json) if watch else _once(settings, name, as_json=as_json)
        )
    except KeyboardInterrupt:
        raise Interrupted(
            f"only the watching; campaign {name} goes on (refunds campaign pause {name} stops it for a while)"
        ) from None
    if watch and last.counts.jobs[State.DEAD]:
        raise typer.Exit(int(Exit.SOME_FAILED))


async def _once(settings: Settings, name: str, *, as_json: bool) -> Status:
    async with opened_desk(settings) as desk:
        status = await _read(desk, name)
    if as_json:
        answer_json(status.summary())
    else:
        answer("\n".join(_lines(status)))
    return status


async def _read(desk: Desk, name: str) -> Status:
    status = await read_status(desk.redis, name)
    if status is None:
        raise await missing_campaign(Campaigns(desk.redis), name)
    return status


async def _follow(settings: Settings, name: str, interval: float | None, *, as_json: bool) -> Status:
    is_screen = sys.stdout.isatty() and not as_json
    pause = interval or (_SCREEN_SECONDS if is_screen or as_json else _LINE_SECONDS)
    if is_screen:
        return await _on_screen(settings, name, pause)
    last: Status | None = None
    async for last in _readings(settings, name, pause):
        if as_json:
            answer_json(last.summary())
        else:
            answer(_in_a_line(last))
    return _some(last)


async def _on_screen(settings: Settings, name: str, pause: float) -> Status:
    last: Status | None = None
    console = Console(highlight=False, markup=False, emoji=False)
    with Live(console=console, auto_refresh=False) as live:
        async for last in _readings(settings, name, pause):
            hint = [] if last.is_over else ["", "Ctrl-C ends the watching; the campaign goes on."]
            live.update(Text("\n".join([*_lines(last, console.width), *hint]), no_wrap=True), refresh=True)
    return _some(last)


def _some(last: Status | None) -> Status:
    if last is None:
        raise AssertionError("bug: watching ends with a reading, or with an error")
    return last


async def _readings(settings: Settings, name: str, pause: float) -> AsyncIterator[Status]:
    """Read again and again, until nothing more happens by itself. A Redis that goes away is waited for."""
    is_away = False
    async with opened_desk(settings) as desk:
        while True:
            try:
                status = await _read(desk, name)
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                if not is_away:
                    remark(f"Redis is away ({type(error).__name__}); trying again")
                is_away = True
            else:
                is_away = False
                yield status
                if status.is_over:
                    return
            await asyncio.sleep(pause)


def _lines(status: Status, width: int = _USUAL) -> list[str]:
    fitting = min(max(width, _NARROWEST), _WIDEST)
    return [clean(line) for line in lines(status, width=fitting, is_plain=not _can_draw())]


def _in_a_line(status: Status) -> str:
    groups = ", ".join(f"{count} {name}" for name, count in status.groups().items() if count)
    money = ", ".join(f"{money:.2f} {currency}".rstrip() for currency, money in status.refunded.items())
    return (
        f"{status.counts.finished} of {status.counts.total} finished ({groups or 'no jobs'}); "
        f"refunded {money or 'nothing yet'}; {status.pace.rate():.1f} jobs/s"
    )


def _can_draw() -> bool:
    """Whether what we print may hold more than ASCII."""
    try:
        "█▁".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
