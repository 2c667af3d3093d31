"""Fixtures that every level of tests may use; keep them few."""

import signal
from collections.abc import Iterator

import pytest
import structlog

from worker.sandbox.redis_server import EmbeddedRedis


def pytest_configure() -> None:
    """Take Ctrl-C back: a shell makes its background jobs deaf to it, and what they start, our commands, with them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
