"""The quote is the memo: held against every credit memo and every refusal that a real Magento gave.

Each step of each recorded scenario is quoted from the documents as they stood before it, and then done in the
sandbox's store. `docs/preflight.md` lists what came out; after a change write it anew with
`python -m tests.unit.worker.domain.test_quote`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from worker.domain.money import cents
from worker.domain.quote import Money, Quote, given_quote, not_covered, quote
from worker.domain.service import Service
from worker.domain.would_refuse import WouldRefuse
from worker.sandbox import memo_services, order_services, schemas
from worker.sandbox.conversion import arguments
from worker.sandbox.errors import ShopError
from worker.sandbox.oracle import Call, Oracle
from worker.sandbox.store import Store

ROOT = Path(__file__).parents[4]
SCENARIOS = sorted((ROOT / "tests" / "data" / "magento" / "scenarios").glob("*.json"))
PAGE = ROOT / "docs" / "preflight.md"
Document = dict[str, Any]

#: Steps that no job can become: a body that is no JSON, and a memo that is overwritten (rules 27 and 28).
NO_JOB = {
    ("order_malformed", 1), ("invoice_malformed", 1),
    ("creditmemo_persist_update", 2), ("creditmemo_persist_update_fields", 2),
}  # fmt: skip
#: What a look-up finds out, and not the quote (rule 29).
NOT_THERE = "The entity that was requested doesn't exist. Verify the entity and try again."
_SERVICES = (
    (r"order/(\d+)/refund", Service.ORDER_REFUND),
    (r"invoice/(\d+)/refund", Service.INVOICE_REFUND),
    (r"creditmemo/refund", Service.CREDITMEMO_REFUND),
    (r"creditmemo", Service.CREDITMEMO_SAVE),
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a scenario: what was quoted for it, and what Magento answered."""

    scenario: str
    number: int
    service: Service
    quoted: Quote | WouldRefuse
    status: int
    answer: Any
    memo: Document | None

    def __str__(self) -> str:
        rules = f"-refused-by-rule-{self.quoted.rule}" if isinstance(self.quoted, WouldRefuse) else ""
        return f"{self.scenario}-{self.number}{rules}"


@cache
def steps() -> list[Step]:
    """Every step that a job can become."""
    return [step for path in SCENARIOS for step in _played(path.stem, json.loads(path.read_text()))]


def _played(name: str, scenario: Document) -> Iterator[Step]:
    store, oracle = Store(), Oracle()
    store.seed(scenario["before"])
    made = {memo["entity_id"]: memo for memo in scenario["after"]["creditmemos"]}
    for position, step in enumerate(scenario["steps"], 1):
        if (name, position) in NO_JOB:
            continue
        body, answer = step["request"]["body"], step["response"]["body"]
        service, number = _service_of(step["request"]["path"])
        memo = answer if isinstance(answer, dict) else made.get(int(answer))
        yield Step(
            scenario=name, number=position, service=service, quoted=_quoted(store, service, number, body),
            status=step["response"]["status"], answer=answer, memo=memo,
        )  # fmt: skip
        _done(store, oracle, service, number, body)


def _service_of(path: str) -> tuple[Service, int]:
    for pattern, service in _SERVICES:
        if match := re.fullmatch(f"/rest/V1/{pattern}", path):
            return service, int(match[1]) if match.groups() else 0
    raise AssertionError(path)


def _quoted(store: Store, service: Service, number: int, body: Document) -> Quote | WouldRefuse:
    invoice = store.invoices.get(number) if service is Service.INVOICE_REFUND else None
    given = body.get("creditmemo") or body.get("entity") or {}
    order_id = invoice["order_id"] if invoice else given.get("order_id", number)
    order = store.orders.get(order_id)
    if order is None or (service is Service.INVOICE_REFUND and invoice is None):
        return WouldRefuse(NOT_THERE, rules=(29,))
    try:
        return quote(service, body, order, invoice=invoice, memos=store.memos_in(order_id))
    except WouldRefuse as refused:
        return refused


def _done(store: Store, oracle: Oracle, service: Service, number: int, body: Document) -> None:
    """Do the step in the store."""
    call = Call(service.value)
    try:
        match service:
            case Service.ORDER_REFUND:
                args = arguments({**body, "orderId": number}, schemas.ORDER_REFUND)
                order_services.refund_order(store, oracle, args, call)()
            case Service.INVOICE_REFUND:
                args = arguments({**body, "invoiceId": number}, schemas.INVOICE_REFUND)
                order_services.refund_invoice(store, oracle, args, call)()
            case Service.CREDITMEMO_REFUND:
                memo_services.refund_memo(store, oracle, arguments(body, schemas.MEMO_REFUND), call)()
            case Service.CREDITMEMO_SAVE:
                memo_services.save_memo(store, oracle, arguments(body, schemas.MEMO_SAVE), call)()
    except ShopError:
        return


@pytest.mark.parametrize("step", steps(), ids=str)
def test_what_is_quoted_is_what_magento_did(step: Step):
    if isinstance(step.quoted, WouldRefuse):
        assert step.status >= 400, f"quoted a refusal, but Magento answered {step.answer}"
        assert step.quoted.text == step.answer["message"]
        assert list(step.quoted.parameters) == step.answer.get("parameters", [])
        return
    assert step.status == 200, f"quoted {step.quoted.total}, but Magento answered {step.answer}"
    assert step.memo is not None
    assert _amounts(step.quoted) == _amounts_of_memo(step.memo)
    assert {line.order_item_id: line.qty for line in step.quoted.lines} == {
        item["order_item_id"]: Decimal(str(item["qty"])) for item in step.memo["items"]
    }


def _amounts(made: Quote) -> Document:
    return {
        "grand_total": made.grand_total, "subtotal": made.subtotal, "discount_amount": made.discount,
        "shipping_amount": made.shipping, "shipping_incl_tax": made.shipping_incl_tax, "tax_amount": made.tax,
        "adjustment_positive": made.adjustment_positive, "adjustment_negative": made.adjustment_negative,
        "rows": {line.order_item_id: (line.row_total, line.tax, line.discount) for line in made.lines},
    }  # fmt: skip


def _amounts_of_memo(memo: Document) -> Document:
    def money(document: Mapping[str, Any], name: str) -> Money:
        return Money(cents(document.get(name)), cents(document.get(f"base_{name}")))

    names = [name for name in _amounts(given_quote({})) if name != "rows"]
    row = ("row_total", "tax_amount", "discount_amount")
    rows = {item["order_item_id"]: tuple(money(item, name) for name in row) for item in memo["items"]}
    return {**{name: money(memo, name) for name in names}, "rows": rows}


def test_every_scenario_is_quoted():
    assert len({step.scenario for step in steps()} | {name for name, _ in NO_JOB}) == len(SCENARIOS)


def test_no_scenario_has_totals_that_are_not_covered():
    orders = [order for path in SCENARIOS for order in json.loads(path.read_text())["before"]["orders"]]
    assert {not_covered(order) for order in orders} == {None}


@pytest.mark.parametrize(
    "order",
    [
        {"extension_attributes": {"base_gift_cards_amount": 5}},
        {"extension_attributes": {"base_customer_balance_amount": 5}},
        {"base_reward_currency_amount": 5},
        {"items": [{"base_weee_tax_applied_row_amnt": 0.5}]},
    ],
    ids=str,
)
def test_an_order_with_totals_of_others_is_not_quoted(order: Document):
    assert not_covered(order)


def table() -> str:
    """The table of docs/preflight.md."""
    rows = ["| scenario | step | Magento answered | quote |", "|---|---|---|---|"]
    for step in steps():
        if isinstance(step.quoted, WouldRefuse):
            rules = ", ".join(str(rule) for rule in dict.fromkeys(step.quoted.rules)) or "none: number taken"
            said = f"refused, rule {rules}"
        else:
            amounts = step.quoted.grand_total
            said = f"{amounts.base}" if amounts.base == amounts.order else f"{amounts.base} ({amounts.order})"
        answer = (
            step.status if step.status >= 400 else f"{step.status}, {cents((step.memo or {}).get('base_grand_total'))}"
        )
        rows.append(f"| {step.scenario} | {step.number} | {answer} | {said} |")
    return "\n".join(rows) + "\n"


_MARK = "<!-- from here on written by tests/unit/worker/domain/test_quote.py -->\n"


def test_the_page_lists_what_came_out():
    assert PAGE.read_text().partition(_MARK)[2] == table()


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(_MARK)[0] + _MARK + table())
