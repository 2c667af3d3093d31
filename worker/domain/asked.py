"""What a job asks for in money, as far as its document alone says. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from worker.domain.facts import Preflight
from worker.domain.job import RefundJob
from worker.domain.limits import Limits, to_cents
from worker.domain.money import cents
from worker.domain.quote import Quote


def money_asked(job: Mapping[str, Any]) -> Decimal | None:
    """Read from a job document what it asks for; None for lines and full refunds without an expected total."""
    if job.get("expected_total") is not None:
        return cents(job["expected_total"])
    memo = job.get("creditmemo")
    if isinstance(memo, Mapping):
        total = memo.get("base_grand_total", memo.get("grand_total"))
        return None if total is None else cents(total)
    shipping = job.get("shipping_amount") or "0"
    if job.get("items") or job.get("full") or shipping == "all":
        return None
    return cents(job.get("amount")) + cents(shipping)


def money_args(job: RefundJob, limits: Limits) -> list[str | int]:
    """What accepting takes of a job's money: what it asks for in cents, as far as it says, and the limits.

    Nothing is computed for a job without a limit and without a campaign, which may have one.
    """
    if not limits and not job.campaign:
        return ["", ""]
    asked = money_asked(vars(job))
    return ["" if asked is None else to_cents(max(asked, Decimal(0))), limits.text]


def says_its_total(job: RefundJob) -> bool:
    """Whether the document itself decides the total of the credit memo: a whole memo, or goodwill and nothing else.

    An expected total only says what somebody thinks, and shipping may bring tax along.
    """
    return job.creditmemo is not None or (job.amount is not None and not job.shipping_amount)


def total_of(job: RefundJob, quote: Quote | None) -> Decimal | None:
    """What a refund will be; None where nobody can tell before the call.

    Args:
        quote: What the shop will make of the job, where that is known.
    """
    if quote is not None:
        return quote.total
    return money_asked(vars(job)) if says_its_total(job) else None


def preflight_under_a_limit(job: RefundJob, policy: Preflight) -> Preflight:
    """The pre-flight policy for a job to which a limit on money applies: its total must be known before the call.

    Args:
        policy: The shop's own.
    """
    if says_its_total(job):
        return "auto" if policy == "never" else policy
    return "always"
