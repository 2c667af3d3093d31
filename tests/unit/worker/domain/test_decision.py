"""Each row of the decision table, and that every job has a decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import shops
from tests.factories import Document, a_job
from worker.domain.decision import OFFLINE_METHODS, RULES, decide
from worker.domain.job import RefundJob
from worker.domain.service import Service

MEMO: Document = {"service": Service.CREDITMEMO_REFUND}

ROWS: list[tuple[str, Document, str | None, Service]] = [
    ("persist-creditmemo", {"service": Service.CREDITMEMO_SAVE}, None, Service.CREDITMEMO_SAVE),
    ("persist-creditmemo", {"service": Service.CREDITMEMO_SAVE, "invoice_id": 3}, "checkmo", Service.CREDITMEMO_SAVE),
    ("process-creditmemo", MEMO, None, Service.CREDITMEMO_REFUND),
    ("process-creditmemo", {**MEMO, "invoice_id": 3, "online": True}, "gateway", Service.CREDITMEMO_REFUND),
    ("online-invoice", {"invoice_id": 3, "online": True}, None, Service.INVOICE_REFUND),
    ("online-invoice", {"invoice_id": 3, "online": True}, "checkmo", Service.INVOICE_REFUND),
    ("online-single-invoice", {"online": True}, None, Service.INVOICE_REFUND),
    ("offline-invoice-of-offline-method", {"invoice_id": 3}, "checkmo", Service.ORDER_REFUND),
    ("offline-invoice", {"invoice_id": 3}, "gateway", Service.INVOICE_REFUND),
    ("offline-invoice", {"invoice_id": 3}, None, Service.INVOICE_REFUND),
    ("order", {}, None, Service.ORDER_REFUND),
    ("order", {"items": None, "full": True}, "gateway", Service.ORDER_REFUND),
]

JOBS = st.sampled_from([a_job(**changes) for _, changes, _, _ in ROWS])
METHODS = st.none() | st.sampled_from([*sorted(OFFLINE_METHODS), "gateway", ""])


@pytest.mark.parametrize(("name", "changes", "method", "service"), ROWS)
def test_each_row_decides_its_jobs(name: str, changes: Document, method: str | None, service: Service):
    rule = decide(a_job(**changes), payment_method=method)

    assert (rule.name, rule.service) == (name, service)


def test_every_row_of_the_table_is_tested():
    assert {name for name, *_ in ROWS} == {rule.name for rule in RULES}


@pytest.mark.parametrize("method", sorted(OFFLINE_METHODS))
def test_an_online_job_never_goes_to_the_order_service(method: str):
    for invoice in ({}, {"invoice_id": 3}):
        assert decide(a_job(online=True, **invoice), payment_method=method).service is Service.INVOICE_REFUND


@given(job=JOBS, method=METHODS, offline=st.frozensets(st.sampled_from(["gateway", "checkmo"])))
def test_every_job_has_one_decision_that_is_always_the_same(
    job: RefundJob, method: str | None, offline: frozenset[str]
):
    first = decide(job, payment_method=method, offline_methods=offline)

    assert first in RULES
    assert decide(job, payment_method=method, offline_methods=offline) is first


def test_a_shop_may_name_its_own_offline_methods():
    rule = decide(a_job(invoice_id=3), payment_method="pay_later", offline_methods=frozenset({"pay_later"}))

    assert rule.service is Service.ORDER_REFUND


def test_settings_and_decision_name_the_same_methods_that_cannot_refund():
    """Neither may import the other: `config` knows nothing of refunds, the domain reads no settings."""
    assert shops.OFFLINE_METHODS == OFFLINE_METHODS
