from typing import Any

import pytest

from worker.dead_letters.edit import CannotEdit, changes_of, objection, with_changes
from worker.dead_letters.letter import Letter
from worker.domain.job import parse_job

DOCUMENT: dict[str, Any] = {
    "idempotency_key": "k", "order_id": 7, "amount": "2.50", "items": [{"sku": "12", "qty": "2"}],
    "creditmemo": {"base_grand_total": "1.00", "state": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("amount=2.00", ("amount",), "2.00"),
        ("order_id=8", ("order_id",), 8),
        ("full=true", ("full",), True),
        ("order_number=000000012", ("order_number",), "000000012"),
        ("comment=a=b", ("comment",), "a=b"),
        ("items[0].qty=1", ("items", 0, "qty"), "1"),
        ("items[0].sku=34", ("items", 0, "sku"), "34"),
        ("items[0].order_item_id=34", ("items", 0, "order_item_id"), 34),
        ('items[1]={"sku": "x", "qty": 1}', ("items", 1), {"sku": "x", "qty": 1}),
        ("creditmemo.base_grand_total=2.00", ("creditmemo", "base_grand_total"), "2.00"),
        ("creditmemo.state=3", ("creditmemo", "state"), 3),
        ("return_to_stock=[1,2]", ("return_to_stock",), [1, 2]),
        ("metadata.rma=77", ("metadata", "rma"), 77),
    ],
)
def test_a_change_is_put_in_its_place_with_the_type_of_its_field(change: str, path: tuple[Any, ...], value: object):
    made: Any = with_changes(DOCUMENT, [change])
    for step in path:
        made = made[step]
    assert made == value


def test_null_takes_a_field_out_and_the_first_document_stays_as_it_is():
    assert "amount" not in with_changes(DOCUMENT, ["amount=null"])
    assert DOCUMENT["amount"] == "2.50"


@pytest.mark.parametrize(
    "change", ["amount", "=1", "items[9].qty=1", "amount.x=1", "items[-1].qty=1", "[0]=1", "a b=1"]
)
def test_what_cannot_be_read_or_is_not_there_is_refused(change: str):
    with pytest.raises(CannotEdit, match="--set"):
        with_changes(DOCUMENT, [change])


def test_differences_are_named_down_to_the_single_value():
    after = with_changes(DOCUMENT, ["items[0].qty=1", "amount=null", "comment=x"])
    found = changes_of(DOCUMENT, after)
    assert found == [("amount", "2.50", None), ("comment", None, "x"), ("items[0].qty", "2", "1")]


@pytest.mark.parametrize(
    ("letter", "changes", "words"),
    [
        ({}, {}, ""),
        ({}, {"idempotency_key": "other"}, "key"),
        ({}, {"campaign": "spring"}, "campaign"),
        ({"verdict": "unknown"}, {}, "money may have moved"),
        ({"sends": 1}, {"shop": "other"}, "shop"),
        ({"sends": 0}, {"shop": "other"}, ""),
        ({"reason": "invalid", "door": "stream"}, {"idempotency_key": "other"}, ""),
    ],
)
def test_what_may_be_corrected(letter: dict[str, Any], changes: dict[str, Any], words: str):
    job = parse_job({"idempotency_key": "k", "order_id": 7, "amount": "2.50", **changes})
    known = {"id": "1-1", "key": "k", "reason": "max_money", "verdict": "refused", "message": "", "at_ms": 1, "job": {}}
    said = objection(Letter(**{**known, "shop": "default", **letter}), job)
    assert (words in said) if words else not said
