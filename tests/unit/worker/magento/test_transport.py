"""How long the shop asks us to wait, how a search is spelled, and what an error of the transport means."""

import ssl
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from worker.domain.errors import InDoubt, NotSent, Unreadable
from worker.magento.body import AnswerTooLong, retry_after_seconds
from worker.magento.call import Call
from worker.magento.documents import page_of
from worker.magento.search import search_query
from worker.magento.translate import translated

KEY: Any = ConnectionKey("shop.example", 443, True, True, None, None, None)  # noqa: FBT003


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7.0), (" 0 ", 0.0), ("1.5", 1.5), ("999999999", 86400.0), ("", None), ("-3", None), ("soon", None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0), ("9" * 40, None),
        ],
    )  # fmt: skip
    def test_it_is_seconds_or_a_date_by_the_clock_of_the_shop(self, header: str, seconds: float | None):
        assert retry_after_seconds(header, date="Wed, 21 Oct 2026 07:28:00 GMT") == seconds


class TestSearch:
    def test_filters_are_anded_and_the_order_is_given(self):
        query = search_query([("order_id", "eq", "5"), ("increment_id", "in", "%a+b%")], page_size=100, page=2)

        assert "[" not in query
        assert parse_qs(query) == {
            "searchCriteria[filter_groups][0][filters][0][field]": ["order_id"],
            "searchCriteria[filter_groups][0][filters][0][value]": ["5"],
            "searchCriteria[filter_groups][0][filters][0][condition_type]": ["eq"],
            "searchCriteria[filter_groups][1][filters][0][field]": ["increment_id"],
            "searchCriteria[filter_groups][1][filters][0][value]": ["%a+b%"],
            "searchCriteria[filter_groups][1][filters][0][condition_type]": ["in"],
            "searchCriteria[sortOrders][0][field]": ["entity_id"],
            "searchCriteria[sortOrders][0][direction]": ["ASC"],
            "searchCriteria[pageSize]": ["100"],
            "searchCriteria[currentPage]": ["2"],
        }

    @pytest.mark.parametrize(
        "envelope",
        [
            {}, {"items": []}, {"items": None, "total_count": 3}, {"items": ["x"], "total_count": 1},
            {"items": [], "total_count": "0"}, {"items": [], "total_count": True}, {"items": {}, "total_count": 0},
        ],
    )  # fmt: skip
    def test_what_is_no_list_never_reads_as_an_empty_one(self, envelope: dict[str, Any]):
        with pytest.raises(Unreadable):
            page_of(envelope)


class TestTranslation:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (aiohttp.ConnectionTimeoutError(), "connect_timeout"),
            (aiohttp.SocketTimeoutError(), "answer_timeout"),
            (aiohttp.ClientConnectorDNSError(KEY, OSError(1, "no such host")), "dns"),
            (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError()), "certificate"),
            (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "handshake")), "tls"),
            (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "connection_refused"),
            (aiohttp.ServerDisconnectedError(), "disconnected"),
            (aiohttp.ClientPayloadError(), "half_answer"),
            (aiohttp.ClientOSError(104, "reset"), "connection_lost"),
            (AnswerTooLong(), "answer_too_long"),
            (TimeoutError(), "timeout"),
            (OSError(5, "i/o"), "connection_lost"),
            (RuntimeError("Session is closed"), "transport"),
            (ValueError("a header with a line break"), "transport"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_what_has_left_decides_and_not_the_type_of_the_error(self, error: Exception, reason: str):
        for left, has_effect, kind in ((False, True, NotSent), (True, True, InDoubt), (True, False, NotSent)):
            call = Call()
            if left:
                call.leave()

            with pytest.raises(kind) as caught, translated(call, has_effect=has_effect):
                raise error

            assert type(caught.value) is kind
            assert caught.value.reason == reason
            assert caught.value.__cause__ is error

    def test_an_address_with_credentials_in_it_is_not_repeated(self):
        error = aiohttp.InvalidURL("http://ann:secret@shop")

        with pytest.raises(NotSent) as caught, translated(Call(), has_effect=True):
            raise error

        assert "secret" not in str(caught.value)

    def test_a_programming_error_is_not_dressed_up(self):
        with pytest.raises(AttributeError), translated(Call(), has_effect=True):
            _ = SimpleNamespace().missing
