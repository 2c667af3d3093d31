"""POST /V1/creditmemo/refund and POST /V1/creditmemo: the caller computes the memo, the shop believes every amount."""

from typing import Final

from worker.domain.memo_lines import RefundRefused, counted_units
from worker.domain.money_math import base_to_order_rate, number, php_round, price_text
from worker.domain.order_lines import order_lines
from worker.sandbox.documents import cut
from worker.sandbox.errors import MEMO_NOT_SAVED, ShopError, not_found, php_error, refused
from worker.sandbox.gateway import pay_back
from worker.sandbox.memo_comments import add_comments, check_comments, could_not_save
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.order_services import Commit
from worker.sandbox.rows import Draft, book, clean, register_item, whole
from worker.sandbox.states import on_save
from worker.sandbox.store import Document, Memo, Store

_OPEN: Final = 1
_REFUNDED: Final = 2
_ADJUSTMENTS: Final = ("adjustment_positive", "adjustment_negative")


def refund_memo(store: Store, oracle: Oracle, args: Document, call: Call) -> Commit:
    """Check a whole credit memo that is to be refunded; online unless `offlineRequested`.

    Raises:
        ShopError: Magento refuses.
    """
    given, is_online = args["creditmemo"], not args.get("offlineRequested")
    if given.get("entity_id") and given.get("state") != _OPEN:
        raise refused("We cannot register an existing credit memo.")
    if not given.get("order_id"):
        raise refused("We found an invalid order to refund.", status=404)
    order = store.order(given["order_id"])
    fields = _hydrated(given, _rate_seen(given, order))
    _check_money(fields, {} if _is_order_lost(given) else order)
    has_memos = bool(store.memos_in(order["entity_id"]))
    draft = Draft.of(order, has_memos=has_memos)
    if is_online and fields.get("invoice_id"):
        draft = Draft.of(order, _invoice(store, fields["invoice_id"]), has_memos=has_memos)
        _flag_invoice(draft, fields)
    _register(draft, given.get("items") or [])
    book(draft, fields, is_online=is_online)
    fields["state"] = _REFUNDED

    def commit() -> Document:
        pay_back(draft, fields, call, oracle, store.next_id("history"))
        answer = _stored(store, fields, given, call, oracle)
        draft.has_memos = True
        view = draft.view()
        draft.order.changes["state"], draft.order.changes["status"] = on_save(view)
        draft.save()
        return answer

    return commit


def save_memo(store: Store, oracle: Oracle, args: Document, call: Call) -> Commit:
    """Check a credit memo that is only to be stored: order, invoice, payment and gateway are left alone.

    Raises:
        ShopError: Magento refuses.
    """
    given = args["entity"]
    if not given.get("order_id"):
        raise php_error()
    order = store.order(given["order_id"])
    fields = _hydrated(given, _rate_seen(given, order))

    def commit() -> Document:
        try:
            return _stored(store, fields, given, call, oracle)
        except ShopError as exc:
            raise could_not_save(exc) from exc

    return commit


def _is_order_lost(given: Document) -> bool:
    """Whether an adjustment comes before `order_id`: its setter then sticks an empty order to the memo."""
    keys = list(given)
    return any(name in keys and keys.index(name) < keys.index("order_id") for name in _ADJUSTMENTS)


def _rate_seen(given: Document, order: Document) -> float:
    return 0.0 if _is_order_lost(given) else base_to_order_rate(order)


def _hydrated(given: Document, rate: float) -> Document:
    """Set the fields one by one in the order of the JSON: an adjustment also sets its twin in base currency."""
    fields: Document = {}
    for key, value in given.items():
        if key in _ADJUSTMENTS:
            fields[f"base_{key}"] = php_round(value or 0.0)
            fields[key] = php_round(fields[f"base_{key}"] * rate)
        elif key not in {"items", "comments", "entity_id", "created_at", "updated_at"} and value is not None:
            fields[key] = value
    return fields


def _check_money(fields: Document, order: Document) -> None:
    """Only the base grand total is compared with what was paid."""
    paid, refunded = number(order, "base_total_paid"), number(order, "base_total_refunded")
    if php_round(refunded + number(fields, "base_grand_total")) > php_round(paid):
        limit = price_text(paid - refunded, str(order.get("base_currency_code") or "USD"))
        raise refused("The most money available to refund is %1.", [limit])


def _invoice(store: Store, invoice_id: int) -> Document:
    found = store.invoices.get(invoice_id)
    if found is None:
        raise refused(MEMO_NOT_SAVED)
    return found


def _flag_invoice(draft: Draft, fields: Document) -> None:
    if draft.invoice is not None:
        draft.invoice.changes["is_used_for_refund"] = 1
        draft.invoice.add("base_total_refunded", number(fields, "base_grand_total"))


def _register(draft: Draft, items: list[Document]) -> None:
    for item in items:
        if number(item, "qty") <= 0:
            continue
        row = draft.items.get(item.get("order_item_id") or 0)
        if row is None:
            raise php_error()
        line = order_lines(draft.view())[int(row.doc["item_id"])]
        try:
            units = counted_units(line, number(item, "qty"), str(item.get("name") or ""))
        except RefundRefused as exc:
            raise refused(str(exc)) from exc
        register_item(row, units, item)


def _stored(store: Store, fields: Document, given: Document, call: Call, oracle: Oracle) -> Document:
    """Insert the memo, or overwrite the one that is named; give it back as it was sent."""
    existing = _existing(store, given)
    columns = {key: clean(cut(key, value)) for key, value in fields.items()}
    target = existing or Memo({**columns, "items": [], "comments": []})
    store.check_number({**target.doc, **columns})
    check_comments(store, given)
    if existing is None:
        store.add_memo(target)
    else:
        store.change_memo(existing, columns)
    items = [
        _stored_item(store, item, target.doc["entity_id"])
        for item in given.get("items") or []
        if _is_kept(item, fields)
    ]
    target.doc["items"] = [*target.doc["items"], *items]
    comments = add_comments(store, given.get("comments") or [])
    if existing is None or fields.get("state") == _REFUNDED:
        oracle.memo_made(call, target.doc, target.columns.get("customer_note"))
    shown = {key: target.doc[key] for key in ("created_at", "updated_at", "entity_id")}
    if existing is None and not fields.get("increment_id"):
        shown["increment_id"] = target.doc["increment_id"]
    sent = {key: whole(value) for key, value in fields.items()}
    lists = {"items": items or target.doc["items"], "comments": comments or target.doc["comments"]}
    return {**sent, **shown, **lists}


def _is_kept(item: Document, fields: Document) -> bool:
    return number(item, "qty") > 0 or fields.get("state") != _REFUNDED


def _existing(store: Store, given: Document) -> Memo | None:
    if not given.get("entity_id"):
        return None
    found = store.memos.get(given["entity_id"])
    if found is None:
        raise refused(MEMO_NOT_SAVED)
    return found


def _stored_item(store: Store, item: Document, memo_id: int) -> Document:
    kept: Document = {"base_cost": None, "base_price": None, "order_item_id": None}
    kept |= {key: clean(value) for key, value in item.items() if value is not None}
    return kept | {"entity_id": store.next_id("memo_item"), "parent_id": memo_id}


def memo_of(store: Store, memo_id: int) -> Memo:
    """Give a stored memo.

    Raises:
        ShopError: 404, or 400 for id 0.
    """
    if not memo_id:
        raise refused("An ID is needed. Set the ID and try again.")
    found = store.memos.get(memo_id)
    if found is None:
        raise not_found()
    return found
