"""Credentials that are kept in files: read again when the shop refuses them, so that a new token needs no restart."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Generic, TypeVar

import structlog
from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse

from worker.domain.errors import Unauthorised
from worker.magento.auth import Auth
from worker.magento.call import Call

K = TypeVar("K")
log = structlog.get_logger("magento")


class Reread(Generic[K]):
    """Lets calls in with what the files held last; on a 401 reads them again, and repeats the request if they changed.

    The repeat is safe: a 401 comes before any effect (contract 4.4), and that of a used nonce comes again, because the
    request is repeated under the same nonce.

    Args:
        shop: Its name, for the log.
        read: Reads the files.
        make: Makes the scheme of what was read.
    """

    def __init__(self, shop: str, *, read: Callable[[], K], make: Callable[[K], Auth]) -> None:
        self._shop, self._read, self._make = shop, read, make
        self._known = read()
        self._auth = make(self._known)

    def for_call(self, call: Call) -> ClientMiddlewareType:
        """Give the middleware that adds the credentials to this call."""

        async def let_in(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            used = self._auth
            try:
                response = await used.for_call(call)(request, handler)
            except Unauthorised:
                if not self._has_others_than(used):
                    raise
            else:
                if response.status != HTTPStatus.UNAUTHORIZED or not self._has_others_than(used):
                    return response
                call.came_back_unused()
                response.release()
            return await self._auth.for_call(call)(request, handler)

        return let_in

    def _has_others_than(self, used: Auth) -> bool:
        """Read the files again, unless another call did since."""
        if self._auth is not used:
            return True
        found = self._read()
        if found == self._known:
            return False
        self._known, self._auth = found, self._make(found)
        log.info("shop.credentials_read_again", shop=self._shop)
        return True
