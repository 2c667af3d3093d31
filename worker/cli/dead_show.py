"""`refunds dead show`: one dead letter, with everything that is known of it."""

import asyncio
from typing import Annotated

import typer

from config.settings import Settings
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, fields, moment, pretty
from worker.cli.show import print_history
from worker.dead_letters.letter import Letter
from worker.dead_letters.store import DeadLetters


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(epilog=examples("refunds dead show rma-1", "refunds dead show 1718000000000-0 --json"))(show)


def show(
    key_or_id: Annotated[str, typer.Argument(metavar="KEY_OR_ID", help="Idempotency key, or id of the letter.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show one dead letter: the job, Magento's words, every attempt. Raw bytes where it never became a job."""
    letter = asyncio.run(_find(settings_for_a_command(), key_or_id))
    if letter is None:
        raise Failure(f"there is no dead letter {key_or_id!r}", code=Exit.SOME_FAILED)
    if as_json:
        answer_json(letter.summary())
        return
    fields({
        "id": letter.id,
        "key": letter.key,
        "reason": letter.reason,
        "verdict": letter.verdict,
        "message": letter.message,
        "at": moment(letter.at_ms),
        "shop": letter.shop,
        "campaign": letter.campaign,
        "sends": str(letter.sends) if letter.was_a_job else "",
        "money": "" if letter.money is None else str(letter.money),
        "door": letter.door,
    })  # fmt: skip
    answer()
    if letter.was_a_job:
        answer(pretty(letter.job))
        print_history(letter.attempts)
    else:
        answer(letter.raw_text)


async def _find(settings: Settings, key_or_id: str) -> Letter | None:
    async with opened_desk(settings) as desk:
        return await DeadLetters(desk.redis).find(key_or_id)
