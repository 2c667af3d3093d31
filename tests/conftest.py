"""Fixtures that every level of tests may use; keep them few."""

from collections.abc import Iterator

import pytest
import structlog

from worker.sandbox.redis_server import EmbeddedRedis


@pytest.fixture(autouse=True)
def _structlog_as_new() -> Iterator[None]:
    """What one test binds or configures, the next one must not see."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis of this test run, shared: use a database or keys of your own, or flush it first."""
    with EmbeddedRedis() as redis:
        yield redis.url
