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
#: Columns of an item that are shown when they are null, too.
_ALWAYS_SHOWN: Final = ("base_cost", "base_price", "entity_id", "order_item_id", "qty")


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
    _register(draft, given.get("items") or _items_of(store, given))
    book(draft, fields, is_online=is_online)
    fields["state"] = _REFUNDED

    def commit() -> Document:
        pay_back(draft, fields, call, oracle, store.next_id("history"))
        memo, answer = _stored(store, fields, given, drops_empty=True)
        if memo is not None:
            oracle.memo_made(call, memo.doc, memo.columns.get("customer_note"))
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
            memo, answer = _stored(store, fields, given, drops_empty=False)
        except ShopError as exc:
            raise could_not_save(exc) from exc
        if memo is not None and not given.get("entity_id"):
            oracle.memo_made(call, memo.doc, memo.columns.get("customer_note"))
        return answer

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
    """Give the invoice of an online refund; an unknown one is a new, empty one to Magento, which cannot be saved."""
    found = store.invoices.get(invoice_id)
    if found is None:
        raise php_error()
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


def _stored(store: Store, fields: Document, given: Document, *, drops_empty: bool) -> tuple[Memo | None, Document]:
    """Insert the memo, or overwrite the one that is named; give it (None where there is none), and the answer.

    Args:
        store: The documents.
        fields: Columns of the memo.
        given: The memo as it was sent.
        drops_empty: Whether items without units are left out: only a refund does that.
    """
    memo_id = given.get("entity_id")
    existing = store.memos.get(memo_id or 0)
    if memo_id and existing is None:
        return None, _in_vain(store, fields, given, drops_empty=drops_empty)
    columns = {key: clean(cut(key, value)) for key, value in fields.items()}
    target = existing or Memo({**columns, "items": [], "comments": []})
    store.check_number({**target.doc, **columns})
    check_comments(store, given)
    if existing is None:
        store.add_memo(target)
    else:
        store.change_memo(existing, columns)
    return target, _completed(store, target, fields, given, drops_empty=drops_empty)


def _in_vain(store: Store, fields: Document, given: Document, *, drops_empty: bool) -> Document:
    """Give the answer for an id that does not exist: to update it changes no row, which only a new item notices."""
    if any(_is_kept(item, drops_empty=drops_empty) for item in given.get("items") or []):
        raise refused(MEMO_NOT_SAVED)
    check_comments(store, given)
    nowhere = Memo({"entity_id": given["entity_id"], "items": [], "comments": []})
    return _completed(store, nowhere, fields, given, drops_empty=drops_empty)


def _completed(store: Store, memo: Memo, fields: Document, given: Document, *, drops_empty: bool) -> Document:
    """Store the items and comments of a memo, and give the answer: what was sent and what the database added."""
    items = _save_items(store, memo, given.get("items") or [], drops_empty=drops_empty)
    comments = add_comments(store, given.get("comments") or [])
    answer: Document = {key: whole(value) for key, value in fields.items()}
    answer |= {key: memo.doc[key] for key in ("created_at", "updated_at", "entity_id") if key in memo.doc}
    if not given.get("entity_id") and not fields.get("increment_id"):
        answer["increment_id"] = memo.doc["increment_id"]
    return answer | {"items": items or memo.doc["items"], "comments": comments or memo.doc["comments"]}


def _is_kept(item: Document, *, drops_empty: bool) -> bool:
    return number(item, "qty") > 0 or not drops_empty


def _save_items(store: Store, memo: Memo, items: list[Document], *, drops_empty: bool) -> list[Document]:
    """Store the items of a memo: new rows, or those of the memo that they name; other ids change nothing.

    Returns:
        All of them, as the answer shows them: also what was left out, which has no id then.
    """
    rows = {row["entity_id"]: row for row in memo.doc["items"]}
    answered = []
    for item in items:
        row: Document = dict.fromkeys(_ALWAYS_SHOWN)
        row |= {key: clean(value) for key, value in item.items() if value is not None}
        row["parent_id"] = memo.doc["entity_id"]
        if not _is_kept(item, drops_empty=drops_empty):
            rows.pop(row["entity_id"], None)
        elif row["entity_id"] is None:
            row["entity_id"] = store.next_id("memo_item")
            rows[row["entity_id"]] = row
        elif row["entity_id"] in rows:
            rows[row["entity_id"]] |= {key: value for key, value in row.items() if value is not None}
        answered.append(row)
    memo.doc["items"] = list(rows.values())
    return answered


def _items_of(store: Store, given: Document) -> list[Document]:
    """Give the items that the named memo has already: a memo that is sent without items loads them."""
    memo = store.memos.get(given.get("entity_id") or 0)
    return memo.doc["items"] if memo else []


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
