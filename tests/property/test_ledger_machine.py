"""Random histories end well: on fakeredis in bulk, and on a real Redis so that the double cannot drift."""

import logging
from typing import ClassVar

import pytest
import structlog
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis

from tests.suites.ledger_machine import LedgerMachine

pytestmark = pytest.mark.timeout(300)  # a hundred histories with as many attempts each take their time

_COMMON = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """A thousand attempts write a thousand lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class OnFakeRedis(LedgerMachine):
    def open_redis(self) -> Redis:
        return FakeAsyncRedis(decode_responses=True)


class OnRealRedis(LedgerMachine):
    url: ClassVar[str]

    def open_redis(self) -> Redis:
        return Redis.from_url(f"{self.url.rpartition('/')[0]}/7", decode_responses=True)


def test_no_history_on_fakeredis_refunds_twice_or_loses_a_job():
    run_state_machine_as_test(OnFakeRedis, settings=settings(_COMMON, max_examples=150, stateful_step_count=30))


@pytest.mark.integration
def test_no_history_on_a_real_redis_refunds_twice_or_loses_a_job(redis_url: str):
    OnRealRedis.url = redis_url
    run_state_machine_as_test(OnRealRedis, settings=settings(_COMMON, max_examples=60, stateful_step_count=30))
