"""`refunds held`, `refunds approve` and `refunds decline`: jobs over a limit on money, and what people decide."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from config.settings import Settings
from worker.campaigns.store import Campaigns
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table, moment, remark
from worker.cli.progress import counting
from worker.domain.lifecycle import State
from worker.domain.limits import approval_objection
from worker.ledger.entry import Entry
from worker.ledger.holds import Holds, Said

_COLUMNS: Final = ("key", "held since", "money", "shop", "campaign", "requested by", "why")
_LONGEST_NAME: Final = 100

Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Idempotency keys.")]
OfCampaign = Annotated[str, typer.Option("--campaign", metavar="NAME", help="Every held job of this campaign.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.", show_default=False)]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for history and audit trail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("held", epilog=examples("refunds held", "refunds held --campaign spring --json"))(held)
    cli.command(
        "approve",
        epilog=examples(
            "refunds approve rma-1 rma-2 --by ann --why 'checked with the customer'",
            "refunds approve --campaign spring --by ann --dry-run",
        ),
    )(approve)
    cli.command("decline", epilog=examples("refunds decline rma-1 --by ann --why 'not our mistake'"))(decline)


def held(
    campaign: Annotated[str, typer.Option(metavar="NAME", help="Only jobs of this campaign.")] = "",
    shop: Annotated[str, typer.Option(metavar="NAME", help="Only jobs of this shop.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List the jobs that are held because they go over a limit on money, longest first."""
    found, total = run_until_done(_held(settings_for_a_command(), campaign, shop, limit))
    if as_json:
        for entry in found:
            answer_json(summary(entry))
    elif found:
        answer_table(_COLUMNS, [_row(entry) for entry in found])
    known = [entry.hold.asked for entry in found if entry.hold and entry.hold.asked is not None]
    remark(f"{len(found)} job(s) shown of {total} held; {sum(known, Decimal('0.00'))} asked by {len(known)} of them")


async def _held(settings: Settings, campaign: str, shop: str, limit: int) -> tuple[list[Entry], int]:
    found: list[Entry] = []
    async with opened_desk(settings) as desk:
        holds = Holds(desk.redis)
        async for entry in holds.entries(campaign=campaign, shop=shop):
            found.append(entry)
            if len(found) == limit:
                break
        return found, await holds.count()


def summary(entry: Entry) -> dict[str, Any]:
    """What `--json` says of a held job."""
    hold = entry.hold
    return {
        "key": entry.key,
        "held_ms": entry.held_ms,
        "reason": entry.reason,
        "money": str(hold.asked) if hold and hold.asked is not None else None,
        "limit": str(hold.limit) if hold and hold.limit is not None else None,
        "spent": str(hold.spent) if hold else None,
        "shop": entry.shop,
        "campaign": entry.campaign,
        "requested_by": entry.document().get("requested_by"),
        "fingerprint": entry.fingerprint,
    }


def _row(entry: Entry) -> list[object]:
    hold = entry.hold
    asked = "unknown" if hold is None or hold.asked is None else hold.asked
    by = entry.document().get("requested_by") or ""
    words = hold.words if hold else ""
    return [entry.key, moment(entry.held_ms), asked, entry.shop, entry.campaign, by, words]


def approve(
    keys: Keys = None,
    campaign: OfCampaign = "",
    by: By = "",
    why: Why = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let held jobs go, though they are over a limit. Whoever asked for a job cannot approve it.

    An approval is good for the content that was held, and for no more money: if either changes, the job is held again.
    """
    _decide("approve", keys or [], campaign, Said(by=by.strip(), why=why), dry_run=dry_run, as_json=as_json)


def decline(
    keys: Keys = None,
    campaign: OfCampaign = "",
    by: By = "",
    why: Why = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make held jobs dead letters with the reason `declined`. Nothing of them was sent."""
    _decide("decline", keys or [], campaign, Said(by=by.strip(), why=why), dry_run=dry_run, as_json=as_json)


def _decide(what: str, keys: Sequence[str], campaign: str, said: Said, *, dry_run: bool, as_json: bool) -> None:
    if bool(keys) == bool(campaign):
        raise Failure("name the keys (`refunds held` lists them), or say --campaign NAME", code=Exit.INVALID)
    if not said.by or len(said.by) > _LONGEST_NAME or not said.by.isprintable():
        raise Failure(f"say who decides: --by NAME, up to {_LONGEST_NAME} printable characters", code=Exit.INVALID)
    decision = _Decision(what=what, said=said, dry_run=dry_run, as_json=as_json)
    if run_until_done(decision.run(settings_for_a_command(), list(dict.fromkeys(keys)), campaign)):
        raise SystemExit(int(Exit.SOME_FAILED))


@dataclass(kw_only=True)
class _Decision:
    """One run of `approve` or `decline`."""

    what: str
    said: Said
    dry_run: bool
    as_json: bool
    done: int = 0
    refused: int = 0
    money: Decimal = Decimal("0.00")

    async def run(self, settings: Settings, keys: Sequence[str], campaign: str) -> int:
        """Decide on each; gives how many were refused."""
        async with opened_desk(settings) as desk:
            holds, starters = Holds(desk.redis), _Starters(Campaigns(desk.redis))
            move = holds.approve if self.what == "approve" else holds.decline
            with counting(f"{self.what}d", total=len(keys) or None) as count:
                async for key, entry in _chosen(desk, holds, keys, campaign):
                    await self._one(key, entry, move, starters)
                    count(1)
        word = f"would be {self.what}d" if self.dry_run else f"{self.what}d"
        remark(f"{self.done} {word}, {self.money} in all; {self.refused} refused")
        return self.refused

    async def _one(
        self, key: str, entry: Entry | None, move: Callable[[Entry, Said], Awaitable[str]], starters: "_Starters"
    ) -> None:
        objection = await self._objection(entry, starters)
        if entry is not None and not objection and not self.dry_run:
            objection = _came_of(await move(entry, self.said))
        if objection or entry is None:
            self.refused += 1
            self._say(key, "refused", objection)
            return
        asked = entry.hold.asked if entry.hold else None
        self.done, self.money = self.done + 1, self.money + (asked or Decimal(0))
        status = f"would_{self.what}" if self.dry_run else f"{self.what}d"
        self._say(key, status, entry.hold.words if entry.hold else "", money=asked)

    async def _objection(self, entry: Entry | None, starters: "_Starters") -> str:
        if entry is None:
            return "the ledger has never seen this key"
        if entry.state is not State.HELD:
            return f"it is not held, it is {entry.state.value}"
        if self.what == "decline":
            return ""
        requesters = (str(entry.document().get("requested_by") or ""), await starters.of(entry.campaign))
        return approval_objection(self.said.by, requesters=requesters)

    def _say(self, key: str, status: str, detail: str, *, money: Decimal | None = None) -> None:
        if self.as_json:
            answer_json(
                {"key": key, "status": status, "detail": detail, "money": None if money is None else str(money)}
            )
        else:
            answer(f"{status:<13}  {key}  {detail}")


async def _chosen(
    desk: Desk, holds: Holds, keys: Sequence[str], campaign: str
) -> AsyncIterator[tuple[str, Entry | None]]:
    if campaign:
        async for entry in holds.entries(campaign=campaign):
            yield entry.key, entry
    for key in keys:
        yield key, await desk.ledger.find(key)


def _came_of(answered: str) -> str:
    """What went wrong with a move; empty when it was made."""
    match answered:
        case "queued" | "dead":
            return ""
        case "changed":
            return "it changed while you looked: see `refunds show`, and decide again"
        case "missing":
            return "the ledger does not know it"
        case state:
            return f"it is not held, it is {state}"


class _Starters:
    """Who started campaigns, read once each."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns
        self._known: dict[str, str] = {"": ""}

    async def of(self, name: str) -> str:
        if name not in self._known:
            campaign = await self._campaigns.find(name)
            self._known[name] = campaign.by if campaign else ""
        return self._known[name]
