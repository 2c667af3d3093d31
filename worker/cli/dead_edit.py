"""`refunds dead edit`: another document under the same key, or a corrected one for what never became a job."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import click
import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_who import By, DryRun, KeyOrId, Why, insist, letter_of, who_of
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, Publisher, opened_desk, producer, settings_for_a_command
from worker.cli.output import answer, answer_json, pretty, remark
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.edit import CannotEdit, changes_of, objection, with_changes
from worker.dead_letters.letter import Letter
from worker.domain.job import RefundJob
from worker.domain.problems import InvalidJob
from worker.enqueue import Enqueue
from worker.intake.accept import accept, check, stored

Edit = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class _Wish:
    changes: tuple[str, ...]
    who: Who
    dry_run: bool
    replay: bool
    as_json: bool


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "edit",
        epilog=examples(
            "refunds dead edit rma-1 --set 'items[0].qty=1' --by ann --why 'one was kept' --replay",
            "refunds dead edit rma-1 --set amount=2.50 --dry-run --by ann --why typo",
            "EDITOR=nano refunds dead edit 1718000000000-0 --by ann --why 'wrong field name'",
        ),
    )(edit)


def edit(
    key_or_id: KeyOrId,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="As items[0].qty=1; null takes a field out. May be repeated."
        ),
    ] = None,
    by: By = "",
    why: Why = "",
    dry_run: DryRun = False,
    replay: Annotated[bool, typer.Option("--replay", help="Send the job again at once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Correct the document of a dead letter; without --set, in $EDITOR. It is validated like any other.

    A job keeps its key and gets a new revision, only while nothing was sent or it is proven that nothing happened; it
    stays a dead letter until it is replayed. A document that never became a job is accepted once it is valid.
    """
    wish = _Wish(changes=tuple(changes or ()), who=who_of(by, why), dry_run=dry_run, replay=replay, as_json=as_json)
    run_until_done(_edit(settings_for_a_command(), key_or_id, wish))


async def _edit(settings: Settings, key_or_id: str, wish: _Wish) -> None:
    async with opened_desk(settings) as desk:
        letter = await letter_of(desk, key_or_id)
        before = await _document(desk, letter)
        try:
            text = json.dumps(with_changes(_object(before), wish.changes), default=_number) if wish.changes else None
        except CannotEdit as error:
            raise Failure(str(error), code=Exit.INVALID) from None
        job = _checked(text if text is not None else await asyncio.to_thread(_in_editor, before, settings), settings)
        if reason := objection(letter, job):
            raise Failure(reason, code=Exit.SOME_FAILED)
        document = stored(job)
        differs = _show_changes(_object(before), json.loads(document), as_json=wish.as_json)
        if wish.dry_run:
            remark("the document is valid; nothing was changed (--dry-run)")
            return
        if letter.was_a_job and not differs:
            words = f"nothing was changed; `refunds dead replay {letter.key}` sends it again as it is"
            raise Failure(words, code=Exit.INVALID)
        if letter.was_a_job:
            await _revise(desk, letter, job, document, wish)
        else:
            await _accept(desk, letter, document, wish)


async def _revise(desk: Desk, letter: Letter, job: RefundJob, document: str, wish: _Wish) -> None:
    acts = LetterActs(desk.redis)
    insist(await acts.edit(letter, job, document, wish.who))
    remark(f"{letter.key} has revision {letter.revision + 1} now")
    if not wish.replay:
        remark(f"it stays a dead letter until you replay it: refunds dead replay {letter.key}")
        return
    insist(await acts.replay(await letter_of(desk, letter.key), wish.who))
    remark("its job is queued; the shop is asked for its marker before anything is sent")


async def _accept(desk: Desk, letter: Letter, document: str, wish: _Wish) -> None:
    publisher = Publisher(Enqueue(producer(desk.settings)))
    (told,) = await accept([document], desk, publisher, lane="express", door="edit")
    if told.status == "key_conflict":
        differing = "; ".join(map(str, told.problems))
        words = f"another document was accepted under this key before ({differing}): give it a key of its own"
        raise Failure(f"{words}, with --set idempotency_key=...", code=Exit.SOME_FAILED)
    insist(await LetterActs(desk.redis).close(letter, wish.who, how="corrected"))
    remark(f"{told.idempotency_key} is {told.status}; the letter is closed")


async def _document(desk: Desk, letter: Letter) -> str:
    """The document as it was sent in, amounts as they were written."""
    if not letter.was_a_job:
        return letter.raw_text
    entry = await desk.ledger.find(letter.key)
    if entry is None:
        raise Failure(f"the ledger does not know {letter.key!r}", code=Exit.SOME_FAILED)
    return entry.doc


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _checked(text: str, settings: Settings) -> RefundJob:
    try:
        return check(text, settings)
    except InvalidJob as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise Failure(f"the document is not valid, nothing was changed:\n{problems}", code=Exit.INVALID) from None


def _in_editor(before: str, settings: Settings) -> str:
    """Let people edit until the document is valid or they give up.

    Raises:
        Failure: Nothing was changed.
    """
    known = _object(before)
    text: str | None = pretty(known) if known else before
    while True:
        try:
            text = click.edit(text, extension=".json")
        except click.ClickException as error:  # there is none, or it was left as one gives up, as :cq in vi
            raise Failure(
                f"nothing was changed: {error.message} (or give --set FIELD=VALUE)", code=Exit.INVALID
            ) from None
        if text is None:
            raise Failure("the editor was left without a change (or give --set FIELD=VALUE)", code=Exit.INVALID)
        try:
            check(text, settings)
        except InvalidJob as error:
            for problem in error.problems:
                remark(f"  {problem}")
            if not sys.stdin.isatty() or not typer.confirm("Edit again?", default=True, err=True):
                return text
        else:
            return text


def _show_changes(before: Mapping[str, Any], after: Mapping[str, Any], *, as_json: bool) -> bool:
    found = changes_of(before, after)
    if as_json:
        answer_json({"changes": [{"field": path, "before": old, "after": new} for path, old, new in found]})
        return bool(found)
    for path, old, new in found:
        answer(f"- {path}: {_shown(old)}")
        answer(f"+ {path}: {_shown(new)}")
    if not found:
        answer("nothing differs")
    return bool(found)


def _shown(value: object) -> str:
    return "(not there)" if value is None else json.dumps(value, default=str, ensure_ascii=False)
