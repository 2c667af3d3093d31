"""Equal refunds have equal fingerprints, and no key is found in the marker of another."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import Document, a_document, a_job, a_memo, a_memo_document
from worker.domain.creditmemo import AMOUNT_FIELDS, amount_of
from worker.domain.job import RefundJob, parse_job
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


def written_out(job: RefundJob) -> str:
    """The fingerprint as it was defined when the first ledger was filled: slowly, from pydantic's own dump."""
    carried = {"idempotency_key", "reason", "requested_by", "campaign", "metadata"}
    content = job.model_dump(mode="json", exclude_none=True, exclude=carried)
    if job.items:
        content["items"].sort(key=lambda line: json.dumps(line, sort_keys=True))
    if isinstance(job.return_to_stock, list):
        content["return_to_stock"] = sorted(job.return_to_stock)
    for name in ("adjustment_positive", "adjustment_negative"):
        if getattr(job, name) == 0:
            content.pop(name)
    if job.creditmemo is not None:
        content["creditmemo"] = memo_written_out(job.creditmemo)
    else:
        content.setdefault("shipping_amount", "all" if job.full else "0.00")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def memo_written_out(memo: Document) -> Document:
    content: Document = {}
    for name, value in memo.items():
        if name == "items" and isinstance(value, list):
            content[name] = sorted(map(memo_written_out, value), key=lambda line: json.dumps(line, sort_keys=True))
        elif value is not None:
            amount = amount_of(value) if name in AMOUNT_FIELDS else None
            content[name] = value if amount is None else format(amount.normalize(), "f")
    return content


CENTS = st.integers(0, 10**13)
AMOUNTS = CENTS.map(lambda cents: f"{Decimal(cents).scaleb(-2):.2f}") | st.sampled_from(
    ["0", "0.0", "5", "12.5", "1.00"]
)
QUANTITIES = st.integers(1, 99_999_999) | st.integers(1, 10**12 - 1).map(lambda n: f"{Decimal(n).scaleb(-4):.4f}")
IDS = st.integers(1, 120) | st.integers(1, 2**32 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
LINES = st.lists(
    st.fixed_dictionaries({"order_item_id": IDS, "qty": QUANTITIES})
    | st.fixed_dictionaries({"sku": TEXTS, "qty": QUANTITIES}),
    min_size=1,
    max_size=6,
    unique_by=lambda line: line.get("order_item_id") or line["sku"],
)
COMMENTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters="\x7f"), max_size=20).map(
    "c{}".format
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional=fields)


WHAT = (
    st.fixed_dictionaries({"items": LINES}, optional={"adjustment_positive": AMOUNTS, "adjustment_negative": AMOUNTS})
    | st.fixed_dictionaries(
        {"full": st.sampled_from([True])}, optional={"adjustment_positive": AMOUNTS, "adjustment_negative": AMOUNTS}
    )
    | st.fixed_dictionaries({"amount": AMOUNTS.filter(Decimal)})
)
HOW = optional(
    mode=st.just("process"),
    shop=st.sampled_from(["default", "other"]),
    order_number=st.just("000000107"),
    invoice_id=IDS,
    shipping_amount=AMOUNTS | st.just("all"),
    return_to_stock=st.booleans() | st.lists(IDS, min_size=1, max_size=5, unique=True),
    notify=st.booleans(),
    comment=COMMENTS,
    expected_total=AMOUNTS,
    reason=TEXTS,
    requested_by=TEXTS,
    campaign=st.just("c-1"),
    metadata=st.dictionaries(TEXTS, TEXTS | st.integers() | st.booleans() | st.none(), max_size=3),
)
MEMO_NUMBERS = AMOUNTS | st.integers(1, 10**6) | st.decimals(0, 10**6, places=3) | st.none()
MEMO_LINE = st.fixed_dictionaries(
    {"order_item_id": IDS, "qty": QUANTITIES, "row_total": AMOUNTS, "base_row_total": AMOUNTS},
    optional={"sku": TEXTS, "tax_amount": MEMO_NUMBERS, "base_price": MEMO_NUMBERS},
)
MEMOS = st.fixed_dictionaries(
    {"order_id": st.just(7), "shipping_amount": AMOUNTS, "base_shipping_amount": AMOUNTS},
    optional={
        "subtotal": MEMO_NUMBERS,
        "tax_amount": MEMO_NUMBERS,
        "discount_description": TEXTS,
        "items": st.lists(MEMO_LINE, max_size=4, unique_by=lambda line: line["order_item_id"]),
    },
)


@given(what=WHAT, how=HOW)
def test_a_fingerprint_is_the_same_as_ever(what: Document, how: Document):
    job = parse_job({"idempotency_key": "k", "order_id": 7, **how, **what})

    assert fingerprint(job) == written_out(job)


@given(memo=MEMOS)
def test_so_is_that_of_a_whole_memo(memo: Document):
    for extra in ({"mode": "persist"}, {"online": True, "invoice_id": 3}):
        totals = {} if "mode" in extra else {"grand_total": "5", "base_grand_total": "5.00"}
        job = parse_job({"idempotency_key": "k", "order_id": 7, "creditmemo": memo | totals, **extra})

        assert fingerprint(job) == written_out(job)


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
