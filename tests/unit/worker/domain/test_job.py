"""Which documents are refund jobs, and what is said about those that are not."""
# ruff: noqa: ANN401 - documents and fields of any kind

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.factories import Document, a_document, a_job, a_memo_document
from worker.domain.job import MAX_DOCUMENT_BYTES, MAX_ENTITY_ID, parse_job
from worker.domain.problems import InvalidJob
from worker.domain.service import Service
from worker.intake.accept import stored

PERSISTED = {"mode": "persist", "items": None}

GOOD: dict[str, Document] = {
    "explicit lines": a_document(),
    "a line by sku": a_document(items=[{"sku": "A-1", "qty": "0.5"}]),
    "order number": a_document(order_id=None, order_number="000000107"),
    "full": a_document(items=None, full=True),
    "full with a fee": a_document(items=None, full=True, adjustment_negative="5.00"),
    "goodwill": a_document(items=None, amount="12.50"),
    "shipping alone": a_document(items=None, shipping_amount="4.5"),
    "all shipping alone": a_document(items=None, shipping_amount="all"),
    "invoice": a_document(service=Service.INVOICE_REFUND),
    "online": a_document(invoice_id=3, online=True),
    "largest id": a_document(order_id=MAX_ENTITY_ID),
    "longest key": a_document(idempotency_key="k" * 255),
    "every sign in a key": a_document(idempotency_key="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "comment of two lines": a_document(comment="broken\nref other", comment_visible=True),
    "comment with accents": a_document(comment="cassé"),
    "stock": a_document(return_to_stock=[11]),
    "all stock": a_document(return_to_stock=True),
    "no stock": a_document(return_to_stock=False),
    "carried along": a_document(reason="r", requested_by="me", campaign="c-1", metadata={"a": 1, "b": None, "c": "x"}),
    "expected total": a_document(expected_total="10.00"),
    "credit memo": a_document(service=Service.CREDITMEMO_REFUND),
    "stored credit memo": a_document(service=Service.CREDITMEMO_SAVE),
    "numbered credit memo": a_document(
        items=None, creditmemo=a_memo_document(increment_id="000000012", transaction_id="t-1")
    ),
}

#: (changes to a good document, field, words of the reason)
BAD: dict[str, tuple[Document, str, str]] = {
    "unknown field": ({"item": []}, "item", "is not a field of the job document"),
    "no key": ({"idempotency_key": None}, "idempotency_key", "is required"),
    "key with a space": ({"idempotency_key": "a b"}, "idempotency_key", "without spaces"),
    "key with a line break": ({"idempotency_key": "a\n"}, "idempotency_key", "without spaces"),
    "key of 256": ({"idempotency_key": "k" * 256}, "idempotency_key", "1 to 255"),
    "key of none": ({"idempotency_key": ""}, "idempotency_key", "1 to 255"),
    "key beyond ASCII": ({"idempotency_key": "clé"}, "idempotency_key", "ASCII"),
    "key as a number": ({"idempotency_key": 5}, "idempotency_key", "string"),
    "id as text": ({"order_id": "000000107"}, "order_id", "order_number"),
    "id as a boolean": ({"order_id": True}, "order_id", "integer"),
    "id with a point": ({"order_id": 7.0}, "order_id", "integer"),
    "id 0": ({"order_id": 0}, "order_id", "greater than 0"),
    "id too large": ({"order_id": 2**32}, "order_id", "less than or equal to 4294967295"),
    "no order": ({"order_id": None}, "order_id", "is missing"),
    "float": ({"items": None, "amount": 12.5}, "amount", "numbers lose cents"),
    "whole number": ({"items": None, "amount": 12}, "amount", "numbers lose cents"),
    "boolean amount": ({"items": None, "amount": True}, "amount", "not a boolean"),
    "negative": ({"items": None, "amount": "-1"}, "amount", "negative"),
    "three decimals": ({"items": None, "amount": "1.005"}, "amount", "more than 2 decimals"),
    "comma": ({"items": None, "amount": "12,50"}, "amount", "must use a point"),
    "euro": ({"items": None, "amount": "€12.50"}, "amount", "no currency sign"),
    "exponent": ({"items": None, "amount": "1e3"}, "amount", "exponent"),
    "1e9": ({"items": None, "amount": "1e9"}, "amount", "exponent"),
    "leading zero": ({"items": None, "amount": "012.50"}, "amount", "start with a zero"),
    "line break after an amount": ({"items": None, "amount": "12.50\n"}, "amount", "decimal string"),
    "other digits": ({"items": None, "amount": "\u0661\u0662"}, "amount", "decimal string"),
    "too much": ({"items": None, "amount": "1" * 13}, "amount", "larger than any order"),
    "empty amount": ({"items": None, "amount": ""}, "amount", "decimal string"),
    "amount 0": ({"items": None, "amount": "0.00"}, "amount", "more than 0"),
    "items and full": ({"full": True}, "items", "exclude each other"),
    "items and amount": ({"amount": "1.00"}, "items", "exclude each other"),
    "full and amount": ({"items": None, "full": True, "amount": "1.00"}, "full", "exclude each other"),
    "nothing to refund": ({"items": None}, "items", "is missing"),
    "no shipping to refund": ({"items": None, "shipping_amount": "0"}, "items", "is missing"),
    "empty list": ({"items": []}, "items", "at least 1"),
    "full as text": ({"full": "true"}, "full", "boolean"),
    "fee without lines": (
        {"items": None, "shipping_amount": "5", "adjustment_negative": "1"},
        "adjustment_positive",
        "need items or full",
    ),
    "same line twice": ({"items": [{"order_item_id": 11, "qty": 1}] * 2}, "items[1]", "a second time"),
    "same sku twice": ({"items": [{"sku": "a", "qty": 1}] * 2}, "items[1]", "a second time"),
    "line with two names": ({"items": [{"sku": "a", "order_item_id": 1, "qty": 1}]}, "items[0]", "exactly one"),
    "line without a name": ({"items": [{"qty": 1}]}, "items[0]", "exactly one"),
    "line of quantity 0": ({"items": [{"sku": "a", "qty": 0}]}, "items[0].qty", "more than 0"),
    "line of quantity -1": ({"items": [{"sku": "a", "qty": -1}]}, "items[0].qty", "4 decimals"),
    "line of quantity true": ({"items": [{"sku": "a", "qty": True}]}, "items[0].qty", "whole number"),
    "line of quantity 0.5": ({"items": [{"sku": "a", "qty": 0.5}]}, "items[0].qty", "decimal string"),
    "line with 5 decimals": ({"items": [{"sku": "a", "qty": "0.00001"}]}, "items[0].qty", "4 decimals"),
    "unknown in a line": ({"items": [{"sku": "a", "qty": 1, "price": 1}]}, "items[0].price", "not a field"),
    "shipping as a number": ({"shipping_amount": 4.5}, "shipping_amount", 'or "all"'),
    "negative shipping": ({"shipping_amount": "-4"}, "shipping_amount", "negative"),
    "stock twice": ({"return_to_stock": [11, 11]}, "return_to_stock", "twice"),
    "stock of nothing": ({"return_to_stock": []}, "return_to_stock", "true or a list"),
    "emoji": ({"comment": "sorry 😀"}, "comment", "emoji"),
    "comment 0": ({"comment": "0"}, "comment", "Magento fails"),
    "blank comment": ({"comment": " "}, "comment", "Magento fails"),
    "long comment": ({"comment": "x" * 2001}, "comment", "2000"),
    "control character": ({"comment": "a\x00b"}, "comment", "control characters"),
    "half a character": ({"comment": "a\ud800"}, "comment", "half a character"),
    "visible nothing": ({"comment_visible": True}, "comment_visible", "needs a comment"),
    "unknown mode": ({"mode": "both"}, "mode", "process"),
    "shop in capitals": ({"shop": "Default"}, "shop", "pattern"),
    "campaign with a slash": ({"campaign": "a/b"}, "campaign", "pattern"),
    "nested metadata": ({"metadata": {"a": []}}, "metadata", "'a'"),
    "half a character in metadata": ({"metadata": {"a": "\ud800"}}, "metadata", "half a character"),
    "half a character in a name of metadata": ({"metadata": {"\ud800": 1}}, "metadata", "half a character"),
    "persist without a memo": (PERSISTED, "creditmemo", "is required with mode persist"),
    "persist online": (
        {**PERSISTED, "creditmemo": a_memo_document(), "online": True, "invoice_id": 3},
        "online",
        "nothing is processed",
    ),
}

#: (changes to a good credit memo, field, words of the reason)
BAD_MEMOS: dict[str, tuple[Document, str, str]] = {
    "no shipping": ({"shipping_amount": None}, "creditmemo.shipping_amount", "is required"),
    "no base shipping": ({"base_shipping_amount": None}, "creditmemo.base_shipping_amount", "is required"),
    "existing memo": ({"entity_id": 5}, "creditmemo.entity_id", "overwrite"),
    "comments": ({"comments": []}, "creditmemo.comments", "refuses"),
    "unknown key": ({"grandtotal": 5}, "creditmemo.grandtotal", "not a field of Magento's"),
    "unknown nested key": (
        {"items": [{"order_item_id": 11, "qty": 1, "row_total": 1, "base_row_total": 1, "qtty": 1}]},
        "creditmemo.items[0].qtty",
        "not a field of Magento's",
    ),
    "no totals": ({"grand_total": None}, "creditmemo.grand_total", "is required"),
    "zero total": ({"base_grand_total": 0}, "creditmemo.base_grand_total", "more than 0"),
    "negative total": ({"base_grand_total": "-5"}, "creditmemo.base_grand_total", "negative"),
    "infinite": ({"subtotal": "Infinity"}, "creditmemo.subtotal", "number or a decimal"),
    "blanks": ({"subtotal": " 1"}, "creditmemo.subtotal", "number or a decimal"),
    "other digits": ({"subtotal": "\u0661"}, "creditmemo.subtotal", "number or a decimal"),
    "totals that differ": ({"grand_total": "11.00"}, "creditmemo.grand_total", "does not match"),
    "another order": ({"order_id": 8}, "order_id", "differs from creditmemo.order_id"),
    "id as text": ({"store_id": "1"}, "creditmemo.store_id", "whole number"),
    "half a character": ({"discount_description": "\ud83d"}, "creditmemo.discount_description", "half a character"),
    "our marker's place": ({"transaction_id": "t-1"}, "creditmemo.transaction_id", "marker"),
    "same line twice": (
        {"items": [{"order_item_id": 11, "qty": 1, "row_total": 5, "base_row_total": 5}] * 2},
        "creditmemo.items[1].order_item_id",
        "second time",
    ),
    "lines that are none": ({"items": {}}, "creditmemo.items", "list"),
}

#: (raw document, words of the reason)
UNREADABLE: dict[str, tuple[bytes | str | Any, str]] = {
    "10 MB": (b" " * 10_000_000, f"has 10000000 bytes; at most {MAX_DOCUMENT_BYTES}"),
    "not JSON": (b"{'a': 1}", "is not JSON (line 1"),
    "empty": (b"", "is not JSON"),
    "not UTF-8": (b'{"comment": "\xff"}', "is not UTF-8 (byte 13)"),
    "twice": (b'{"order_id": 1, "order_id": 2}', 'the field "order_id" is given twice'),
    "NaN": (b'{"amount": NaN}', "NaN is not a JSON number"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "nested object": (b'{"a":' * 40_000, "nested too deeply"),
    "list": (b"[]", "must be a JSON object"),
    "text": ('"a"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "decoded list": ([], "must be a JSON object"),
    "number of 5000 digits": (b'{"order_id": ' + b"1" * 5000 + b"}", "is not JSON"),
}


def problems_of(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidJob) as caught:
        parse_job(document)
    return [(problem.field, problem.reason) for problem in caught.value.problems]


@pytest.mark.parametrize("document", GOOD.values(), ids=list(GOOD))
def test_a_good_document_is_read_and_reads_the_same_after_it_was_stored(document: Document):
    job = parse_job(json.dumps(document))

    assert parse_job(stored(job)) == job


@pytest.mark.parametrize(("changes", "field", "words"), BAD.values(), ids=list(BAD))
def test_a_bad_field_is_named_with_a_reason(changes: Document, field: str, words: str):
    found = problems_of(a_document(**changes))

    assert [reason for name, reason in found if name == field and words in reason], found


@pytest.mark.parametrize(("changes", "field", "words"), BAD_MEMOS.values(), ids=list(BAD_MEMOS))
def test_a_bad_credit_memo_is_named_with_a_reason(changes: Document, field: str, words: str):
    memo = a_memo_document(**changes)

    found = problems_of(a_document(items=None, creditmemo=memo))

    assert [reason for name, reason in found if name == field and words in reason], found


@pytest.mark.parametrize(("raw", "words"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_document_that_cannot_be_read_says_why(raw: Any, words: str):
    ((field, reason),) = problems_of(raw)

    assert (field, words in reason) == ("", True), reason


@pytest.mark.parametrize("field", ["items", "amount", "notify", "comment", "return_to_stock", "adjustment_positive"])
def test_a_credit_memo_excludes_what_it_says_itself(field: str):
    given: Document = {
        "items": [{"order_item_id": 11, "qty": 1}],
        "amount": "1.00",
        "notify": True,
        "comment": "sorry",
        "return_to_stock": True,
        "adjustment_positive": "1.00",
    }
    document: Document = a_document(**{"items": None, "creditmemo": a_memo_document(), field: given[field]})

    assert field in [name for name, _ in problems_of(document)]


def test_all_problems_are_told_at_once_with_the_key_where_it_can_be_read():
    with pytest.raises(InvalidJob) as caught:
        parse_job(a_document(order_id="7", item=[], comment="0"))

    assert caught.value.idempotency_key == "rma-1"
    assert {problem.field for problem in caught.value.problems} == {"order_id", "item", "comment"}


def test_a_stored_credit_memo_needs_no_totals():
    memo = a_memo_document(grand_total=None, base_grand_total=None)

    assert a_job(service=Service.CREDITMEMO_SAVE, creditmemo=memo).is_persist


def test_amounts_are_exact():
    assert a_job(items=None, amount="0.1").amount == Decimal("0.10")
    assert a_job(items=[{"sku": "a", "qty": "1.500"}]).items == a_job(items=[{"sku": "a", "qty": "1.5"}]).items


def test_a_byte_order_mark_does_no_harm():
    assert parse_job(b"\xef\xbb\xbf" + json.dumps(a_document()).encode()) == a_job()
