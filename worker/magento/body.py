"""Read an answer of the shop to its end, but not further than we can hold."""

import email.utils
import math
import re
from datetime import UTC, datetime
from typing import Final

from aiohttp import ClientError, ClientResponse, hdrs

from worker.domain.answer import Answer

#: A shop that asks for more is not believed.
_MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0


class AnswerTooLong(ClientError):
    """The body is longer than we are ready to hold; translated like an answer that broke off."""


async def read_answer_of(response: ClientResponse, *, max_bytes: int) -> Answer:
    """Read the whole answer.

    Args:
        response: An answer whose headers have arrived.
        max_bytes: Longest body that is read, in bytes after decompression.

    Raises:
        AnswerTooLong: The body is longer; the connection is closed.
    """
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            raise AnswerTooLong(f"the answer is longer than {max_bytes} bytes")
    return Answer(
        status=response.status,
        content_type=response.headers.get(hdrs.CONTENT_TYPE, ""),
        text=body.decode("utf-8", errors="replace"),
        retry_after_seconds=retry_after_seconds(
            response.headers.get(hdrs.RETRY_AFTER, ""), date=response.headers.get(hdrs.DATE, "")
        ),
    )


def retry_after_seconds(header: str, *, date: str = "") -> float | None:
    """Read the header Retry-After, which is a number of seconds or a date.

    Args:
        header: The header.
        date: The header Date of the same answer: it is the shop's clock that the date was made with.

    Returns:
        Seconds to wait, from 0 to a day; None when the header is empty or nonsense.
    """
    text = header.strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return _bounded(float(text))
    until = _moment(text)
    return None if until is None else _bounded((until - (_moment(date) or datetime.now(UTC))).total_seconds())


def _bounded(seconds: float) -> float:
    return math.floor(min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS) * 1000) / 1000


def _moment(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
