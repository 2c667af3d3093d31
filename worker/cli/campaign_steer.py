"""`refunds campaign list|pause|resume|cancel|rate`: what campaigns there are, and steering one from any machine."""

import re
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Final

import typer

from config.settings import Settings
from worker.campaigns.store import Campaign, Campaigns, CampaignState, Counts, Steered
from worker.cancelling import run_until_done
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.opening import Desk, opened_desk, settings_for_a_command
from worker.cli.output import answer, answer_json, answer_table, moment, remark
from worker.cli.people import login
from worker.domain.lifecycle import State
from worker.trail import Act

_COLUMNS: Final = ("name", "state", "count", "finished", "dead", "rate", "created (UTC)", "by", "file")
_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/s)?")
#: Jobs that were in flight at a cancel and are named; `refunds campaign status` counts the others.
_NAMED: Final = 20

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it; your login if not given.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the audit trail.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("list", epilog=examples("refunds campaign list", "refunds campaign list --json"))(list_campaigns)
    group.command("pause", epilog=examples("refunds campaign pause spring --by ann --why 'wrong price list'"))(pause)
    group.command("resume", epilog=examples("refunds campaign resume spring --by ann"))(resume)
    group.command("cancel", epilog=examples("refunds campaign cancel spring --by ann --why 'wrong file'"))(cancel)
    group.command("rate", epilog=examples("refunds campaign rate spring 20/s", "refunds campaign rate spring none"))(
        rate
    )


def parse_rate(text: str) -> float:
    """Read a rate, as `20`, `20/s` or `0.5/s`; `none` is no limit.

    Raises:
        Failure: It is none.
    """
    if text.strip().lower() in {"none", "0"}:
        return 0.0
    found = _RATE.fullmatch(text.strip())
    if not found or float(found[1]) <= 0:
        raise Failure(f"{text!r} is no rate: write jobs a second, as 20/s or 0.5/s, or none", code=Exit.INVALID)
    return float(found[1])


# --- list -----------------------------------------------------------------------------------------------------------


def list_campaigns(as_json: AsJson = False) -> None:
    """List the campaigns, oldest first."""
    found = run_until_done(_list(settings_for_a_command()))
    if as_json:
        answer_json({"campaigns": [{**asdict(campaign), "jobs": _jobs(counts)} for campaign, counts in found]})
    elif found:
        answer_table(_COLUMNS, [_row(campaign, counts) for campaign, counts in found])
    else:
        remark("there is no campaign; refunds campaign start FILE --name NAME makes one")


async def _list(settings: Settings) -> list[tuple[Campaign, Counts]]:
    async with opened_desk(settings) as desk:
        campaigns = Campaigns(desk.redis)
        return [(campaign, await campaigns.counts(campaign.name)) for campaign in await campaigns.all()]


def _row(campaign: Campaign, counts: Counts) -> list[object]:
    return [
        campaign.name,
        campaign.state.value,
        counts.total,
        counts.finished,
        counts.jobs[State.DEAD],
        f"{campaign.rate:g}/s" if campaign.rate else "",
        moment(campaign.created_ms),
        campaign.by,
        campaign.file,
    ]


def _jobs(counts: Counts) -> dict[str, int]:
    return {state.value: count for state, count in counts.jobs.items()}


# --- steer ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Act:
    """One way to steer: its word in the audit trail, from where it is allowed, and what is then so."""

    word: str
    allowed: frozenset[CampaignState]
    to: CampaignState | None
    already: frozenset[CampaignState] = frozenset()


_OPEN: Final = frozenset({CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED})
_PAUSE: Final = _Act(
    word="campaign.paused",
    allowed=frozenset({CampaignState.RUNNING}),
    to=CampaignState.PAUSED,
    already=frozenset({CampaignState.PAUSED}),
)
_RESUME: Final = _Act(
    word="campaign.resumed",
    allowed=frozenset({CampaignState.PAUSED}),
    to=CampaignState.RUNNING,
    already=frozenset({CampaignState.RUNNING}),
)
_CANCEL: Final = _Act(
    word="campaign.cancelled",
    allowed=_OPEN,
    to=CampaignState.CANCELLED,
    already=frozenset({CampaignState.CANCELLED}),
)
_SET_RATE: Final = _Act(word="campaign.rate_changed", allowed=_OPEN, to=None)


def pause(name: Name, by: By = "", why: Why = "", as_json: AsJson = False) -> None:
    """Stop sending. When this returns nothing new is sent; calls that are under way end, and are written down."""
    _run(_steer(settings_for_a_command(), name, _PAUSE, by=by, why=why), name, as_json=as_json)


def resume(name: Name, by: By = "", why: Why = "", as_json: AsJson = False) -> None:
    """Go on after a pause."""
    _run(_steer(settings_for_a_command(), name, _RESUME, by=by, why=why), name, as_json=as_json)


def cancel(name: Name, by: By = "", why: Why = "", as_json: AsJson = False) -> None:
    """End it for ever: nothing new is sent. What is at the shop already, or in doubt, is finished, and named here."""
    _run(_steer(settings_for_a_command(), name, _CANCEL, by=by, why=why), name, as_json=as_json)


def rate(
    name: Name,
    jobs_a_second: Annotated[str, typer.Argument(metavar="R/s", help="Jobs a second, as 20/s; none for no limit.")],
    by: By = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Change how many jobs a second it may start, while it runs. The limits of the shop hold in any case."""
    wanted = parse_rate(jobs_a_second)
    _run(_steer(settings_for_a_command(), name, _SET_RATE, by=by, why=why, rate=wanted), name, as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What an act did: the campaign after it, whether it changed anything, and the jobs that are in flight."""

    campaign: Campaign
    changed: bool
    in_flight: int
    keys: list[str]


def _run(act: Coroutine[Any, Any, _Said], name: str, *, as_json: bool) -> None:
    said = run_until_done(act)
    if as_json:
        answer_json({"campaign": name, "state": said.campaign.state.value, "rate": said.campaign.rate,
                     "changed": said.changed, "in_flight": said.in_flight, "in_flight_keys": said.keys})  # fmt: skip
        return
    pace = f", {said.campaign.rate:g} jobs a second" if said.campaign.rate else ""
    already = "" if said.changed else " already"
    answer(f"{name} is {said.campaign.state.value}{already}{pace}")
    if said.in_flight and said.campaign.state in {CampaignState.PAUSED, CampaignState.CANCELLED}:
        remark(f"{said.in_flight} jobs are at the shop or in doubt; they end by themselves:")
        for key in said.keys:
            remark(f"  {key}")
        if said.in_flight > len(said.keys):
            remark(f"  and {said.in_flight - len(said.keys)} more")


async def _steer(settings: Settings, name: str, act: _Act, *, by: str, why: str, **fields: float) -> _Said:
    async with opened_desk(settings) as desk:
        campaigns = Campaigns(desk.redis)
        before = await campaigns.find(name)
        if before is None:
            raise await missing_campaign(campaigns, name)
        if before.state in act.already:
            return _Said(campaign=before, changed=False, in_flight=0, keys=[])
        steered, after = await _do(campaigns, before, act, by=by or login(), why=why, **fields)
        if steered.answer != "ok":
            raise Failure(_refusal(name, steered, act), code=Exit.INVALID)
        keys = await in_flight(desk, at_most=_NAMED, name=name) if steered.in_flight else []
        return _Said(campaign=after, changed=True, in_flight=steered.in_flight, keys=keys)


async def _do(
    campaigns: Campaigns, before: Campaign, act: _Act, *, by: str, why: str, **fields: float
) -> tuple[Steered, Campaign]:
    """Do it, with its record; looked at anew where somebody else changed the campaign since it was read."""
    while True:
        after = replace(before, state=act.to or before.state, rate=fields.get("rate", before.rate))
        was, now = ({"state": one.state.value, "rate": one.rate} for one in (before, after))
        subject = f"campaign:{before.name}"
        record = Act(act=act.word, subject=subject, by=by, why=why, before=was, after=now)
        steered = await campaigns.steer(
            before.name, allowed=act.allowed & {before.state}, to=act.to, act=record, changed_by=by, why=why, **fields
        )
        found = await campaigns.find(before.name)
        if steered.answer == "ok" or found is None or found.state is before.state:
            return steered, after
        before = found


def _refusal(name: str, steered: Steered, act: _Act) -> str:
    if steered.before == CampaignState.DRAFT and act is not _CANCEL:
        return f"{name} is still being imported and nothing of it is sent; cancel it, or wait for the import"
    return f"{name} is {steered.before}: that cannot be changed any more"


async def missing_campaign(campaigns: Campaigns, name: str) -> Failure:
    """Say that there is no such campaign, and which there are."""
    known = ", ".join(campaign.name for campaign in (await campaigns.all())[-10:]) or "none"
    return Failure(f"no campaign is named {name!r}; there are: {known}", code=Exit.INVALID)


async def in_flight(desk: Desk, *, name: str, at_most: int) -> list[str]:
    """Name jobs of a campaign that are at the shop or in doubt; looks where those can be, not through all its jobs."""
    keys: set[str] = set()
    workers = [str(worker) for worker in await desk.redis.zrange("refunds:workers", 0, -1)]
    for worker in workers:
        keys |= {str(key) for key in await desk.redis.smembers(f"refunds:held:{worker}")}
    keys |= {str(key) for key in await desk.redis.zrange("refunds:due", 0, 1000)}
    found = await desk.ledger.find_many(sorted(keys))
    return [
        key for key, entry in found.items() if entry.campaign == name and entry.state in {State.SENT, State.IN_DOUBT}
    ][:at_most]
