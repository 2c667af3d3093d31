"""One call to the shop: its nonce, its deadline, and whether any byte of it may have left us."""

import time
from collections.abc import Callable
from types import SimpleNamespace

import aiohttp

from worker.domain.errors import NotSent


class Call:
    """Travels with one request through credentials and transport.

    Attributes:
        nonce: OAuth nonce that the send must carry; None lets the signer draw one.
        may_have_left: True from the moment when the first byte may be written, until an answer proves that nothing was
            done (a 401 that only asked for a new token).
    """

    def __init__(
        self,
        *,
        nonce: str | None = None,
        send_before: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.nonce = nonce
        self.may_have_left = False
        self._send_before = send_before
        self._clock = clock

    def leave(self) -> None:
        """Note that the next thing to happen is that bytes are written.

        Raises:
            NotSent: It is too late: this process was suspended, or waited for a connection, until after the deadline.
                Someone else may be dealing with the job by now.
        """
        if self._send_before is not None and self._clock() >= self._send_before:
            raise NotSent("the time for this send was over before it could be written", reason="too_late")
        self.may_have_left = True

    def came_back_unused(self) -> None:
        """Note that the shop turned the request away before doing anything, so that it may be written again."""
        self.may_have_left = False


def departure_trace() -> aiohttp.TraceConfig:
    """Make the trace that tells a `Call` when its bytes leave; the session must carry it."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_before_headers)
    return trace


def watches_departures(session: aiohttp.ClientSession) -> bool:
    """Say whether a session carries the trace."""
    return any(_before_headers in trace.on_request_headers_sent for trace in session.trace_configs)


async def _before_headers(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _sent: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Run just before the headers are written: aiohttp calls this before it fills its buffer."""
    if isinstance(call := context.trace_request_ctx, Call):
        call.leave()
