"""One call to the shop: its nonce, its deadline, and whether any byte of it may have left us."""

import time
from collections.abc import Callable

import aiohttp
from aiohttp.connector import Connection

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

    async def carried(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Go along with a request (an aiohttp middleware, the last one before the transport).

        Raises:
            TypeError: The session was not made by `open_session`: it could not tell what has left us. Nothing was sent.
        """
        if not isinstance(request, DepartingRequest):
            raise TypeError("the session does not watch departures; make it with worker.magento.session.open_session")
        request.call = self
        return await handler(request)

    def came_back_unused(self) -> None:
        """Note that the shop turned the request away before doing anything, so that it may be written again."""
        self.may_have_left = False


class DepartingRequest(aiohttp.ClientRequest):
    """A request that tells its `Call` when it has a connection and is about to be written; the session must make these.

    A trace (`on_request_headers_sent`) tells the same, but sends seven signals for each request, which cost as much as
    signing it.
    """

    call: Call | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request, unless it is too late."""
        if self.call is not None:
            self.call.leave()
        return await super().send(conn)
