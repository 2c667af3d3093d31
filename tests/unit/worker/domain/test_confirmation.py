"""Each way in which a credit memo can be other than asked is found, and nothing else is."""
# ruff: noqa: ANN401 - documents of any kind

from decimal import Decimal
from typing import Any

import pytest

from tests.factories import Document, a_job, a_memo, a_memo_document
from worker.domain.confirmation import Sent, facts_of, mismatches
from worker.domain.service import Service

UNQUOTED = Sent(order_id=7, quote=None)
QUOTED = Sent(order_id=7, quote=Decimal("10.00"))


def memo(**changes: Any) -> Document:
    """The credit memo of the plain job: one piece of line 11 at 10.00."""
    lines = [{"order_item_id": 11, "qty": 1, "base_row_total": 10}]
    return a_memo(**{"items": lines, "base_shipping_amount": 0, **changes})


def found(
    *, sent: Sent = UNQUOTED, marked: list[Document] | None = None, made: Document | None = None, **job: Any
) -> dict[str, str]:
    """What is found wrong with a credit memo."""
    the_memo = memo() if made is None else made
    own = [the_memo] if marked is None else marked
    return {one.kind: one.detail for one in mismatches(a_job(**job), sent, the_memo, own)}


#: Kind: what was done, and what is said of it.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "other_order": ({"made": memo(order_id=8)}, "the credit memo is of order 8, not 7"),
    "no_marker": ({"marked": []}, "does not bear this job's marker"),
    "twin": ({"marked": [memo(), memo(entity_id=92)]}, "credit memo 92 of the order bears the same marker"),
    "state": ({"made": memo(state=1)}, "has state 1, not 2"),
    "empty": ({"made": memo(items=[], base_grand_total=0), "sent": QUOTED}, "refunds nothing"),
    "negative": ({"made": memo(base_grand_total=-490)}, "over -490"),
    "amount": ({"expected_total": "9.99"}, "expected 9.99, the credit memo says 10.00"),
    "quote": ({"sent": Sent(order_id=7, quote=Decimal("12.00"))}, "12.00 was computed, the credit memo says 10.00"),
    "lines": ({"items": [{"order_item_id": 11, "qty": 2}]}, "2 of line 11 asked, 1 refunded"),
    "shipping": ({"made": memo(base_shipping_amount=5)}, "0 asked, base_shipping_amount is 5.00"),
    "adjustment": ({"adjustment_positive": "1.00"}, "1.00 asked, base_adjustment_positive is 0.00"),
}


@pytest.mark.parametrize(("kind", "story", "says"), [(kind, *story) for kind, story in WRONG.items()], ids=list(WRONG))
def test_what_was_not_asked_for_is_found(kind: str, story: dict[str, Any], says: str):
    assert says in found(**story).get(kind, "")


@pytest.mark.parametrize("sent", [UNQUOTED, QUOTED, Sent(order_id=None, quote=None)], ids=str)
def test_a_memo_that_is_as_asked_is_quiet(sent: Sent):
    assert found(sent=sent) == {}


def test_a_line_that_was_not_asked_for_is_found_but_lines_without_money_are_not():
    more = [*memo()["items"], {"order_item_id": 12, "qty": 1, "base_row_total": 10}]
    assert found(made=memo(items=more)) == {"lines": "line 12 was not asked for"}
    dummy = [*memo()["items"], {"order_item_id": 13, "qty": 2, "base_row_total": None}]
    assert found(made=memo(items=dummy)) == {}


def test_a_memo_that_is_not_there_is_missing():
    assert [one.kind for one in mismatches(a_job(), UNQUOTED, None, [])] == ["missing"]
    assert facts_of(None, [], is_marked=False) == {"marker": False}


def test_a_memo_that_was_only_stored_may_have_any_state_and_no_money():
    stored = memo(state=None, base_grand_total=None, items=[])
    job: dict[str, Any] = {"service": Service.CREDITMEMO_SAVE, "creditmemo": a_memo_document()}
    assert found(made=stored, **job) == {}


def test_an_online_credit_memo_bears_the_gateways_id_where_the_marker_would_be():
    job: dict[str, Any] = {"items": None, "creditmemo": a_memo_document(), "invoice_id": 3, "online": True}
    assert found(marked=[], **job) == {}


def test_the_fourth_decimal_of_magento_is_no_difference():
    assert found(made=memo(base_grand_total=10.0049), sent=QUOTED) == {}


def test_the_facts_that_are_kept_are_those_people_ask_for():
    wrong = mismatches(a_job(expected_total="9.99"), UNQUOTED, memo(), [memo()])
    assert facts_of(memo(), wrong, is_marked=True) == {
        "increment_id": "000000091", "order_id": 7, "state": 2, "base_grand_total": Decimal("10.00"), "marker": True,
        "mismatches": [{"kind": "amount", "detail": "expected 9.99, the credit memo says 10.00"}],
    }  # fmt: skip


def test_the_quote_is_kept_as_the_amount_that_was_asked():
    assert facts_of(memo(), [], is_marked=True, quote=Decimal(10))["quote"] == Decimal("10.00")
