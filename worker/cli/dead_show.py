"""`refunds dead show`: one dead letter, with everything that is known of it and what to do next."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_who import KeyOrId, letter_of
from worker.cli.examples import examples
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, fields, moment, pretty
from worker.dead_letters.letter import Letter
from worker.domain.reasons import REASONS, next_step
from worker.ledger.entry import Entry

_VERDICTS: Final = {
    "not_sent": "not_sent: nothing was sent, or it is proven that nothing happened",
    "refused": "refused: Magento said no, before any effect",
    "unknown": "unknown: THE SHOP MAY HAVE MOVED MONEY; a human must look",
}
#: Parts of a line of the history that have a place of their own.
_SHOWN: Final = frozenset({"at_ms", "outcome", "event", "worker", "message", "evidence", "was", "now", "by", "why"})


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(epilog=examples("refunds dead show rma-1", "refunds dead show 1718000000000-0 --json"))(show)


def show(key_or_id: KeyOrId, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show one dead letter: job, decision, every attempt, Magento's words, the order as it was, and what to do next."""
    letter, entry = run_until_done(_find(settings_for_a_command(), key_or_id))
    if as_json:
        sent = dict(entry.sent) if entry else {}
        answer_json({**letter.summary(), "revision": letter.revision, "sent": sent, "next": _next(letter)})
        return
    _print_head(letter)
    if letter.was_a_job:
        answer("job:")
        answer(pretty(letter.job))
        _print_call(entry)
        answer("attempts:" if letter.attempts else "no attempt was made")
        for line in letter.attempts:
            _print_line(line)
    else:
        answer("document as it came:")
        answer(letter.raw_text)
    answer()
    answer(f"what to do next: {_next(letter)}")


async def _find(settings: Settings, key_or_id: str) -> tuple[Letter, Entry | None]:
    async with opened_desk(settings) as desk:
        letter = await letter_of(desk, key_or_id)
        return letter, await desk.ledger.find(letter.key) if letter.was_a_job else None


def _next(letter: Letter) -> str:
    """The sentence of the runbook, with the key in place."""
    name = letter.key if letter.was_a_job else letter.id
    return next_step(letter.reason).replace(" KEY", f" {name}").replace(" ID", f" {name}")


def _print_head(letter: Letter) -> None:
    known = REASONS.get(letter.reason)
    fields({
        "id": letter.id,
        "key": letter.key,
        "reason": f"{letter.reason}: {known.means}" if known else letter.reason,
        "verdict": _VERDICTS.get(letter.verdict, letter.verdict),
        "words": letter.message,
        "at": moment(letter.at_ms),
        "shop": letter.shop,
        "service": letter.service,
        "decision": next((line["decision"] for line in reversed(letter.attempts) if line.get("decision")), ""),
        "campaign": letter.campaign,
        "revision": str(letter.revision) if letter.revision > 1 else "",
        "sends": str(letter.sends) if letter.was_a_job else "",
        "money": "" if letter.money is None else str(letter.money),
        "door": letter.door,
    })  # fmt: skip
    answer()


def _print_call(entry: Entry | None) -> None:
    if entry is None or not entry.sent:
        return
    answer("sent last:")
    for name, value in {"at": moment(entry.sent_ms), **entry.sent}.items():
        if value not in (None, ""):
            answer(f"  {name}: {value}")


def _print_line(line: Mapping[str, Any]) -> None:
    what = str(line.get("outcome") or line.get("event") or "")
    rest = "  ".join(f"{name}={value}" for name, value in line.items() if name not in _SHOWN)
    answer(f"  {moment(float(line.get('at_ms') or 0))}  {what:<16}  {rest}")
    if line.get("by") or line.get("why"):
        answer(f"      by {line.get('by') or '?'}: {line.get('why') or 'no reason given'}")
    if line.get("message"):
        answer(f"      words: {line['message']}")
    for name, value in (line.get("was") or {}).items():
        answer(f"      {name}: {value} -> {(line.get('now') or {}).get(name, 'gone')}")
    for name, value in (line.get("evidence") or {}).items():
        answer(f"      {name}: {value}")
