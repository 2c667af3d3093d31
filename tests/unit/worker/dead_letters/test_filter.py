from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.dead_letters.filter import Filter
from worker.dead_letters.letter import Letter, service_decided
from worker.domain.decision import decide
from worker.domain.job import parse_job

A_LETTER = {
    "key": "RMA-7",
    "reason": "qty_too_large",
    "verdict": "refused",
    "message": 'Item "Blue Shirt" has\n2 left.',
    "at_ms": "5000",
    "job": '{"order_id": 31, "amount": "12.50"}',
    "shop": "uk",
}


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"reasons": ("order_status", "qty_too_large"), "shops": ("uk",)}, True),
        ({"reasons": ("order_status",)}, False),
        ({"reasons": ("qty_too_large",), "shops": ("us",)}, False),
        ({"campaigns": ("-",)}, True),
        ({"campaigns": ("recall",)}, False),
        ({"services": ("order_refund",)}, True),
        ({"verdicts": ("unknown",)}, False),
        ({"since_ms": 5000, "until_ms": 5001}, True),
        ({"since_ms": 5001}, False),
        ({"until_ms": 5000}, False),
        ({"min_amount": Decimal("12.50"), "max_amount": Decimal("12.50")}, True),
        ({"min_amount": Decimal("12.51")}, False),
        ({"max_amount": Decimal("12.49")}, False),
        ({"text": "blue shirt"}, True),
        ({"text": "has 2"}, True),
        ({"text": "rma-"}, True),
        ({"text": "31"}, True),
        ({"text": "red"}, False),
    ],
    ids=str,
)
def test_filters_combine(wanted: dict[str, Any], *, fits: bool):
    assert Filter(**wanted).fits(Letter.read("1-0", A_LETTER)) is fits


def test_a_letter_of_unknown_amount_fits_no_amount():
    letter = Letter.read("1-0", A_LETTER | {"job": '{"order_id": 1, "full": true}'})
    assert not Filter(min_amount=Decimal("0.00")).fits(letter)
    assert not Filter(max_amount=Decimal("9.00")).fits(letter)


def test_the_service_is_that_of_the_latest_attempt_that_had_one():
    tried = '{"service": "invoice_refund"}\n{"service": "order_refund"}\n{"event": "replayed"}'
    assert Letter.read("1-0", A_LETTER | {"attempts": tried}).service == "order_refund"


@given(
    job=st.fixed_dictionaries(
        {"order_id": st.just(1)},
        optional={
            "mode": st.sampled_from(["process", "persist"]),
            "invoice_id": st.just(2),
            "online": st.booleans(),
            "creditmemo": st.just({"order_id": 1, "shipping_amount": 0, "base_shipping_amount": 0}),
            "full": st.just(value=True),
            "amount": st.just("1.00"),
        },
    )
)
def test_what_a_document_decides_alone_is_what_the_decision_says(job: dict[str, Any]):
    try:
        valid = parse_job({"idempotency_key": "k", **job})
    except ValueError:
        return
    assert service_decided(job) == decide(valid).service.value
