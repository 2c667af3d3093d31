"""What is known of campaigns, as a value and in Redis. Changes of state are Lua moves of the ledger.

A campaign's progress is counted where its entries move, so that it always adds up with them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self, cast

from redis.asyncio import Redis

from worker.domain.lifecycle import FINAL, State
from worker.ledger.scripts import Moves
from worker.trail import Act, Trail

CAMPAIGNS: Final = "refunds:campaigns"
CAMPAIGN: Final = "refunds:campaign:"
#: Keys that are read in one step. Whoever reads their credit memos as well holds some 100 kB for each.
_PAGE: Final = 200


class CampaignState(StrEnum):
    """How far a campaign is."""

    #: Its lines are being accepted; nothing of it is sent.
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    #: Nothing new of it is sent, ever.
    CANCELLED = "cancelled"
    #: Each of its jobs came to an end.
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One campaign. Times are ms since 1970 on the Redis server's clock; 0 when it has not happened.

    Attributes:
        file: Name of the file it came from.
        sha256: Hash of that file's content.
        by: Who started it.
        rate: Jobs a second at most; 0 for no limit of its own.
        limit_total: Largest sum that it may refund, base currency; None for no limit.
        lines: Lines of the file that hold a job, good or bad.
        rejected: Lines that are no valid job.
        accepted: Jobs that were accepted under its name.
        changed_by: Who paused, resumed, cancelled or changed it last, and `why`.
    """

    name: str
    state: CampaignState
    file: str = ""
    sha256: str = ""
    by: str = ""
    created_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    rate: float = 0.0
    limit_total: Decimal | None = None
    lines: int = 0
    rejected: int = 0
    accepted: int = 0
    changed_by: str = ""
    why: str = ""

    @classmethod
    def read(cls, name: str, fields: Mapping[str, str]) -> Self:
        """Build a campaign from the fields of its hash; unknown ones are left to newer versions."""
        numbers = ("created_ms", "started_ms", "ended_ms", "lines", "rejected", "accepted")
        texts = ("file", "sha256", "by", "changed_by", "why")
        return cls(
            name=name,
            state=CampaignState(fields["state"]),
            rate=float(fields.get("rate") or 0),
            limit_total=Decimal(fields["limit_total"]) if fields.get("limit_total") else None,
            **{field: int(fields.get(field) or 0) for field in numbers},  # type: ignore[arg-type]  # names of fields
            **{field: fields[field] for field in texts if field in fields},  # type: ignore[arg-type]  # names of fields
        )


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How a campaign's jobs stand.

    Attributes:
        jobs: Jobs by ledger state; each state is there.
        asked: Money that those jobs ask for, by ledger state, base currency: only of jobs that say a sum.
    """

    jobs: Mapping[State, int]
    asked: Mapping[State, Decimal]

    @property
    def total(self) -> int:
        """All its jobs."""
        return sum(self.jobs.values())

    @property
    def finished(self) -> int:
        """Jobs that need nothing more from us."""
        return sum(self.jobs[state] for state in FINAL)

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Build counts from the fields of their hash."""
        return cls(
            jobs={state: int(fields.get(state, 0)) for state in State},
            asked={state: Decimal(int(fields.get(f"{state}_cents", 0))).scaleb(-2) for state in State},
        )


@dataclass(frozen=True, kw_only=True)
class Steered:
    """What came of an act on a campaign.

    Attributes:
        answer: `ok`, `missing`, or `refused` where its state forbids the act.
        before: The state before.
        in_flight: Jobs that are at the shop, or in doubt, at this moment: they end by themselves.
    """

    answer: str
    before: str
    in_flight: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the ledger knows of a key.

    Attributes:
        is_same: Whether it was accepted with this very content.
        campaign: The campaign it belongs to, or "".
    """

    is_same: bool
    state: State
    campaign: str


class Campaigns:
    """The campaigns in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, now_ms: Callable[[], float] | None = None) -> None:
        self._redis, self._clock = redis, now_ms
        self._move, self._trail = Moves(redis), Trail(redis)

    def _now(self) -> str | int:
        return int(self._clock()) if self._clock else ""

    async def find(self, name: str) -> Campaign | None:
        """Read one campaign, or None where there is none of that name."""
        fields = cast("dict[str, str]", await self._redis.hgetall(f"{CAMPAIGN}{name}"))
        return Campaign.read(name, fields) if fields else None

    async def all(self) -> list[Campaign]:
        """Read all campaigns, oldest first."""
        names = [str(name) for name in await self._redis.zrange(CAMPAIGNS, 0, -1)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                _ = pipe.hgetall(f"{CAMPAIGN}{name}")
            found = await pipe.execute()
        return [Campaign.read(name, fields) for name, fields in zip(names, found, strict=True) if fields]

    async def keys(self, name: str) -> AsyncIterator[list[str]]:
        """Go through the keys of a campaign's jobs in the order of its file, a page at a time."""
        start = 0
        while page := cast("list[str]", await self._redis.lrange(f"{CAMPAIGN}{name}:keys", start, start + _PAGE - 1)):
            yield page
            start += len(page)

    async def counts(self, name: str) -> Counts:
        """Count a campaign's jobs by where they stand."""
        return Counts.read(cast("dict[str, str]", await self._redis.hgetall(f"{CAMPAIGN}{name}:counts")))

    async def create(self, name: str, *, sha256: str, **fields: str | int) -> tuple[bool, str]:
        """Note a new campaign as a draft.

        Returns:
            Whether it is new, and the name of the campaign that was made from the same content before, or "".
        """
        pairs = [part for pair in fields.items() for part in pair]
        answer, earlier = await self._move("create_campaign", self._now(), name, sha256, *pairs)
        return answer == "created", str(earlier)

    async def made_from(self, sha256: str) -> str:
        """Name the campaign that was made from this content first, or ""."""
        return str(await self._redis.hget(f"{CAMPAIGNS}:files", sha256) or "")

    async def accept(self, name: str, rows: Sequence[Sequence[str]]) -> list[tuple[str, str]] | None:
        """Accept jobs under a campaign's name and lay them in its backlog; what is known is left as it is.

        Args:
            name: The campaign.
            rows: Of each job what `accept_campaign.lua` takes: key, fingerprint, shop, cents, document, limits.

        Returns:
            Of each job `accepted`, `duplicate` or `key_conflict`, and the campaign that has its key already, or "".
            None where the campaign takes no jobs any more.
        """
        parts = [part for row in rows for part in row]
        answers = await self._move("accept_campaign", self._now(), name, *parts)
        return [(status, campaign) for status, campaign in answers] if answers or not rows else None

    async def known(self, keys: Sequence[tuple[str, str]]) -> dict[int, Known]:
        """Say which keys the ledger knows, by their place.

        Args:
            keys: Each with the fingerprint of its content.
        """
        parts = [part for pair in keys for part in pair]
        answers = await self._move("known_keys", *parts)
        return {
            int(place) - 1: Known(is_same=content == "same", state=State(state), campaign=campaign)
            for place, content, state, campaign in answers
        }

    async def steer(
        self,
        name: str,
        *,
        allowed: frozenset[CampaignState],
        act: Act,
        to: CampaignState | None = None,
        **fields: str | float,
    ) -> Steered:
        """Change the state of a campaign, or only its fields; `"now"` stands for the time.

        Args:
            allowed: States from which it may be done.
            act: Its record for the audit trail, which is made in the same move.
            to: The new state; None leaves it.

        Raises:
            TrailRefused: This Redis holds no ledger.
        """
        pairs = [part for pair in fields.items() for part in pair]
        args = (self._now(), name, " ".join(sorted(allowed)), to or "", *pairs)
        answer = await self._trail.together(act, lambda seal: self._move("steer_campaign", *seal.args, *args))
        said, before, in_flight = answer
        return Steered(answer=said, before=before, in_flight=int(in_flight))
