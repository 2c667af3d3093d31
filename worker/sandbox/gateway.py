"""The stand-in for a payment gateway: full and partial refunds, each invoice on its own."""

import secrets
from typing import Any, Final

from worker.domain.money_math import number, price_text
from worker.domain.refund_rules import can_refund_online
from worker.sandbox.errors import refused
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.rows import Draft
from worker.sandbox.states import kept_status, resolved_state

DECLINED: Final = "Transaction has been declined. Please try again later."
NO_CAPTURE: Final = "If the invoice was created offline, try creating an offline credit memo."


def pay_back(draft: Draft, memo: dict[str, Any], call: Call, oracle: Oracle, history_id: int) -> None:
    """Move the money of a memo if a gateway takes part, and note it in the order's history and status.

    Args:
        draft: The order; its `invoice` is set when the refund is online.
        memo: Amounts of the memo; gets the gateway's `transaction_id`.
        call: The request.
        oracle: The shop's books.
        history_id: Id of the history line.

    Raises:
        ShopError: The gateway declines; nothing is saved.
    """
    amount = number(memo, "base_grand_total")
    price = price_text(amount, str(draft.order.get("base_currency_code") or ""))
    text = f"We refunded {price} offline."
    if draft.invoice is not None and can_refund_online(draft.order.doc):
        transaction_id = _refund(draft, amount, call, oracle)
        memo["transaction_id"] = draft.payment.changes["last_trans_id"] = transaction_id
        draft.payment.add("base_amount_refunded_online", amount)
        text = f'We refunded {price} online. Transaction ID: "{transaction_id}"'
    view = draft.view()
    status = kept_status(view, resolved_state(view))
    draft.order.changes["status"] = status
    draft.add_history(text, status, history_id)


def _refund(draft: Draft, amount: float, call: Call, oracle: Oracle) -> str:
    invoice = draft.invoice.doc if draft.invoice else {}
    has_capture = bool(invoice.get("transaction_id"))
    transaction_id = None if call.is_declined or not has_capture else f"REF-{secrets.token_hex(6)}"
    oracle.money_moved(draft.order.doc["entity_id"], invoice["entity_id"], amount, transaction_id)
    if transaction_id is None:
        raise refused(DECLINED if has_capture else NO_CAPTURE)
    return transaction_id
