"""`refunds campaign start`: a file is judged line by line, shown, confirmed, and only then accepted and sent."""

import asyncio
import re
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from typer.core import TyperCommand

from config.settings import Settings
from worker.campaigns.columns import WrongFile
from worker.campaigns.read import Source
from worker.campaigns.rejected import Rejected
from worker.campaigns.seen import Seen
from worker.campaigns.spool import Spool
from worker.campaigns.store import Campaign, Campaigns, CampaignState
from worker.cli import campaign_survey
from worker.cli.campaign_quotes import quotes_of
from worker.cli.campaign_steer import parse_rate
from worker.cli.campaign_survey import Quotes
from worker.cli.documents import opened_input
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure, Interrupted
from worker.cli.opening import NO_LEDGER, opened_desk, settings_for_a_command, unreachable
from worker.cli.output import answer, answer_json, remark
from worker.cli.people import login
from worker.cli.progress import counting
from worker.domain.money import parse_amount
from worker.guards.budget import set_campaign_limit
from worker.intake.campaign import Enlisted, NoDraft, Survey, Surveyor, enlist
from worker.intake.lines import Reading
from worker.trail import Act

#: Jobs that `--live` looks up at the shop when it does not say how many.
_SAMPLE: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EXAMPLES: Final = (
    "refunds campaign start recall.csv --name recall-2031 --dry-run --live",
    "refunds campaign start recall.csv --name recall-2031 --rate 20/s --limit-total 50000",
    "refunds campaign start recall.csv --name recall-2031 --yes --json",
)


class _Start(TyperCommand):
    """Lets `--live` stand alone, for a sample of the usual size."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps its context type to itself
        """Add the size of the sample where it is not given."""
        for place, word in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else ""
            if word == "--live" and not (following.isdigit() or following == "all"):
                args = [*args[: place + 1], str(_SAMPLE), *args[place + 1 :]]
                break
        return super().parse_args(ctx, args)


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("start", cls=_Start, epilog=examples(*_EXAMPLES))(start)


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What was asked for on the command line."""

    file: str
    name: str
    shop: str
    dry_run: bool
    live: str
    rate: float
    limit_total: Decimal | None
    strict: bool
    yes: bool
    add: bool
    again: bool
    by: str
    as_json: bool


def start(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV with a header of job fields, or JSONL.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the campaign.")],
    shop: Annotated[str, typer.Option(metavar="SHOP", help="The shop of lines that name none.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: judge all, sum up, send nothing.")] = False,
    live: Annotated[
        str, typer.Option(metavar="[N|all]", help="Look N jobs (20, or all) up at the shop, with what they will be.")
    ] = "",
    rate: Annotated[str, typer.Option(metavar="R/s", help="Jobs a second at most.")] = "none",
    limit_total: Annotated[
        str, typer.Option("--limit-total", metavar="AMOUNT", help="Most that it may refund, base currency.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Accept nothing if a single line is wrong.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    add: Annotated[
        bool, typer.Option("--add", help="The campaign exists: add the lines of this file that it does not have.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="This very file was a campaign before: refund its lines a second time.")
    ] = False,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who starts it; your login if not given.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Start a campaign. The same command again completes what was cut off, and repeats nothing."""
    wish = _Wish(
        file=file, name=_checked_name(name), shop=shop, dry_run=dry_run, live=live, rate=parse_rate(rate),
        limit_total=_checked_limit(limit_total), strict=strict, yes=yes, add=add, again=again, by=by or login(),
        as_json=as_json,
    )  # fmt: skip
    if file == "-" or (Path(file).exists() and not (Path(file).is_file() or Path(file).is_dir())):  # a pipe, a device
        raise Failure("a campaign needs a file, so that it can be completed after a crash", code=Exit.INVALID)
    settings = settings_for_a_command()
    if shop and shop not in settings.shops:
        known = ", ".join(sorted(settings.shops)) or "none"
        raise Failure(f"no shop is named {shop!r}; there are: {known}", code=Exit.INVALID)
    run = _Run(wish=wish, settings=settings)
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(opened_input(file))
            asyncio.run(run.work(stream, stack))
        except WrongFile as error:
            raise Failure(f"{file}: {error}", code=Exit.INVALID) from None
        except KeyboardInterrupt:
            raise Interrupted(run.how_far()) from None
    raise SystemExit(int(run.exit_code))


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Failure(f"{name!r} is no name for a campaign: letters, digits, and . _ - inside", code=Exit.INVALID)
    return name


def _checked_limit(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_amount(text)
    except ValueError as error:
        raise Failure(f"--limit-total {error}", code=Exit.INVALID) from None


@dataclass(kw_only=True)
class _Run:
    """One run of the command."""

    wish: _Wish
    settings: Settings
    survey: Survey = field(default_factory=Survey)
    enlisted: Enlisted | None = None
    taken: int = 0
    rejected_file: str = ""
    exit_code: Exit = Exit.DONE

    def how_far(self) -> str:
        if self.taken:
            return f"{self.taken:,} jobs were accepted and nothing is sent yet; the same command completes it"
        return "nothing was accepted"

    async def work(self, stream: BinaryIO, stack: ExitStack) -> None:
        """Look at the file; show it; ask; accept; let it run."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the end of a blocked read
        spool = stack.enter_context(Spool())
        async with opened_desk(self.settings) as desk:
            try:
                if not await desk.has_ledger() and not self.wish.dry_run:
                    raise Failure(NO_LEDGER, code=Exit.INVALID)
                campaigns = Campaigns(desk.redis)
                existing = await campaigns.find(self.wish.name)
                await self._look(stream, spool, campaigns)
                await self._check(campaigns, existing)
                quotes = await self._quotes(spool, desk.redis) if self.wish.live else None
                if not self.wish.as_json:
                    self._tell(quotes)
                if self.wish.dry_run:
                    self._end(existing.state if existing else None, quotes)
                    self._refuse_what_is_too_much()
                    return
                self._refuse_what_is_too_much()
                if not self._new and existing and existing.state is not CampaignState.DRAFT:
                    remark(f"{self.wish.name} has all of it already; nothing was done")
                    self._end(existing.state, quotes)
                    return
                self._ask()
                self._end(await self._begin(desk.redis, campaigns, spool, existing), quotes)
            except (RedisError, OSError) as error:
                reason = unreachable(self.settings, error)
                raise Failure(f"{reason} ({self.how_far()})", code=Exit.UNREACHABLE) from None

    @property
    def _new(self) -> int:
        return self.survey.good - self.survey.known

    # --- look -------------------------------------------------------------------------------------------------

    async def _look(self, stream: BinaryIO, spool: Spool, campaigns: Campaigns) -> None:
        source = Source(stream, max_bytes=self.settings.max_document_bytes)
        reading = Reading(settings=self.settings, campaign=self.wish.name, shop=self.wish.shop,
                          columns=source.columns, delimiter=source.delimiter)  # fmt: skip
        with Rejected(Path(self.wish.file)) as rejected, Seen() as seen, counting("lines judged") as count:
            surveyor = Surveyor(source=source, reading=reading, rejected=rejected, seen=seen, spool=spool,
                                campaigns=campaigns, progress=count)  # fmt: skip
            self.survey = await surveyor.run()
            self.rejected_file = str(rejected.path)
        if not self.survey.lines:
            raise WrongFile("it holds no lines but its header")

    async def _check(self, campaigns: Campaigns, existing: Campaign | None) -> None:
        """Refuse what would refund twice, or mix two files up without being told to."""
        name, sha256 = self.wish.name, self.survey.sha256
        if existing is None:
            earlier = await campaigns.made_from(sha256)
            if earlier and not self.wish.again and not self.wish.dry_run:
                words = f"this very file is the campaign {earlier} already; as {name} its lines would be refunded again"
                raise Failure(f"{words} (--again if that is meant)", code=Exit.INVALID)
            if earlier:
                remark(f"warning: this very file is the campaign {earlier} already; its lines are refunded again")
        elif existing.state is CampaignState.CANCELLED:
            raise Failure(f"{name} was cancelled: nothing more is accepted under its name", code=Exit.INVALID)
        elif existing.sha256 != sha256 and not self.wish.add:
            words = f"{name} was made from another file, or this one was changed since ({existing.file})"
            raise Failure(f"{words}; --add adds the lines that it does not have", code=Exit.INVALID)

    async def _quotes(self, spool: Spool, redis: Redis) -> Quotes:
        wanted = None if self.wish.live == "all" else int(self.wish.live)
        with counting("looked up", total=self._new if wanted is None else min(wanted, self._new)) as count:
            return await quotes_of(spool, self._new, wanted, self.settings, redis, count)

    def _tell(self, quotes: Quotes | None) -> None:
        campaign_survey.tell(self.wish.name, self.wish.file, self.survey, self.rejected_file, in_full=self.wish.dry_run)
        if quotes is not None:
            campaign_survey.tell_quotes(quotes, self._new)

    # --- may it -----------------------------------------------------------------------------------------------

    def _refuse_what_is_too_much(self) -> None:
        if not self.survey.good:
            raise Failure(f"no line of {self.wish.file} is a job that is to be done", code=Exit.INVALID)
        if self.wish.strict and self.survey.rejected:
            words = f"{self.survey.rejected:,} lines are rejected ({self.rejected_file}); --strict accepts nothing then"
            raise Failure(words, code=Exit.INVALID)
        limit = self.wish.limit_total
        if limit is not None and self.survey.total > limit:
            words = f"the lines ask for {self.survey.total:,.2f}, and --limit-total is {limit:,.2f}"
            raise Failure(f"{words}; nothing was accepted", code=Exit.INVALID)

    def _ask(self) -> None:
        if self.wish.yes or not self._new:
            return
        words = self._what()
        if not sys.stdin.isatty():
            raise Failure(f"{words}. Nobody can be asked here: say --yes to start", code=Exit.INVALID)
        remark(words)
        if not typer.confirm("Start them?", default=False, err=True):
            raise Failure("nothing was accepted", code=Exit.INVALID)

    def _what(self) -> str:
        return f"{self._new:,} refunds: {campaign_survey.money_in_words(self.survey)}"

    # --- begin ------------------------------------------------------------------------------------------------

    async def _begin(
        self, redis: Redis, campaigns: Campaigns, spool: Spool, existing: Campaign | None
    ) -> CampaignState:
        wish, name = self.wish, self.wish.name
        if existing is None:
            is_new, _ = await campaigns.create(
                name, sha256=self.survey.sha256, file=Path(wish.file).name, by=wish.by, rate=str(wish.rate),
                limit_total="" if wish.limit_total is None else str(wish.limit_total),
            )  # fmt: skip
            if not is_new:
                raise Failure(f"somebody else began {name} at the same moment; look at it first", code=Exit.INVALID)
        if wish.limit_total is not None and (existing is None or existing.state is CampaignState.DRAFT):
            await set_campaign_limit(redis, name, wish.limit_total)  # before the first job: it holds for all of them
        await self._enlist(campaigns, spool)
        return await self._run_it(campaigns)

    async def _run_it(self, campaigns: Campaigns) -> CampaignState:
        """Let it run; with its record in the audit trail."""
        wish, name = self.wish, self.wish.name
        before = await campaigns.find(name)
        if before is None or before.state is CampaignState.CANCELLED:
            raise Failure(f"{name} was cancelled while it was imported", code=Exit.SOME_FAILED)
        is_new = before.state is CampaignState.DRAFT
        to = CampaignState.PAUSED if before.state is CampaignState.PAUSED else CampaignState.RUNNING
        limit = None if before.limit_total is None else str(before.limit_total)
        act = Act(
            act="campaign.started" if is_new else "campaign.extended", subject=f"campaign:{name}", by=wish.by, why="",
            before={"state": before.state.value},
            after={"state": to.value, "file": wish.file, "sha256": self.survey.sha256, "accepted": before.accepted,
                   "known_sum": str(self.survey.total), "rate": before.rate, "limit_total": limit},
        )  # fmt: skip
        counts: dict[str, str | float] = {"lines": self.survey.lines, "rejected": self.survey.rejected, "ended_ms": 0}
        counts |= {"started_ms": "now"} if is_new else {}
        steered = await campaigns.steer(name, allowed=frozenset({before.state}), to=to, act=act, **counts)
        return to if steered.answer == "ok" else await self._run_it(campaigns)

    async def _enlist(self, campaigns: Campaigns, spool: Spool) -> None:
        with counting("accepted", total=self._new) as count:

            def progress(jobs: int) -> None:
                self.taken += jobs
                count(jobs)

            try:
                self.enlisted = await enlist(self.wish.name, spool, campaigns, progress)
            except NoDraft:
                raise Failure(f"{self.wish.name} was cancelled while it was imported", code=Exit.SOME_FAILED) from None

    def _end(self, state: CampaignState | None, quotes: Quotes | None) -> None:
        done = self.enlisted
        if self.survey.rejected or (done and done.conflicts) or (quotes and quotes.refused):
            self.exit_code = Exit.SOME_FAILED
        if self.wish.as_json:
            said = campaign_survey.as_json(self.wish.name, self.wish.file, self.survey, self.rejected_file)
            said |= {"dry_run": self.wish.dry_run, "state": state, "accepted": done.accepted if done else 0}
            said |= {"conflicts_since": done.conflicts if done else [], "quotes": quotes.as_json() if quotes else None}
            answer_json(said)
        elif self.wish.dry_run:
            answer(f"a dry run: nothing was accepted. It would be {self._what()}")
        elif done:
            answer(f"{self.wish.name} is {state}: {done.accepted:,} jobs accepted")
            for key in done.conflicts[:10]:
                remark(f"  {key} was given another content by somebody else meanwhile; it was not accepted")
