"""The refusals: 400 and 404 answers that say no for good, before any effect or rolled back whole."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from worker.domain.answer import AnswerClass, Shape
from worker.domain.answer_row import ALL, COMPUTED, GIVEN, Row, row
from worker.domain.service import Service

#: (rule, reason, pattern) of each text.
Texts = tuple[tuple[str, str, str], ...]

_INVOICE: Final = frozenset({Service.INVOICE_REFUND})
_REFUND: Final = frozenset({Service.CREDITMEMO_REFUND})

#: Lines of `Creditmemo Document Validation Error(s)`: (rule, reason, text). A document can have several lines; the
#: first row of this list that is among them gives the reason, so causes stand before their consequences.
_DOCUMENT_LINES: Final = (
    ("status", "order_status", r"^A creditmemo can not be created when an order has a status of "),
    ("nothing-left", "nothing_left", r"^The order does not allow a creditmemo to be created\."),
    ("foreign-item", "item_not_on_order", r"^The creditmemo contains product item that is not part of the original "),
    (
        "foreign-sku",
        "item_not_on_order",
        r'^The creditmemo contains product SKU ".*" that is not part of the original ',
    ),
    ("dummy-item", "item_not_refundable", r"^The creditmemo contains incorrect product items\."),
    ("qty-left", "qty_too_large", r"^The quantity to (refund|creditmemo) must not be greater than the unrefunded "),
    ("qty-fraction", "qty_not_whole", r"^We found an invalid quantity to refund item "),
    ("total", "total_not_positive", r"^The credit memo's total must be positive\."),
    ("no-items", "no_items", r"^You can't create a creditmemo without products\."),
    ("max-money", "max_money", r"^The most money available to refund is "),
    ("invoice", "invoice_not_refundable", r"^We can't create creditmemo for the invoice\."),
    ("stock-foreign", "return_to_stock", r"^The return to stock argument contains product item that is not part of "),
    ("stock-item", "return_to_stock", r'^The ".*" product is not part of the current creditmemo\.'),
    ("no-order", "order_not_found", r"^Order Id is required for creditmemo document"),
    ("other", "validation", r""),
)

#: Faults of the document or of the JSON that Magento finds while it reads the parameters, before any service code.
#: The field name must be unfilled: a filled one can come from inside the service, after the gateway was called.
_INPUT: Final = (
    ("json", "bad_request", r"^Decoding error\."),
    ("missing", "bad_request", r'^"%fieldName" is required\. Enter and try again\.$'),
    (
        "type",
        "bad_request",
        r'(?s)^(Error occurred during ".+" processing\. )*The ".*" value\'s type is invalid\. The "',
    ),
    ("content-type", "bad_request", r"^(Content-Type header is (empty|invalid)\.|UTF-8 is the only supported charset)"),
    ("media-type", "bad_request", r"^Server cannot understand Content-Type HTTP header media type "),
    ("too-long", "bad_request", r"^Maximum items of type "),
)

#: Found by the order and invoice services while they compute, before their validators and before the gateway.
_COMPUTING: Final = (
    ("qty", "qty_too_large", r"^We found an invalid quantity to refund item "),
    ("shipping", "shipping_too_large", r"^Maximum shipping amount allowed to refund is: "),
    ("no-shipping", "no_shipping", r"^You can not refund shipping if there is no shipping amount\."),
    ("id", "missing_id", r"^An ID is needed\. Set the ID and try again\."),
    ("missing-filled", "bad_request", r'^"[^"\n]+" is required\. Enter and try again\.$'),
)

#: The checks of creditmemo/refund that come before its transaction, so before the gateway.
_CHECKING: Final = (
    ("existing", "existing_creditmemo", r"^We cannot register an existing credit memo\."),
    ("max-money", "max_money", r"^The most money available to refund is "),
    ("zero-online", "zero_amount", r"^Online refund amount must be greater than zero\."),
)

#: From inside the transaction: rolled back whole when offline; when online the gateway may have been called before.
_ROLLED_BACK: Final = (
    ("qty", "qty_too_large", r"^We found an invalid quantity to refund item "),
    ("comments", "comments_not_accepted", r"^Cannot save comment:\s"),
    ("id", "missing_id", r"^An ID is needed\. Set the ID and try again\."),
    ("missing-filled", "bad_request", r'^"[^"\n]+" is required\. Enter and try again\.$'),
)


def _refusals() -> Iterator[Row]:
    document = r"(?m)\ACreditmemo Document Validation Error\(s\):[\s\S]*"
    lines = tuple((rule, reason, document + text) for rule, reason, text in _DOCUMENT_LINES)
    yield from _refused("document", "3.2", COMPUTED, lines)
    yield from _refused("input", "4.3", ALL, _INPUT)
    yield from _refused("computing", "3.6", COMPUTED, _COMPUTING)
    yield from _refused("checking", "3.3 step 2", _REFUND, _CHECKING)
    for refused in _refused("rolled-back", "3.3 step 6, 3.8", GIVEN, _ROLLED_BACK):
        yield replace(refused, online=False)


def _refused(name: str, source: str, services: frozenset[Service], texts: Texts) -> Iterator[Row]:
    for rule, reason, says in texts:
        yield row(
            f"400-{name}-{rule}",
            AnswerClass.REFUSED,
            reason,
            source,
            400,
            services=services,
            shape=Shape.MESSAGE,
            says=says,
        )


#: The text of a 404 that speaks of an order or invoice, not of a route.
NO_ENTITY: Final = r"^(The entity that was requested doesn't exist|No such entity)"

_NOT_FOUND: Final = (
    ("404-invoice", "invoice_not_found", "3.4", _INVOICE, r"^The entity that was requested doesn't exist"),
    ("404-order", "order_not_found", "3.2", ALL - _INVOICE, r"^The entity that was requested doesn't exist"),
    ("404-no-order-id", "order_not_found", "3.3 step 2", _REFUND, r"^We found an invalid order to refund\."),
)

REFUSALS: Final = (
    *_refusals(),
    *(
        row(rule, AnswerClass.REFUSED, reason, source, 404, services=services, shape=Shape.MESSAGE, says=text)
        for rule, reason, source, services, text in _NOT_FOUND
    ),
)
