"""Magento's refusals, foretold: its own words, and the rules of the contract's section 8 that they follow from."""

from collections.abc import Sequence
from typing import Final

from worker.domain.facts import Document
from worker.domain.memo_lines import RefundRefused
from worker.domain.refund_rules import FREE, INVOICE_PAID, can_refund_online, payment_method

_HEADING: Final = "Creditmemo Document Validation Error(s):\n"
#: How a message begins, the rule it follows from, and our code for it (as `answer_refusals` has it).
_MESSAGES: Final = (
    ("A creditmemo can not be created when an order has a status of", 10, "order_status"),
    ("The order does not allow a creditmemo to be created.", 11, "nothing_left"),
    ("The creditmemo contains product item that is not part of", 7, "item_not_on_order"),
    ("The creditmemo contains incorrect product items.", 9, "item_not_refundable"),
    ("The quantity to refund must not be greater", 3, "qty_too_large"),
    ("The quantity to creditmemo must not be greater", 3, "qty_too_large"),
    ("You can't create a creditmemo without products.", 2, "no_items"),
    ("The most money available to refund is", 12, "max_money"),
    ("The return to stock argument contains", 24, "return_to_stock"),
    ("Maximum shipping amount allowed to refund is", 16, "shipping_too_large"),
    ("You can not refund shipping if there is no", 17, "no_shipping"),
    ("An ID is needed.", 29, "missing_id"),
)
_REASONS: Final = {
    **{rule: reason for _, rule, reason in _MESSAGES},
    5: "qty_not_whole",
    26: "comments_not_accepted",
    27: "existing_creditmemo",
    **dict.fromkeys((19, 20, 23), "invoice_not_refundable"),
}


class WouldRefuse(Exception):
    """Magento will refuse the call.

    Attributes:
        text: Magento's phrase, with its placeholders.
        parameters: What belongs into `%1`, `%2`, ...
        rules: Numbers of the rules in the contract's section 8; empty for a refusal that has none.
    """

    def __init__(self, text: str, parameters: tuple[str, ...] = (), *, rules: tuple[int, ...]) -> None:
        super().__init__(text, parameters)
        self.text, self.parameters, self.rules = text, parameters, rules

    def __str__(self) -> str:
        """Give Magento's words on one line, without the heading that says nothing."""
        words = str(RefundRefused(self.text, self.parameters))
        return words.removeprefix(_HEADING).replace("\n", "; ").rstrip(".")

    @property
    def rule(self) -> int:
        """The first of the rules; 0 where there is none."""
        return self.rules[0] if self.rules else 0

    @property
    def reason(self) -> str:
        """Code of the reason, as the dead letter of the same refusal by Magento has it."""
        return _REASONS.get(self.rule, "validation")


def of_computing(refused: RefundRefused) -> WouldRefuse:
    """Tell a refusal that comes up while Magento computes, before its validators: only that one is said."""
    rule = 3 if refused.text.startswith("We found an invalid quantity") else _rule_of(refused.text)
    return WouldRefuse(refused.text, refused.parameters, rules=(rule,))


def of_validators(messages: Sequence[str], order: Document, invoice: Document | None) -> WouldRefuse:
    """Tell what the validators say: all of it, in their order."""
    rules = tuple(
        _of_invoice(order, invoice) if message.startswith("We can't create") and invoice else _rule_of(message)
        for message in messages
    )
    return WouldRefuse(_HEADING + "\n".join(messages), rules=rules)


def _rule_of(message: str) -> int:
    if message.startswith("We found an invalid quantity"):  # of the validators only fractions are left
        return 5
    if message.endswith("product is not part of the current creditmemo."):
        return 24
    return next(rule for begin, rule, _ in _MESSAGES if message.startswith(begin))


def _of_invoice(order: Document, invoice: Document) -> int:
    """Why an invoice cannot be refunded: Magento gives one text for three causes."""
    if invoice.get("state") != INVOICE_PAID:
        return 19
    return 23 if payment_method(order) == FREE or can_refund_online(order) else 20
