import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config import masking
from config.logging import configure_logging
from config.masking import mask, mask_text
from config.settings import Settings


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """Where JSON log lines go; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(Settings(log_format="json"), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_fields(log_stream: io.StringIO):
    structlog.contextvars.bind_contextvars(shop="default")
    structlog.get_logger("worker.handler").info("refund.attempt_finished", outcome="refunded", amount=Decimal("9.50"))
    [line] = lines(log_stream)
    assert line["event"] == "refund.attempt_finished"
    assert line["logger"] == "worker.handler"
    assert line["level"] == "info"
    assert line["shop"] == "default"
    assert line["amount"] == "9.50"
    assert str(line["timestamp"]).endswith("Z")


def test_the_standard_library_goes_to_the_same_stream(log_stream: io.StringIO):
    logging.getLogger("some.library").warning("lost %s", "redis://:hunter2@host/0", extra={"attempt": 2})
    [line] = lines(log_stream)
    assert line["event"] == "lost redis://:***@host/0"
    assert line["attempt"] == 2


def test_secrets_are_masked_at_any_depth(log_stream: io.StringIO):
    structlog.get_logger().info(
        "request.sent",
        idempotency_key="RMA-1",
        headers={"Authorization": "Bearer hunter2", "Accept": "application/json"},
        body=[{"password": "hunter2"}],
        oauth_signature="hunter2",
    )
    assert "hunter2" not in log_stream.getvalue()
    [line] = lines(log_stream)
    assert line["idempotency_key"] == "RMA-1", "a key of a job is no secret"
    assert line["headers"] == {"Authorization": "***", "Accept": "application/json"}


def test_a_traceback_is_masked(log_stream: io.StringIO):
    error = RuntimeError("cannot reach redis://:hunter2@host/0")
    structlog.get_logger().error("ledger.lost", exc_info=error)
    assert "hunter2" not in log_stream.getvalue()
    assert "RuntimeError" in log_stream.getvalue()


def test_configuring_twice_does_not_log_twice(log_stream: io.StringIO):
    configure_logging(Settings(log_format="json"), stream=log_stream)
    structlog.get_logger().info("once")
    assert len(lines(log_stream)) == 1


def test_a_line_per_celery_message_is_not_wanted(log_stream: io.StringIO):
    logging.getLogger("celery.app.trace").info("Task succeeded")
    assert log_stream.getvalue() == ""


def test_columns_can_be_asked_for(log_stream: io.StringIO):
    configure_logging(Settings(log_format="console"), stream=log_stream)
    structlog.get_logger().info("worker.started", pid=1)
    assert "worker.started" in log_stream.getvalue()
    assert "{" not in log_stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2",
        'OAuth oauth_consumer_key="hunter2", oauth_signature="hunter2"',
        "https://shop.example/?token=hunter2&a=1",
        '{"password": "hunter2"}',
        "rediss://user:hunter2@host:6379/0",
        "access_token='hunter2'",
    ],
)
def test_secrets_are_recognised_in_text(text: str):
    assert "hunter2" not in mask_text(text)


def test_ordinary_text_is_left_alone():
    text = "Credit memo 000000012 for order 7: 12.50 EUR at https://shop.example/rest/all/V1/order/7/refund"
    assert mask_text(text) == text


#: Pieces of which secrets are made, and others; the foreign letters are taken for ours where case is ignored.
PIECES = st.sampled_from(
    [
        *(
            "://",
            "user",
            ":",
            "@",
            "=",
            '"',
            " ",
            "Bearer ",
            "basic ",
            "OAuth ",
            "token",
            "PassWord",
            "pa\u017f\u017fwd",
        ),
        *("to\u212aen", "secret", "consumer_key", "api-key", "apikey", "authorization", "authori\u017fation", "cookie"),
        *("credentials", "dsn", "capital", "x"),
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


@given(text=TEXTS)
def test_no_text_is_let_through_that_a_pattern_would_change(text: str):
    expected = text
    for pattern, replacement in masking.IN_TEXT:
        expected = pattern.sub(replacement, expected)
    assert mask_text(text) == expected


@given(name=TEXTS, text=TEXTS)
def test_a_flat_event_is_masked_as_one_that_is_not(name: str, text: str):
    flat: dict[str, object] = {name: text, "attempt": 1, "rate": 0.5, "none": None}
    assert {**dict(mask(flat)), "nested": []} == mask({**flat, "nested": []})  # type: ignore[call-overload]


def test_a_bottomless_value_is_not_followed():
    value: dict[str, object] = {}
    value["again"] = value
    assert "***" in repr(mask(value))
