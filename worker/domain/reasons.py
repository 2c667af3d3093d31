"""Every reason for which a job becomes a dead letter: what happened, and what to do next. Pure.

`docs/dead-letters.md` shows the same table; a test keeps them equal, and another that no other reason can be produced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.domain.outcome import Verdict

_NOT_SENT: Final = frozenset({Verdict.NOT_SENT})
_REFUSED: Final = frozenset({Verdict.REFUSED})
_UNKNOWN: Final = frozenset({Verdict.UNKNOWN})
#: Found before the call, or said by Magento: whichever came first.
_NO: Final = _NOT_SENT | _REFUSED
#: Found without a call; but an earlier one may have arrived.
_BEFORE: Final = _NOT_SENT | _UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason code.

    Attributes:
        code: As in letters, logs and filters.
        verdicts: What letters of this reason can say about the shop.
        means: What happened.
        next_step: What to do next, in one sentence.
    """

    code: str
    verdicts: frozenset[Verdict]
    means: str
    next_step: str


_EDIT: Final = "with `refunds dead edit KEY --replay`"


def _reason(code: str, verdicts: frozenset[Verdict], means: str, next_step: str) -> Reason:
    return Reason(code=code, verdicts=verdicts, means=means, next_step=next_step)


_DOCUMENTS: Final = (
    _reason("invalid", _BEFORE, "The document is no valid job.",
            "Correct the document and accept it under its key with `refunds dead edit ID`, or discard it."),
    _reason("key_conflict", _NOT_SENT, "Another document was accepted under this key before.",
            "If it is another refund give it a new key with `refunds dead edit ID --set idempotency_key=...`; "
            "if it is the same one discard it."),
)  # fmt: skip

_OURS: Final = (
    _reason("poison", _BEFORE, "Workers died again and again while they had this job.",
            "Look for what killed them (memory, a deploy) in the logs of the workers in its history, then replay."),
    _reason("internal_error", _BEFORE, "Our own code failed on this job eight times.",
            "Find the traceback of this key in the worker's log, report or mend the fault, then replay."),
    _reason("declined", _BEFORE, "It was over a limit on money, and somebody declined it.",
            "Nothing, if that was right; else raise the limit or have it approved after `refunds dead replay KEY`."),
    _reason("outcome_unknown", _BEFORE, "The gateway was asked, and there is no credit memo.",
            "Look for the payment at the gateway: if it was refunded close the letter with "
            "`refunds dead resolve KEY --refunded MEMO`, if not with `--not-refunded`, then replay."),
    _reason("attempts_exhausted", _NOT_SENT, "Every send ended without effect, as the shop's books prove.",
            "Find out why the shop fails on this order (its exception log), then replay."),
)  # fmt: skip

_NAMES: Final = (
    _reason("order_not_found", _BEFORE | _REFUSED, "The shop has no such order.",
            f"Check the order and the shop that the job names: correct them {_EDIT}, or discard the letter."),
    _reason("order_number_ambiguous", _BEFORE, "Several orders have this number.",
            f"Name the order by its entity id (`order_id`) instead of `order_number` {_EDIT}."),
    _reason("order_number_differs", _NOT_SENT, "The order with this id has another number.",
            f"Find out which of `order_id` and `order_number` is meant and drop the other {_EDIT}."),
    _reason("other_order", _NO, "The shop answered with a document of another order.",
            "Have the shop's extensions checked, because it mixes up orders; replay when it answers rightly."),
    _reason("invoice_not_found", _BEFORE | _REFUSED, "The shop has no such invoice.",
            f"Check the `invoice_id`: correct it {_EDIT}, or name only the order."),
    _reason("invoice_of_other_order", _NOT_SENT, "The invoice belongs to another order.",
            f"Name an invoice of this order, or only the order, {_EDIT}."),
)  # fmt: skip

_ORDER: Final = (
    _reason("order_status", _NO, "The order is on hold, in review, canceled or closed.",
            "Have the order released in Magento (unhold, accept the payment), then replay; a closed one is refunded."),
    _reason("nothing_left", _NO, "Everything that was paid is refunded already.",
            "Look at the order's credit memos: when one of them is this refund discard the letter."),
    _reason("max_money", _NO, "More money is asked than is left of what was paid.",
            f"Lower the amount to what is left {_EDIT}, or discard when another credit memo covers it."),
    _reason("no_shipping", _NO, "Shipping is asked, but the order has none.",
            f"Take `shipping_amount` out {_EDIT}."),
    _reason("shipping_too_large", _NO, "More shipping is asked than is left.",
            f'Lower `shipping_amount` to what is left, or say "all", {_EDIT}.'),
    _reason("expected_total_differs", _NOT_SENT, "Magento would refund another total than was expected.",
            f"Find out which total is right, then correct `expected_total` or the lines {_EDIT}."),
    _reason("total_not_positive", _NO, "The credit memo would be negative or zero.",
            f"Lower `adjustment_negative`, or ask for more lines, {_EDIT}."),
    _reason("empty_memo", _NOT_SENT, "The credit memo would be empty, over 0.00.",
            f"Say what is to be refunded {_EDIT}, or discard the letter."),
    _reason("zero_amount", _REFUSED, "An online refund over nothing was asked.",
            f"Correct the totals of the credit memo {_EDIT}, or discard the letter."),
)  # fmt: skip

_LINES: Final = (
    _reason("item_not_on_order", _NO, "A line or SKU is not on the order.",
            f"Name lines of this order {_EDIT}."),
    _reason("sku_ambiguous", _NOT_SENT, "Several lines of the order have this SKU.",
            f"Name the line by `order_item_id` instead of `sku` {_EDIT}."),
    _reason("item_not_refundable", _NO, "A line cannot be refunded by itself, as the part of a set.",
            f"Name the line that carries the price {_EDIT}."),
    _reason("qty_too_large", _NO, "More pieces are asked than are left to refund.",
            f"Lower the quantity to what is left {_EDIT}, or discard when they are refunded already."),
    _reason("qty_not_whole", _NO, "A fraction of a piece is asked of a line that is sold in whole pieces.",
            f"Correct the quantity {_EDIT}."),
    _reason("qty_above_invoice", _NOT_SENT, "The invoice has fewer pieces left than are asked.",
            f"Lower the quantity, name another invoice, or name only the order, {_EDIT}."),
    _reason("no_items", _NO, "The credit memo would have no line.",
            f"Name lines, or say `full`, {_EDIT}."),
    _reason("return_to_stock", _NO, "A line that goes back on stock is not part of the refund.",
            f"Correct `return_to_stock` {_EDIT}."),
    _reason("stock_item_not_refunded", _NOT_SENT, "A line that goes back on stock is not refunded by this job.",
            f"Correct `return_to_stock`, or refund the line too, {_EDIT}."),
)  # fmt: skip

_INVOICE: Final = (
    _reason("online_needs_invoice", _NOT_SENT, "An online refund needs one paid invoice, and there is none or several.",
            f"Name the `invoice_id`, or refund offline with `online` = false, {_EDIT}."),
    _reason("method_is_offline", _NOT_SENT, "The payment method cannot refund online.",
            f"Set `online` to false {_EDIT}, and pay the customer by other means."),
    _reason("no_capture", _NOT_SENT, "The invoice has no capture at the gateway.",
            f"Set `online` to false {_EDIT}, and pay the customer by other means."),
    _reason("invoice_not_refundable", _NO, "The invoice is not paid, or its payment cannot be refunded.",
            f"Have the invoice paid in Magento and replay, or name only the order {_EDIT}."),
    _reason("tax_above_left", _NOT_SENT, "By this invoice Magento would refund tax that is refunded already.",
            f"Name only the order, without `invoice_id`, {_EDIT}."),
    _reason("existing_creditmemo", _REFUSED, "The document names a credit memo that exists.",
            f"Take `entity_id` out of `creditmemo` {_EDIT}."),
    _reason("comments_not_accepted", _REFUSED, "Magento would not save a comment of the credit memo.",
            f"Correct or take out `creditmemo.comments` {_EDIT}."),
)  # fmt: skip

_ANSWERS: Final = (
    _reason("validation", _NO, "A check of the shop that we do not know says no.",
            "Read Magento's words in the letter: correct the job or the order, then replay."),
    _reason("bad_request", _REFUSED, "Magento could not read the request.",
            f"Compare `creditmemo` with Magento's schema and correct the field that its words name {_EDIT}."),
    _reason("missing_id", _NO, "Magento misses the id of an entity.",
            f"Name existing entities in the document {_EDIT}."),
    _reason("request_not_accepted", _REFUSED, "A proxy before the shop would not take the request.",
            "Have the proxy's limits (size of bodies and headers) raised, then replay."),
    _reason("unknown_refusal", _REFUSED, "The shop said no in words that we do not know; nothing happened.",
            "Read the shop's words in the letter (a rule of its own, another language), mend the cause, then replay."),
    _reason("unknown_answer", _REFUSED, "The shop answered what we do not know; nothing happened.",
            "Read the answer in the letter, have the shop's extensions or its proxy checked, then replay."),
    _reason("unexpected_answer", _REFUSED, "The shop said done in a form that is not Magento's, without a credit memo.",
            "Have the shop's extensions checked that change the refund services, then replay."),
    _reason("duplicate_increment_id", _REFUSED, "Another credit memo has this number.",
            f"Take `increment_id` out of `creditmemo`, or give another, {_EDIT}."),
)  # fmt: skip

#: Every reason by its code.
REASONS: Final[Mapping[str, Reason]] = {
    one.code: one for one in (*_DOCUMENTS, *_OURS, *_NAMES, *_ORDER, *_LINES, *_INVOICE, *_ANSWERS)
}


def next_step(code: str) -> str:
    """Say what to do next with a letter of this reason; letters of older versions may have one that is not known."""
    known = REASONS.get(code)
    return known.next_step if known else "Read the words in the letter, mend the cause, then replay."


def runbook() -> str:
    """The table of `docs/dead-letters.md`."""
    rows = [f"| `{one.code}` | {_verdicts(one)} | {one.means} | {one.next_step} |" for one in REASONS.values()]
    return "\n".join(("| reason | verdict | what happened | what to do next |", "|---|---|---|---|", *rows))


def _verdicts(reason: Reason) -> str:
    return ", ".join(f"`{verdict}`" for verdict in Verdict if verdict in reason.verdicts)
