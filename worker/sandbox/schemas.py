"""What the services take, as Magento's interfaces declare it: parameters in order, and the members of each object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ObjectType:
    """A data object; a member's type is `int`, `float`, `string`, `bool`, `int[]`, an object, or a list of objects."""

    members: "Mapping[str, TypeOf]"

    def member(self, key: str) -> "tuple[str, TypeOf] | None":
        """Find a member by its name in snake or camel case; the casing of the accessor that results must be right."""
        found = _accessors(self).get(accessor(key))
        return (found, self.members[found]) if found else None


@dataclass(frozen=True)
class ListOf:
    """A list of objects."""

    item: ObjectType


TypeOf = str | ObjectType | ListOf
_ACCESSORS: dict[int, dict[str, str]] = {}


def accessor(key: str) -> str:
    """Give the name that follows `get` and `set`: `order_id` and `orderId` are `OrderId`, `orderid` is another."""
    return "".join(part[:1].upper() + part[1:] for part in key.split("_"))


def _accessors(of: ObjectType) -> dict[str, str]:
    found = _ACCESSORS.get(id(of))
    if found is None:
        found = _ACCESSORS[id(of)] = {accessor(name): name for name in of.members}
    return found


def _members(kind: str, names: str) -> dict[str, TypeOf]:
    return dict.fromkeys(names.split(), kind)


MEMO_COMMENT: Final = ObjectType(
    _members("int", "entity_id parent_id is_customer_notified is_visible_on_front")
    | _members("string", "comment created_at")
)
MEMO_ITEM: Final = ObjectType(
    _members("int", "entity_id parent_id order_item_id product_id")
    | _members("string", "sku name description additional_data weee_tax_applied")
    | _members(
        "float",
        "base_cost base_discount_amount base_discount_tax_compensation_amount base_price base_price_incl_tax"
        " base_row_total base_row_total_incl_tax base_tax_amount base_weee_tax_applied_amount"
        " base_weee_tax_applied_row_amnt base_weee_tax_disposition base_weee_tax_row_disposition discount_amount"
        " discount_tax_compensation_amount price price_incl_tax qty row_total row_total_incl_tax tax_amount"
        " weee_tax_applied_amount weee_tax_applied_row_amount weee_tax_disposition weee_tax_row_disposition",
    )
)
MEMO: Final = ObjectType(
    _members(
        "float",
        "adjustment adjustment_negative adjustment_positive base_adjustment base_adjustment_negative"
        " base_adjustment_positive base_discount_amount base_grand_total base_discount_tax_compensation_amount"
        " base_shipping_amount base_shipping_discount_tax_compensation_amnt base_shipping_incl_tax"
        " base_shipping_tax_amount base_subtotal base_subtotal_incl_tax base_tax_amount base_to_global_rate"
        " base_to_order_rate discount_amount grand_total discount_tax_compensation_amount shipping_amount"
        " shipping_discount_tax_compensation_amount shipping_incl_tax shipping_tax_amount store_to_base_rate"
        " store_to_order_rate subtotal subtotal_incl_tax tax_amount",
    )
    | _members(
        "int",
        "billing_address_id creditmemo_status email_sent entity_id invoice_id order_id shipping_address_id state"
        " store_id",
    )
    | _members(
        "string",
        "base_currency_code created_at discount_description global_currency_code increment_id order_currency_code"
        " store_currency_code transaction_id updated_at",
    )
    | {"items": ListOf(MEMO_ITEM), "comments": ListOf(MEMO_COMMENT)}
)
CREATION_ITEM: Final = ObjectType({"order_item_id": "int", "qty": "float"})
CREATION_COMMENT: Final = ObjectType({"comment": "string", "is_visible_on_front": "int"})
STOCK: Final = ObjectType({"return_to_stock_items": "int[]"})
ARGUMENTS: Final = ObjectType(
    _members("float", "shipping_amount adjustment_positive adjustment_negative") | {"extension_attributes": STOCK}
)
_COMMON: Final[dict[str, TypeOf]] = {
    "notify": "bool",
    "appendComment": "bool",
    "comment": CREATION_COMMENT,
    "arguments": ARGUMENTS,
}
#: Parameters of the services, in the order in which Magento converts them.
INVOICE_REFUND: Final[dict[str, TypeOf]] = {
    "invoiceId": "int", "items": ListOf(CREATION_ITEM), "isOnline": "bool", **_COMMON,
}  # fmt: skip
ORDER_REFUND: Final[dict[str, TypeOf]] = {"orderId": "int", "items": ListOf(CREATION_ITEM), **_COMMON}
MEMO_REFUND: Final[dict[str, TypeOf]] = {"creditmemo": MEMO, "offlineRequested": "bool"}
MEMO_SAVE: Final[dict[str, TypeOf]] = {"entity": MEMO}
ADMIN_TOKEN: Final[dict[str, TypeOf]] = {"username": "string", "password": "string"}
COMMENT_SAVE: Final[dict[str, TypeOf]] = {"entity": MEMO_COMMENT}
