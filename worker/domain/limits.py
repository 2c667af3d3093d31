"""Limits on money: of one job, of a shop in a day, of a campaign; and what it means to be over one. Pure."""

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the settings allow, in base currency; None where there is no limit.

    Attributes:
        job: Largest refund of one job.
        day: Largest sum of a shop for one day (UTC).
        campaign: Largest sum of a campaign, where none was set for that campaign itself.
    """

    job: Decimal | None = None
    day: Decimal | None = None
    campaign: Decimal | None = None

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return any(limit is not None for limit in (self.job, self.day, self.campaign))

    @property
    def text(self) -> str:
        """As the Lua moves take them: `<job>/<day>/<campaign>` in cents; empty without any limit."""
        limits = (self.job, self.day, self.campaign)
        return "/".join("" if one is None else str(to_cents(one)) for one in limits) if self else ""


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why a job is held for approval.

    Attributes:
        reason: `over_job_limit`, `over_day_limit`, `over_campaign_limit` or `amount_unknown`.
        asked: What the job asks for; None where nobody can tell before the call.
        limit: The limit that it is over.
        spent: What counted as spent of that limit when the job was held.
    """

    reason: str
    asked: Decimal | None = None
    limit: Decimal | None = None
    spent: Decimal = Decimal("0.00")

    @property
    def words(self) -> str:
        """The same in one sentence."""
        match self.reason:
            case "over_job_limit":
                return f"{self.asked} asked, one job may refund {self.limit}"
            case "over_day_limit":
                return f"{self.asked} asked, {self.spent} of the {self.limit} of this shop and day is spent"
            case "over_campaign_limit":
                return f"{self.asked} asked, {self.spent} of the {self.limit} of this campaign is spent"
            case _:
                return "a limit applies, and what the refund will be cannot be told before the call"


def to_cents(amount: Decimal) -> int:
    """An amount as whole cents."""
    return int(amount.scaleb(2))


def of_cents(text: str | None) -> Decimal | None:
    """An amount from whole cents; None for nothing."""
    return Decimal(text).scaleb(-2) if text else None


def approval_objection(by: str, *, requesters: tuple[str, ...]) -> str:
    """Say why somebody may not approve a job; empty when they may.

    Args:
        by: Who wants to approve.
        requesters: Who asked for the refund, or started its campaign; empty ones are unknown.
    """
    if not _name(by):
        return "say who approves: --by NAME"
    if _name(by) in {_name(one) for one in requesters if _name(one)}:
        return f"{by.strip()} asked for it: somebody else must approve"
    return ""


def _name(text: str) -> str:
    """A name as it is compared: nobody becomes another by capitals or spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
