"""`refunds show`: what the ledger knows of one key, attempt by attempt."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, fields, moment, pretty
from worker.ledger.entry import Entry


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command(epilog=examples("refunds show rma-1", "refunds show rma-1 --json"))(show)


def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The idempotency key.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show one job with its history, attempt by attempt."""
    entry = run_until_done(_find(settings_for_a_command(), key))
    if entry is None:
        raise Failure(f"the ledger has never seen the key {key!r}", code=Exit.SOME_FAILED)
    if as_json:
        answer_json({**asdict(entry), "doc": entry.document()})
    else:
        _print(entry)


async def _find(settings: Settings, key: str) -> Entry | None:
    async with opened_desk(settings) as desk:
        return await desk.ledger.find(key)


def _print(entry: Entry) -> None:
    fields({
        "key": entry.key,
        "state": entry.state.value,
        "shop": entry.shop,
        "lane": entry.lane,
        "campaign": entry.campaign,
        "accepted": moment(entry.accepted_ms),
        "changed": moment(entry.updated_ms),
        "credit memo": entry.result,
        "MISMATCH": [f"{one['kind']}: {one['detail']}" for one in entry.confirmed.get("mismatches", ())],
        "confirmed": {name: value for name, value in entry.confirmed.items() if name != "mismatches"},
        "HELD": f"{entry.hold.words} (refunds approve, refunds decline)" if entry.hold else "",
        "held since": moment(entry.held_ms),
        "approved by": entry.approved_by,
        "counts as spent": "" if entry.money is None else str(entry.money),
        "reason": entry.reason,
        "verdict": entry.verdict,
        "message": entry.message,
        "sends": str(entry.sends),
        "sent": moment(entry.sent_ms),
        "call": entry.sent,
        "order lock": entry.order,
        "held by": entry.holder,
    })  # fmt: skip
    answer()
    answer(pretty(entry.document()))
    print_history(entry.history)


def print_history(history: tuple[Mapping[str, Any], ...]) -> None:
    """Print what happened, oldest first, a line each."""
    answer()
    answer("history:" if history else "no attempt was made yet")
    for line in history:
        rest = {name: value for name, value in line.items() if name not in {"at_ms", "outcome", "event", "worker"}}
        what = str(line.get("outcome") or line.get("event") or "")
        words = "  ".join(f"{name}={value}" for name, value in rest.items())
        answer(f"  {moment(float(line.get('at_ms') or 0))}  {what:<16}  {words}")
