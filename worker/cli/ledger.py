"""`refunds ledger`: make a Redis a ledger, say how far it is trusted, see whether its books add up."""

from typing import Annotated, Any, Literal

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import NO_LEDGER, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, fields, moment, remark

How = Literal["first", "after_loss", "trust"]
_SAID = {
    "created": "this Redis is a ledger now",
    "exists": "this Redis holds a ledger already; nothing was changed",
    "after_loss": "every job will be looked up in its shop before its first send, until `refunds ledger init --trust`",
    "trusted": "jobs are sent without a look-up again",
    "no ledger": NO_LEDGER,
}


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="The ledger: what is known of every idempotency key.", no_args_is_help=True)
    group.command(
        epilog=examples("refunds ledger init", "refunds ledger init --after-loss", "refunds ledger init --trust")
    )(init)
    group.command(epilog=examples("refunds ledger status", "refunds ledger status --json"))(status)
    cli.add_typer(group, name="ledger")


def init(
    after_loss: Annotated[
        bool, typer.Option("--after-loss", help="Data was lost: look every job up in its shop before its first send.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="End what --after-loss began.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make this Redis the ledger. Once, for a first installation; workers send nothing before."""
    if after_loss and trust:
        raise Failure("--after-loss and --trust exclude each other", code=Exit.INVALID)
    how: How = "after_loss" if after_loss else "trust" if trust else "first"
    said = run_until_done(_init(settings_for_a_command(), how))
    if as_json:
        answer_json({"answer": said, "detail": _SAID[said]})
    else:
        answer(_SAID[said])
    if said == "no ledger":
        raise SystemExit(int(Exit.SOME_FAILED))


async def _init(settings: Settings, how: How) -> str:
    async with opened_desk(settings) as desk:
        info = await desk.redis.info("server")
        return await desk.ledger.initialise(how, run_id=str(info["run_id"]))


def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show the ledger's identity and its counts, and whether they add up. Exit code 1 if they do not."""
    found = run_until_done(_status(settings_for_a_command()))
    if as_json:
        answer_json(found)
    else:
        _print(found)
    if not found["ledger"] or not found["adds_up"]:
        raise SystemExit(int(Exit.SOME_FAILED))


async def _status(settings: Settings) -> dict[str, Any]:
    async with opened_desk(settings) as desk:
        identity, counts = await desk.ledger.identity(), await desk.ledger.counts()
    states = {name: count for name, count in counts.items() if name != "accepted"}
    return {
        "ledger": bool(identity),
        "id": identity.get("id"),
        "mode": identity.get("mode"),
        "created_ms": int(identity.get("created_ms") or 0),
        "epoch_ms": int(float(identity.get("epoch_ms") or 0)),
        "epochs": int(identity.get("epochs") or 0),
        "run_id": identity.get("run_id"),
        "accepted": counts["accepted"],
        "states": states,
        "adds_up": counts["accepted"] == sum(states.values()),
    }


def _print(found: dict[str, Any]) -> None:
    if not found["ledger"]:
        remark(NO_LEDGER)
    fields({
        "ledger": found["id"] or "none",
        "mode": found["mode"],
        "created": moment(found["created_ms"]),
        "last restart or failover": moment(found["epoch_ms"]),
        "accepted": str(found["accepted"]),
        **{f"  {name}": str(count) for name, count in found["states"].items()},
    })  # fmt: skip
    answer(
        "the counts add up" if found["adds_up"] else "THE COUNTS DO NOT ADD UP: accepted is not the sum of the states"
    )
