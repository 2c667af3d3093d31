"""`refunds dead replay`: send jobs of dead letters again, under their own keys: some at once, or a frozen selection."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Final

import typer

from config.settings import Settings
from worker.cancelling import run_until_done
from worker.cli.dead_filters import (
    AsJson,
    Campaigns,
    MaxAmount,
    MinAmount,
    Reasons,
    Services,
    Shops,
    Since,
    Text,
    Until,
    Verdicts,
    filter_of,
)
from worker.cli.dead_selection import look, run_selection
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, remark
from worker.cli.people import login
from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter
from worker.dead_letters.query import Query
from worker.dead_letters.replay import Replayed, replay
from worker.dead_letters.run import Pace
from worker.dead_letters.store import DeadLetters

_RATE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)/([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%")


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(
        "replay",
        epilog=examples(
            "refunds dead replay rma-1 rma-2 --by ann --why 'order was unheld'",
            "refunds dead replay --all --reason order_status --dry-run",
            "refunds dead replay --selection s-1a2b3c4d --rate 5/s --max-failures 20%",
        ),
    )(replay_letters)


def replay_letters(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Idempotency keys, or ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that the filters leave.")] = False,
    reason: Reasons = None,
    shop: Shops = None,
    campaign: Campaigns = None,
    service: Services = None,
    verdict: Verdicts = None,
    since: Since = "",
    until: Until = "",
    min_amount: MinAmount = "",
    max_amount: MaxAmount = "",
    text: Text = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the shop what would come of each, and freeze them as a selection.")
    ] = False,
    selection: Annotated[str, typer.Option(metavar="ID", help="Replay exactly what a dry run has frozen.")] = "",
    rate: Annotated[str, typer.Option(metavar="N/s", help="With --selection: how fast, as 5/s or 300/m.")] = "5/s",
    max_failures: Annotated[
        str, typer.Option(metavar="N%", help="With --selection: stop when so many died again unforeseen.")
    ] = "20%",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who wants it; your login if not given.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the history.")] = "",
    not_refunded: Annotated[
        bool, typer.Option("--not-refunded", help="You looked at the gateway: the money of these jobs did not move.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send jobs of dead letters again, under their own keys. The shop is asked first, so none is refunded twice.

    KEY... and --all replay at once. With --dry-run the shop is asked what would come of each letter, and the letters
    are frozen as a selection; --selection replays exactly those, at a rate. When that is killed or stops, the same
    command goes on.
    """
    if (bool(keys), everything, bool(selection)).count(True) != 1:
        raise Failure("name the keys, say --all (with filters), or give a --selection", code=Exit.INVALID)
    who = Who(by=by or login(), why=why)
    settings = settings_for_a_command()
    if selection:
        pace = Pace(per_second=_per_second(rate), max_failures=_share(max_failures))
        run_selection(settings, selection, who, pace, as_json=as_json)
        return
    wanted = filter_of(
        reasons=reason, shops=shop, campaigns=campaign, services=service, verdicts=verdict, since=since, until=until,
        min_amount=min_amount, max_amount=max_amount, text=text,
    ) if everything else None  # fmt: skip
    chosen = Chosen(keys=tuple(dict.fromkeys(keys or ())), wanted=wanted)
    if dry_run:
        look(settings, chosen.letters, str(chosen), who, not_refunded=not_refunded, as_json=as_json)
        return
    if run_until_done(_replay(settings, chosen, who, not_refunded=not_refunded, as_json=as_json)):
        raise SystemExit(int(Exit.SOME_FAILED))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which letters are meant: some keys, or a filter."""

    keys: tuple[str, ...]
    wanted: Filter | None

    def __str__(self) -> str:
        """Say it in words, for the list of selections."""
        if self.wanted is None:
            return f"{len(self.keys)} by name"
        said = {name: value for name, value in vars(self.wanted).items() if value}
        return ", ".join(f"{name}={_words(value)}" for name, value in said.items()) or "all"

    async def pairs(self, desk: Desk) -> AsyncIterator[tuple[str, Letter | None]]:
        """Give each name with its letter; None where there is none."""
        if self.wanted is not None:
            async for letter in Query(desk.redis).find(self.wanted):
                yield letter.key, letter
        for key in self.keys:
            yield key, await DeadLetters(desk.redis).find(key)

    async def letters(self, desk: Desk) -> AsyncIterator[Letter]:
        """Give the letters.

        Raises:
            Failure: One that was named is not there.
        """
        async for key, letter in self.pairs(desk):
            if letter is None:
                raise Failure(f"there is no dead letter {key!r}", code=Exit.SOME_FAILED)
            yield letter


async def _replay(settings: Settings, chosen: Chosen, who: Who, *, not_refunded: bool, as_json: bool) -> int:
    counts: dict[str, int] = {}
    async with opened_desk(settings) as desk:
        acts = LetterActs(desk.redis)
        async for key, letter in chosen.pairs(desk):
            if letter is None:
                done = Replayed(key=key, status="refused", detail="there is no such dead letter")
            else:
                done = await replay(letter, acts, who, not_refunded=not_refunded)
                if chosen.wanted is not None and not letter.was_a_job:
                    done = replace(done, status="skipped")
            counts[done.status] = counts.get(done.status, 0) + 1
            _say(done, as_json=as_json)
    remark(", ".join(f"{count} {status}" for status, count in counts.items()) or "no letter fits")
    return counts.get("refused", 0)


def _say(done: Replayed, *, as_json: bool) -> None:
    if as_json:
        answer_json({"key": done.key, "status": done.status, "detail": done.detail})
    else:
        answer(f"{done.status:<12}  {done.key or '-'}  {done.detail}")


def _words(value: object) -> str:
    return "|".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _per_second(text: str) -> float:
    found = _RATE.fullmatch(text)
    if found is None or not float(found[1]):
        raise Failure(f"--rate {text!r} is no rate: write 5/s, 300/m or 1000/h", code=Exit.INVALID)
    return float(found[1]) / _SECONDS[found[2]]


def _share(text: str) -> float:
    found = _SHARE.fullmatch(text)
    if found is None or float(found[1]) > 100:  # noqa: PLR2004 - per cent
        raise Failure(f"--max-failures {text!r} is no share: write 20%", code=Exit.INVALID)
    return float(found[1]) / 100
