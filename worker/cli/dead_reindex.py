"""`refunds dead reindex`: build the index of dead letters anew."""

from typing import Annotated

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import remark
from worker.cli.progress import counting
from worker.dead_letters.store import DEAD_CLOSED, DEAD_STREAM, DeadLetters


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("reindex", epilog=examples("refunds dead reindex", "refunds dead reindex --closed"))(reindex)


def reindex(
    closed: Annotated[bool, typer.Option("--closed", help="The index of the closed letters.")] = False,
) -> None:
    """Build the index of dead letters anew, while jobs die and settle. Needed once for letters of an older version.

    A rebuild that was interrupted goes on where it was; until it is at its end, `list` reads every letter instead.
    """
    done = run_until_done(_reindex(settings_for_a_command(), DEAD_CLOSED if closed else DEAD_STREAM))
    remark(f"{done} letter(s) indexed")


async def _reindex(settings: Settings, stream: str) -> int:
    done, is_whole = 0, False
    async with opened_desk(settings) as desk:
        total = await DeadLetters(desk.redis, stream=stream).count()
        with counting("letters", total=total) as count:
            while not is_whole:
                is_whole, step = await desk.ledger.reindex(stream)
                done += step
                count(step)
    return done
