"""`refunds dead resolve`: write down what people found out about a letter; and `discard`, its short form."""

from typing import Annotated, Any

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_who import By, DryRun, KeyOrId, Why, insist, letter_of, who_of
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import remark
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.letter import Letter
from worker.dead_letters.resolve import Checked, check_not_refunded, check_refunded
from worker.domain.job import RefundJob, parse_stored
from worker.domain.problems import InvalidJob
from worker.magento.session import open_session
from worker.resources import open_shop


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command(
        "resolve",
        epilog=examples(
            "refunds dead resolve rma-1 --refunded 000000077 --by ann --why 'seen at the gateway'",
            "refunds dead resolve rma-1 --not-refunded --by ann --why 'the gateway has no refund'",
            "refunds dead resolve rma-1 --discard --by ann --why 'customer kept it'",
        ),
    )(resolve)
    group.command("discard", epilog=examples("refunds dead discard rma-1 --by ann --why 'customer kept it'"))(discard)


def resolve(
    key_or_id: KeyOrId,
    refunded: Annotated[
        str, typer.Option("--refunded", metavar="MEMO", help="It was refunded, with this credit memo: number or id.")
    ] = "",
    not_refunded: Annotated[
        bool, typer.Option("--not-refunded", help="No money moved; the letter may be edited and replayed then.")
    ] = False,
    discarded: Annotated[bool, typer.Option("--discard", help="It shall never be done.")] = False,
    by: By = "",
    why: Why = "",
    other_amount: Annotated[
        bool, typer.Option("--other-amount", help="With --refunded: also where the memo's amount is another one.")
    ] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not ask the shop, which is gone; the audit trail says so.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Close a dead letter by hand, or say that no money moved. The shop is asked whether that can be right.

    Nothing is deleted: closed letters are listed by `refunds dead list --closed`.
    """
    if sum((bool(refunded), not_refunded, discarded)) != 1:
        raise Failure("say one of --refunded MEMO, --not-refunded and --discard", code=Exit.INVALID)
    who = who_of(by, f"{why} (the shop was not asked)" if unchecked and why else why)
    settings = settings_for_a_command()
    if discarded:
        run_until_done(_discard(settings, key_or_id, who, dry_run=dry_run))
    elif refunded:
        is_lenient = (other_amount, unchecked)
        run_until_done(_refunded(settings, key_or_id, refunded, who, lenient=is_lenient, dry_run=dry_run))
    else:
        run_until_done(_not_refunded(settings, key_or_id, who, unchecked=unchecked, dry_run=dry_run))


def discard(key_or_id: KeyOrId, by: By = "", why: Why = "", dry_run: DryRun = False) -> None:
    """Close a dead letter whose job shall never be done; the same as `resolve --discard`."""
    run_until_done(_discard(settings_for_a_command(), key_or_id, who_of(by, why), dry_run=dry_run))


async def _discard(settings: Settings, key_or_id: str, who: Who, *, dry_run: bool) -> None:
    async with opened_desk(settings) as desk:
        letter = await letter_of(desk, key_or_id)
        if letter.verdict == "unknown":
            remark("note: money may have moved for this job, and nobody will be told again")
        if _is_dry(dry_run):
            return
        insist(await LetterActs(desk.redis).close(letter, who, how="discarded"))
        remark("closed; `refunds dead list --closed` shows it")


async def _refunded(
    settings: Settings, key_or_id: str, memo: str, who: Who, *, lenient: tuple[bool, bool], dry_run: bool
) -> None:
    is_any_amount, is_unchecked = lenient
    async with opened_desk(settings) as desk:
        letter, job = await _job_letter(desk, key_or_id)
        if is_unchecked:
            if not memo.isdigit():
                raise Failure("--unchecked needs the entity id of the credit memo, not its number", code=Exit.INVALID)
            result: dict[str, Any] = {"memo_id": int(memo)}
        else:
            found = await _asked(settings, letter, job, memo)
            if found.objection and not (found.is_about_money and is_any_amount):
                hint = " (--other-amount, if that is right)" if found.is_about_money else ""
                raise Failure(f"that cannot be: {found.objection}{hint}", code=Exit.SOME_FAILED)
            result = dict(found.result)
        if letter.service:
            result["service"] = letter.service
        if _is_dry(dry_run):
            return
        insist(await LetterActs(desk.redis).close(letter, who, how="refunded", result=result))
        remark(f"settled with credit memo {result.get('increment_id') or result['memo_id']}")


async def _not_refunded(settings: Settings, key_or_id: str, who: Who, *, unchecked: bool, dry_run: bool) -> None:
    async with opened_desk(settings) as desk:
        letter, job = await _job_letter(desk, key_or_id)
        if letter.verdict != "unknown":
            words = f"the letter says so itself (verdict {letter.verdict}): edit or replay it as it is"
            raise Failure(words, code=Exit.SOME_FAILED)
        if not unchecked:
            found = await _asked(settings, letter, job, "")
            if found.objection:
                raise Failure(f"that cannot be: {found.objection}", code=Exit.SOME_FAILED)
        if _is_dry(dry_run):
            return
        insist(await LetterActs(desk.redis).clear(letter, who))
        remark(f"noted; the letter may be edited and replayed now: refunds dead replay {letter.key}")


async def _job_letter(desk: Desk, key_or_id: str) -> tuple[Letter, RefundJob]:
    letter = await letter_of(desk, key_or_id)
    entry = await desk.ledger.find(letter.key) if letter.was_a_job else None
    if entry is None:
        raise Failure("it never became a job, so nothing of it was refunded: edit or discard it", code=Exit.SOME_FAILED)
    try:
        return letter, parse_stored(entry.doc)
    except InvalidJob as error:
        raise Failure(f"its document cannot be read: {error}", code=Exit.SOME_FAILED) from None


async def _asked(settings: Settings, letter: Letter, job: RefundJob, memo: str) -> Checked:
    known = settings.shops.get(job.shop)
    if known is None:
        hint = "set REFUNDS_SHOPS, or --unchecked if it is gone"
        raise Failure(f"the shop {job.shop!r} is not configured here: {hint}", code=Exit.INVALID)
    async with open_session() as session:
        magento = open_shop(known, session).magento
        if memo:
            return await check_refunded(letter, job, memo, magento)
        return await check_not_refunded(letter, job, magento)


def _is_dry(dry_run: bool) -> bool:  # noqa: FBT001 - a question about an option
    if dry_run:
        remark("it would be written down; nothing was changed (--dry-run)")
    return dry_run
