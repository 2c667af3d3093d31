"""A document that a Python producer sent is not lost when the ledger cannot take it in yet."""

from pathlib import Path

import pytest
from celery import Celery
from redis import Redis

from tests.factories import a_document
from tests.stack import Stack
from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = pytest.mark.integration


def test_a_document_that_came_while_the_ledger_was_full_is_accepted_once_it_has_room(tmp_path: Path):
    with (
        EmbeddedRedis(directory=tmp_path / "broker") as broker,
        Stack.start(tmp_path, settings={"REFUNDS_BROKER_URL": broker.url}) as stack,
    ):
        stack.client.config_set("maxmemory", 1)

        with Celery(broker=broker.url, set_as_current=False) as app:
            app.send_task("refunds.submit", args=[a_document(idempotency_key="rma-1")], queue="refunds.submit")
        stack.wait_until(lambda: "command not allowed when used memory" in stack.log_of("worker"))
        assert stack.client.exists("refunds:entry:rma-1") == 0
        stack.client.config_set("maxmemory", 0)

        stack.wait_until(lambda: stack.client.exists("refunds:entry:rma-1"))


def test_a_document_that_the_ledger_did_not_take_goes_back_when_its_worker_is_told_to_stop(tmp_path: Path):
    with (
        EmbeddedRedis(directory=tmp_path / "broker") as broker,
        Stack.start(tmp_path, workers=0, settings={"REFUNDS_BROKER_URL": broker.url}) as stack,
    ):
        worker = stack.start_worker()
        stack.client.config_set("maxmemory", 1)
        with Celery(broker=broker.url, set_as_current=False) as app:
            app.send_task("refunds.submit", args=[a_document(idempotency_key="rma-1")], queue="refunds.submit")
        stack.wait_until(lambda: "intake.redis_away" in stack.log_of("worker"))

        assert stack.end(worker) == 0

        with Redis.from_url(broker.url) as client:
            assert client.llen("refunds.submit") == 1
            assert client.hlen("unacked") == 0
