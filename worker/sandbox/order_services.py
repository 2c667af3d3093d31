"""POST /V1/order/:orderId/refund and POST /V1/invoice/:invoiceId/refund: the shop computes the memo.

Each service reads and checks, and gives back a `Commit` that writes. What happens between the two is the time that a
request takes: the order service holds the order's lock meanwhile, the invoice service does not and loses updates.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from worker.domain.memo_lines import Asked, RefundRefused
from worker.domain.refund_rules import ID_NEEDED, by_invoice, by_order
from worker.domain.totals import MemoTotals, memo_by_invoice, memo_by_order
from worker.sandbox.documents import add_comment, as_stored, is_blank, memo_document
from worker.sandbox.errors import COULD_NOT_SAVE, ShopError, not_found, refused
from worker.sandbox.gateway import pay_back
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.rows import Draft, book, register_item
from worker.sandbox.states import default_status, kept_status, on_save, resolved_state
from worker.sandbox.store import Document, Memo, Store

#: Writes what a service has worked out, at once, and gives its answer.
Commit = Callable[[], Any]


def refund_order(store: Store, oracle: Oracle, args: Document, call: Call) -> Commit:
    """Check an order refund; always offline.

    Raises:
        ShopError: Magento refuses.
    """
    order = store.order(_id(args["orderId"]))
    asked = asked_of(args)
    try:
        totals = memo_by_order(order, asked)
        _check(by_order(order, totals, asked, elsewhere=store.skus(asked.return_to_stock)))
    except RefundRefused as exc:
        raise refused(exc.text, list(exc.parameters)) from exc
    return lambda: _Refund(store, oracle, args, call, totals).write(
        _worked_out(_draft(store, order), totals, args, is_online=False)
    )


def refund_invoice(store: Store, oracle: Oracle, args: Document, call: Call) -> Commit:
    """Check an invoice refund; online when asked for.

    Raises:
        ShopError: Magento refuses.
    """
    invoice = store.invoices.get(_id(args["invoiceId"]))
    if invoice is None:
        raise not_found()
    order = store.order(invoice["order_id"])
    asked = asked_of(args)
    try:
        totals = memo_by_invoice(order, invoice, store.memos_in(order["entity_id"]), asked)
        _check(by_invoice(order, invoice, totals, asked, elsewhere=store.skus(asked.return_to_stock)))
    except RefundRefused as exc:
        raise refused(exc.text, list(exc.parameters)) from exc
    draft = _worked_out(_draft(store, order, invoice), totals, args, is_online=bool(args.get("isOnline")))
    return lambda: _Refund(store, oracle, args, call, totals).write(draft)


def asked_of(args: Document) -> Asked:
    """Read what the order and the invoice service ask for."""
    entries = tuple((item.get("order_item_id"), item.get("qty") or 0.0) for item in args.get("items") or [])
    given = args.get("arguments") or {}
    return Asked(
        quantities=dict(entries),
        entries=entries,
        shipping_amount=given.get("shipping_amount"),
        adjustment_positive=given.get("adjustment_positive"),
        adjustment_negative=given.get("adjustment_negative"),
        return_to_stock=tuple((given.get("extension_attributes") or {}).get("return_to_stock_items") or ()),
    )


def _draft(store: Store, order: Document, invoice: Document | None = None) -> Draft:
    return Draft.of(order, invoice, has_memos=bool(store.memos_in(order["entity_id"])))


def _id(value: int) -> int:
    if not value:
        raise refused(ID_NEEDED)
    return value


def _check(messages: list[str]) -> None:
    if messages:
        raise refused("Creditmemo Document Validation Error(s):\n" + "\n".join(messages))


def _worked_out(draft: Draft, totals: MemoTotals, args: Document, *, is_online: bool) -> Draft:
    """Book the memo on the order in memory, with absolute values from what was read."""
    draft.order.changes["customer_note_notify"] = int(bool(args.get("notify")))
    for line in totals.lines:
        if line.qty > 0:
            amounts = {name: amount.order for name, amount in line.amounts.items()}
            amounts |= {f"base_{name}": amount.base for name, amount in line.amounts.items()}
            register_item(draft.items[line.order_line.item_id], line.units, amounts)
    book(draft, totals.fields(), is_online=is_online)
    if draft.invoice is not None and not is_online:
        draft.invoice.changes["is_used_for_refund"] = 1
        draft.invoice.add("base_total_refunded", totals.grand_total.base)
    return draft


@dataclass(frozen=True)
class _Refund:
    """A refund that was checked and is about to be written."""

    store: Store
    oracle: Oracle
    args: Document
    call: Call
    totals: MemoTotals

    def write(self, draft: Draft) -> str:
        """Pay, store the memo, save the order: all or nothing, but for the money."""
        memo, comment = self._memo(draft), self.args.get("comment")
        if self.args.get("notify"):
            memo.doc["email_sent"] = 1
        try:
            self._pay_back(draft, memo.doc)
            if comment is not None and is_blank(comment.get("comment")):
                raise refused(COULD_NOT_SAVE)
            self.store.add_memo(memo)
        except ShopError as exc:
            raise refused(COULD_NOT_SAVE) from exc
        _move_on(draft, keeps_status=draft.invoice is None)
        for item in memo.doc["items"]:
            item["parent_id"] = memo.doc["entity_id"]
        if comment is not None:
            self._comment(memo, comment)
        draft.save()
        self.oracle.memo_made(self.call, memo.doc, memo.columns.get("customer_note"))
        return str(memo.doc["entity_id"])

    def _memo(self, draft: Draft) -> Memo:
        memo = Memo(memo_document(draft.order.doc, self.totals, self.store))
        if draft.invoice is not None:
            memo.doc["invoice_id"] = draft.invoice.doc["entity_id"]
        return memo

    def _pay_back(self, draft: Draft, memo: Document) -> None:
        """Call the gateway only when asked to: an offline refund of an invoice leaves it alone."""
        is_online = bool(self.args.get("isOnline"))
        paid = draft if is_online else replace(draft, invoice=None)
        pay_back(paid, memo, self.call, self.oracle, self.store.next_id("history"))

    def _comment(self, memo: Memo, comment: Document) -> None:
        is_notified = int(bool(self.args.get("appendComment")) and bool(self.args.get("notify")))
        memo.columns = {"customer_note": as_stored(comment["comment"]), "customer_note_notify": is_notified}
        add_comment(memo, self.store, {**comment, "is_customer_notified": is_notified})


def _move_on(draft: Draft, *, keeps_status: bool) -> None:
    """Give the order its new state; only the order service keeps a status that fits."""
    view = draft.view()
    state = resolved_state(view)
    status = kept_status(view, state) if keeps_status else default_status(state)
    draft.order.changes["state"], draft.order.changes["status"] = on_save({**view, "state": state, "status": status})
    if draft.histories:
        draft.histories[0]["status"] = draft.order.changes["status"]
