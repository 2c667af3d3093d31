import json
from collections.abc import Iterator

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.types import Event

from config.sentry import init_sentry, scrub, sentry_options
from config.settings import Settings


class Throttled(Exception):
    """Stands for an answer that is expected."""


class Collecting(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope)


@pytest.fixture
def sent() -> Iterator[list[Envelope]]:
    transport = Collecting()
    settings = Settings.from_environ(
        {"REFUNDS_SENTRY_DSN": "https://k@sentry.example/1", "REFUNDS_ENVIRONMENT": "test"}
    )
    options = sentry_options(settings, expected=(Throttled,))
    with sentry_sdk.isolation_scope() as scope:
        client = sentry_sdk.Client(transport=transport, **{**options, "auto_enabling_integrations": False})
        scope.set_client(client)
        yield transport.sent
        client.close()


def fail(error: Exception) -> None:
    local_value = "2retnuh"[::-1]  # backwards, because the source line itself is sent
    assert local_value
    raise error


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as failed:
        fail(error)
    return failed.value


def text_of(envelopes: list[Envelope]) -> str:
    return json.dumps([envelope.get_event() for envelope in envelopes], default=str)


def test_without_a_dsn_nothing_is_started():
    assert init_sentry(Settings()) is False


def test_an_unexpected_error_is_sent_without_secrets(sent: list[Envelope]):
    sentry_sdk.get_isolation_scope().set_user({"email": "customer@example.com"})
    sentry_sdk.add_breadcrumb(message="GET https://shop.example/?token=hunter2")
    sentry_sdk.capture_exception(raised(RuntimeError("no answer from redis://:hunter2@host/0")))
    assert len(sent) == 1
    assert "no answer from redis://:***@host/0" in text_of(sent)
    assert "hunter2" not in text_of(sent)
    assert "customer@example.com" not in text_of(sent)


@pytest.mark.parametrize("error", [Throttled("slow down"), BrokenPipeError()], ids=["throttled", "pipe"])
def test_an_expected_error_is_never_sent(sent: list[Envelope], error: Exception):
    sentry_sdk.capture_exception(raised(error))
    assert sent == []


def test_scrubbing_drops_requests_and_users():
    event: Event = {"request": {"url": "https://shop.example"}, "user": {"id": "7"}, "extra": {"token": "hunter2"}}
    assert scrub(event) == {"extra": {"token": "***"}}
