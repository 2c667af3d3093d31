"""Credentials: one class per scheme, each an object given to the client, which never asks which one it has."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse, hdrs
from pydantic import SecretStr

from worker.magento.admin_token import AdminToken
from worker.magento.call import Call
from worker.magento.signature import Signer

__all__ = ["AdminToken", "Auth", "Bearer", "OAuth1"]


class Auth(Protocol):
    """Something that can let one call in."""

    def for_call(self, call: Call) -> ClientMiddlewareType:
        """Give the aiohttp middleware that adds the credentials to this call."""
        ...


@dataclass(frozen=True, kw_only=True)
class OAuth1:
    """An integration's four keys, signing with HMAC-SHA256: the scheme that Magento recommends, and the safest for us.

    The nonce of the call, if it has one, goes into the signature: Magento then refuses a second copy of the same send
    by itself. The timestamp is always the present: Magento forgets nonces by their timestamp (contract 6).

    Attributes:
        consumer_key: First key of the integration, as are the other three below.
        clock: Seconds since 1970; Magento refuses a time more than 600 s in its future.
    """

    consumer_key: SecretStr
    consumer_secret: SecretStr
    access_token: SecretStr
    access_secret: SecretStr
    clock: Callable[[], float] = time.time

    def for_call(self, call: Call) -> ClientMiddlewareType:
        """Give the middleware that signs this call."""

        async def sign(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            request.headers[hdrs.AUTHORIZATION] = self._signer.authorization(
                request.method,
                request.url,  # exactly as it goes over the wire
                nonce=call.nonce or secrets.token_hex(16),
                timestamp=int(self.clock()),
            )
            return await handler(request)

        return sign

    @cached_property
    def _signer(self) -> Signer:
        return Signer(
            consumer_key=self.consumer_key.get_secret_value(),
            consumer_secret=self.consumer_secret.get_secret_value(),
            access_token=self.access_token.get_secret_value(),
            access_secret=self.access_secret.get_secret_value(),
        )


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """An access token, sent as it is: an integration's, in shops that allow it (off by default since 2.4.4).

    It cannot carry a nonce, so Magento does not help against a second copy of a send.
    """

    token: SecretStr

    def for_call(self, call: Call) -> ClientMiddlewareType:  # noqa: ARG002  # every scheme takes the call
        """Give the middleware that adds the token."""

        async def add_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            request.headers[hdrs.AUTHORIZATION] = f"Bearer {self.token.get_secret_value()}"
            return await handler(request)

        return add_token
