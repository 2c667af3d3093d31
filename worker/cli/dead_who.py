"""Who does something to a dead letter, and the letter that is meant: what the commands that act have in common."""

from typing import Annotated

import typer

from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk
from worker.dead_letters.acts import Done, Who
from worker.dead_letters.letter import Letter
from worker.dead_letters.store import DeadLetters

KeyOrId = Annotated[str, typer.Argument(metavar="KEY_OR_ID", help="Idempotency key, or id of the letter.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it; for the audit trail.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; for the audit trail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]


def who_of(by: str, why: str) -> Who:
    """Make sure that somebody takes responsibility.

    Raises:
        Failure: One of them is not given.
    """
    if missing := [name for name, value in (("--by", by), ("--why", why)) if not value.strip()]:
        raise Failure(f"{' and '.join(missing)} must be given: the audit trail keeps who and why", code=Exit.INVALID)
    return Who(by=by.strip(), why=why.strip())


async def letter_of(desk: Desk, key_or_id: str) -> Letter:
    """Find the letter that is meant.

    Raises:
        Failure: There is none; says where the job stands instead.
    """
    letter = await DeadLetters(desk.redis).find(key_or_id)
    if letter is not None:
        return letter
    entry = await desk.ledger.find(key_or_id)
    if entry is None:
        raise Failure(f"there is no dead letter {key_or_id!r}", code=Exit.SOME_FAILED)
    state = f"closed ({entry.closed})" if entry.closed else entry.state.value
    raise Failure(f"there is no dead letter {key_or_id!r}: its job is {state} (`refunds show`)", code=Exit.SOME_FAILED)


def insist(done: Done) -> None:
    """Fail with the reason when an act was not done.

    Raises:
        Failure: It was not.
    """
    if done.why_not:
        raise Failure(f"nothing was done: {done.why_not}", code=Exit.SOME_FAILED)
