"""What people found out about a dead letter, held against the shop before it is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.dead_letters.letter import Letter
from worker.domain.errors import Refused
from worker.domain.facts import Document
from worker.domain.job import RefundJob
from worker.domain.key import markers_in
from worker.domain.money import cents
from worker.lookups import NotFound, order_of
from worker.magento.client import Magento
from worker.magento.reconcile import marked


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the shop says of a claim.

    Attributes:
        objection: Why the claim cannot be right; empty when it can.
        is_about_money: Whether the objection is only that the amount is another one.
        result: The credit memo, as the ledger keeps it.
    """

    objection: str = ""
    is_about_money: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)


async def check_refunded(letter: Letter, job: RefundJob, memo_name: str, magento: Magento) -> Checked:
    """Hold it against the shop that a credit memo is the refund of this job: it exists, of its order, of its amount.

    Args:
        memo_name: Entity id or number (increment id) of the credit memo.

    Raises:
        NotSent, Throttled, Unauthorised: The shop could not be asked.
    """
    memos = await _memos(job, magento)
    memo = _named(memos, memo_name)
    if memo is None:
        known = ", ".join(f"{one.get('increment_id')} (id {one['entity_id']})" for one in memos) or "none"
        return Checked(objection=f"the order has no credit memo {memo_name}; it has: {known}")
    result = {
        "memo_id": int(memo["entity_id"]),
        "increment_id": memo.get("increment_id"),
        "base_grand_total": str(memo.get("base_grand_total", "")),
    }
    if others := markers_in(memo) - {letter.key}:
        return Checked(objection=f"credit memo {memo_name} is the refund of the job {', '.join(sorted(others))}")
    total, asked = cents(memo.get("base_grand_total")), letter.money
    if asked is not None and total != asked:
        words = f"credit memo {memo_name} is over {total}, the job asks for {asked}"
        return Checked(objection=words, is_about_money=True, result=result)
    return Checked(result=result)


async def check_not_refunded(letter: Letter, job: RefundJob, magento: Magento) -> Checked:
    """Hold it against the shop that there was no refund: no credit memo bears the marker of the job.

    Raises:
        NotSent, Throttled, Unauthorised: The shop could not be asked.
    """
    own = marked(await _memos(job, magento), letter.key, job.creditmemo)
    if own:
        words = (
            f"the shop has credit memo {own[0].get('increment_id')} (id {own[0]['entity_id']}) with this job's marker"
        )
        return Checked(objection=f"{words}: a replay settles it with that one, and sends nothing")
    return Checked()


async def _memos(job: RefundJob, magento: Magento) -> Sequence[Document]:
    try:
        return await magento.creditmemos_of(await order_of(job, magento))
    except (NotFound, Refused):  # the order is gone, and with it its credit memos
        return ()


def _named(memos: Sequence[Document], name: str) -> Document | None:
    by_number = [memo for memo in memos if str(memo.get("increment_id")) == name]
    by_id = [memo for memo in memos if str(memo["entity_id"]) == name]
    return next(iter(by_number or by_id), None)
