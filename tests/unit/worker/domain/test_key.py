"""Equal refunds have equal fingerprints, and no key is found in the marker of another."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import Document, a_document, a_job, a_memo, a_memo_document
from worker.domain.job import parse_job
from worker.domain.key import bears_marker, differences, fingerprint, marked_comment, marker, own_number
from worker.domain.plan import transaction_marker
from worker.domain.service import Service
from worker.intake.accept import stored
from worker.magento.reconcile import marked

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
TWO_LINES = [{"order_item_id": 11, "qty": 1}, {"order_item_id": 12, "qty": 1}]
MEMO_LINES = [
    {"order_item_id": 11, "qty": 1, "row_total": 5, "base_row_total": 5},
    {"order_item_id": 12, "qty": 1, "row_total": 5, "base_row_total": 5},
]

SAME: dict[str, tuple[Document, Document]] = {
    "order of lines": ({"items": TWO_LINES}, {"items": TWO_LINES[::-1]}),
    "5 and 5.00": ({"items": None, "amount": "5"}, {"items": None, "amount": "5.00"}),
    "quantities": ({"items": [{"sku": "a", "qty": 1}]}, {"items": [{"sku": "a", "qty": "1.0"}]}),
    "no shipping, said or not": ({}, {"shipping_amount": "0"}),
    "all shipping, said or not": (
        {"items": None, "full": True},
        {"items": None, "full": True, "shipping_amount": "all"},
    ),
    "defaults, said or not": ({}, {"mode": "process", "shop": "default", "notify": False, "online": False}),
    "no adjustment, said or not": ({}, {"adjustment_positive": "0", "adjustment_negative": "0.00"}),
    "no stock, said or not": ({}, {"return_to_stock": False}),
    "order of stock": (
        {"items": TWO_LINES, "return_to_stock": [11, 12]},
        {"items": TWO_LINES, "return_to_stock": [12, 11]},
    ),
    "carried along": ({}, {"reason": "r", "requested_by": "x", "campaign": "c", "metadata": {"try": 2}}),
    "amounts of a memo": (
        {"items": None, "creditmemo": a_memo_document()},
        {"items": None, "creditmemo": a_memo_document(grand_total=10, base_grand_total=10.0)},
    ),
    "lines of a memo": (
        {"items": None, "creditmemo": a_memo_document(items=MEMO_LINES)},
        {"items": None, "creditmemo": a_memo_document(items=MEMO_LINES[::-1])},
    ),
}

OTHER: dict[str, Document] = {
    "another order": {"order_id": 8},
    "another line": {"items": [{"order_item_id": 12, "qty": 1}]},
    "another quantity": {"items": [{"order_item_id": 11, "qty": 2}]},
    "a sku that looks like an id": {"items": [{"sku": "11", "qty": 1}]},
    "shipping": {"shipping_amount": "1"},
    "a fee": {"adjustment_negative": "1"},
    "stock": {"return_to_stock": True},
    "mail": {"notify": True},
    "a comment": {"comment": "x"},
    "an invoice": {"invoice_id": 3},
    "another shop": {"shop": "other"},
    "an expectation": {"expected_total": "10.00"},
}


#: As ledgers hold them. One that changes makes every duplicate of such a job a conflict.
GOLDEN: dict[str, tuple[Document, str]] = {
    "plain": ({}, "6128cd54db350611a4c43492d7bd175e"),
    "two lines, stock": (
        {
            "items": [{"sku": "b", "qty": "0.5"}, {"order_item_id": 11, "qty": 2}],
            "return_to_stock": [12, 11],
            "comment": "Größe",
            "notify": True,
        },
        "51dc6c49d4c523310ec85224a32e4dc8",
    ),
    "amount": ({"items": None, "amount": "5"}, "35d47ad017a8d710fe6636838fd6af90"),
    "full online": (
        {
            "items": None,
            "full": True,
            "online": True,
            "invoice_id": 3,
            "adjustment_positive": "0",
            "adjustment_negative": "1.5",
        },
        "4684d222140130ef120cb2ba9af1c227",
    ),
    "memo": ({"items": None, "creditmemo": a_memo_document()}, "220036d4ffafb06df7286243e058c358"),
}


@pytest.mark.parametrize(("changes", "known"), GOLDEN.values(), ids=list(GOLDEN))
def test_fingerprints_never_change(changes: Document, known: str):
    assert fingerprint(a_job(**changes)) == known


@pytest.mark.parametrize(("one", "two"), SAME.values(), ids=list(SAME))
def test_equal_refunds_have_equal_fingerprints(one: Document, two: Document):
    assert fingerprint(a_job(**one)) == fingerprint(a_job(**two))
    assert differences(a_job(**one), a_job(**two)) == {}


@pytest.mark.parametrize("changes", OTHER.values(), ids=list(OTHER))
def test_other_refunds_have_other_fingerprints_and_the_difference_is_named(changes: Document):
    assert fingerprint(a_job()) != fingerprint(a_job(**changes))
    assert list(differences(a_job(), a_job(**changes))) == list(changes)


def test_the_key_itself_does_not_count():
    assert fingerprint(a_job(idempotency_key="a")) == fingerprint(a_job(idempotency_key="b"))


@pytest.mark.parametrize("service", list(Service))
def test_a_stored_document_keeps_its_fingerprint(service: Service):
    raw = a_document(service=service)
    if "creditmemo" in raw:
        raw["creditmemo"]["subtotal"] = Decimal("10.50")
    job = parse_job(raw)

    assert fingerprint(parse_job(stored(job))) == fingerprint(job)


@given(key=KEYS, other=KEYS, comment=st.none() | st.text(max_size=50))
def test_no_key_is_found_in_the_marker_of_another(key: str, other: str, comment: str | None):
    text = marked_comment(key, comment)

    assert bears_marker(text, key)
    assert bears_marker(text, other) == (key == other)
    assert (transaction_marker(key) == transaction_marker(other)) == (key == other)


@given(key=KEYS, ending=st.text(st.sampled_from("%_\\x.-"), min_size=1, max_size=3))
def test_a_key_that_begins_or_ends_another_is_not_it(key: str, ending: str):
    longer, around = (key + ending)[:255], (ending + key)[-255:]

    for other in {longer, around} - {key}:
        assert not bears_marker(marked_comment(other, None), key)
        assert not bears_marker(marked_comment(key, None), other)


def test_a_comment_whose_last_line_looks_like_a_marker_is_not_taken_for_one():
    text = marked_comment("mine", f"sorry\n{marker('other')}")

    assert bears_marker(text, "mine")
    assert not bears_marker(text, "other")


@pytest.mark.parametrize("text", [None, 5, "", "ref", "ref ", "mine", "ref mine more", "ref mine\nmore", "xref mine"])
def test_other_texts_bear_no_marker(text: object):
    assert not bears_marker(text, "mine")


@pytest.mark.parametrize("text", ["ref mine", "sorry\r\nref mine\r\n", "sorry\nref mine  "])
def test_line_ends_and_trailing_blanks_do_not_hide_a_marker(text: str):
    assert bears_marker(text, "mine")


@given(key=KEYS)
def test_markers_fit_into_their_columns(key: str):
    assert len(transaction_marker(key)) <= 255
    assert len(own_number(key)) <= 50


def test_credit_memos_are_found_by_comment_transaction_or_number_and_by_nothing_else():
    memos = [
        a_memo(entity_id=1, comments=[{"comment": "thanks"}, {"comment": "sorry\nref mine"}]),
        a_memo(entity_id=2, transaction_id="ref mine"),
        a_memo(entity_id=3, increment_id=own_number("mine")),
        a_memo(entity_id=4, comments=[{"comment": "ref other"}], transaction_id="mine"),
        a_memo(entity_id=5, increment_id="000000012", store_id=1),
    ]

    assert [memo["entity_id"] for memo in marked(memos, "mine", None)] == [1, 2, 3]
    own = {"increment_id": "000000012", "store_id": 1}
    assert [memo["entity_id"] for memo in marked(memos, "mine", own)] == [1, 2, 3, 5]
