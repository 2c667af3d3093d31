"""The columns of Magento's sales tables: what a search may name."""

from typing import Any, Final

from worker.sandbox.schemas import MEMO
from worker.sandbox.search import Table
from worker.sandbox.store import Document, Memo


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BOTH_CURRENCIES: Final = _names(
    "adjustment_negative adjustment_positive discount_amount discount_canceled discount_invoiced discount_refunded"
    " grand_total shipping_amount shipping_canceled shipping_invoiced shipping_refunded shipping_tax_amount"
    " shipping_tax_refunded subtotal subtotal_canceled subtotal_invoiced subtotal_refunded tax_amount tax_canceled"
    " tax_invoiced tax_refunded total_canceled total_invoiced total_offline_refunded total_online_refunded total_paid"
    " total_qty_ordered total_refunded shipping_discount_amount subtotal_incl_tax total_due"
    " discount_tax_compensation_amount discount_tax_compensation_invoiced discount_tax_compensation_refunded"
    " shipping_incl_tax"
)
_ORDER_ONLY: Final = _names(
    "entity_id state status coupon_code protect_code shipping_description is_virtual store_id customer_id"
    " base_total_invoiced_cost store_to_base_rate store_to_order_rate base_to_global_rate base_to_order_rate"
    " can_ship_partially can_ship_partially_item customer_is_guest customer_note_notify billing_address_id"
    " customer_group_id edit_increment email_sent send_email forced_shipment_with_invoice payment_auth_expiration"
    " quote_address_id quote_id shipping_address_id payment_authorization_amount weight customer_dob increment_id"
    " applied_rule_ids base_currency_code customer_email customer_firstname customer_lastname customer_middlename"
    " customer_prefix customer_suffix customer_taxvat discount_description ext_customer_id ext_order_id"
    " global_currency_code hold_before_state hold_before_status order_currency_code original_increment_id"
    " relation_child_id relation_child_real_id relation_parent_id relation_parent_real_id remote_ip shipping_method"
    " store_currency_code store_name x_forwarded_for customer_note created_at updated_at total_item_count"
    " customer_gender shipping_discount_tax_compensation_amount base_shipping_discount_tax_compensation_amnt"
    " coupon_rule_name gift_message_id paypal_ipn_customer_notified order_id"
)
_INVOICE_ONLY: Final = _names(
    "entity_id store_id order_id total_qty billing_address_id is_used_for_refund state shipping_address_id"
    " transaction_id"
    " increment_id email_sent send_email"
    " can_void_flag store_currency_code order_currency_code base_currency_code"
    " global_currency_code base_total_refunded discount_description customer_note customer_note_notify created_at"
    " updated_at store_to_base_rate store_to_order_rate base_to_global_rate base_to_order_rate"
    " shipping_discount_tax_compensation_amount base_shipping_discount_tax_compensation_amnt"
)


def _read(row: Document, field: str) -> Any:  # noqa: ANN401 - any column
    return row.get(field)


def _read_memo(row: Memo, field: str) -> Any:  # noqa: ANN401 - JSON of any kind
    return row.columns[field] if field in row.columns else row.doc.get(field)


def _same(row: Document) -> Document:
    return row


def _memo(row: Memo) -> Document:
    return row.doc


_BOTH: Final = _BOTH_CURRENCIES | {f"base_{name}" for name in _BOTH_CURRENCIES}
ORDERS: Final = Table(_BOTH | _ORDER_ONLY, _read, _same)
INVOICES: Final = Table(_BOTH | _INVOICE_ONLY, _read, _same)
MEMOS: Final = Table(
    frozenset(MEMO.members) - {"items", "comments"} | {"customer_note", "customer_note_notify", "send_email"},
    _read_memo,
    _memo,
)
TRANSACTIONS: Final = Table(
    frozenset(
        {"transaction_id", "order_id", "payment_id", "parent_id", "txn_id", "txn_type", "is_closed", "created_at"}
    ),
    _read,
    _same,
)
