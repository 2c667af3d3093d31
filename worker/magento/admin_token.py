"""The admin token: signs in when needed, once for everybody, and again when the shop no longer knows the token."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse, ClientSession, hdrs
from aiohttp import ClientTimeout as Timeout
from pydantic import SecretStr

from worker.domain.answers import Answer, AnswerClass, read_lookup
from worker.domain.errors import NotSent, RefundError, Throttled, Unauthorised
from worker.domain.request import render_json
from worker.magento.body import read_answer_of
from worker.magento.call import Call
from worker.magento.translate import translated

_PATH: Final = "/rest/V1/integration/admin/token"
#: How long one sign-in may take, in seconds; it hashes a password, which takes Magento about one.
_SIGN_IN_SECONDS: Final = 20.0
#: A token younger than this has not run out (they live an hour): a 401 is then about permissions, and a new token
#: would not help. Keeps a user without permissions from signing in for every job.
_FRESH_SECONDS: Final = 30.0
#: After a refused sign-in, how long nobody tries again, in seconds. Magento locks the user for 1800 s after 6 failures.
_REFUSED_PAUSE_SECONDS: Final = 600.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_TWO_FACTOR: Final = ("2fa", "two-factor", "tfa")
_HINT: Final = "This user needs a second factor, which a worker does not have: use an integration (auth = oauth1)."


@dataclass(frozen=True)
class _Token:
    text: SecretStr
    since: float


@dataclass(kw_only=True)
class AdminToken:
    """User name and password of an admin user without a second factor.

    Attributes:
        base_url: Address of the shop, without `/rest`.
        username: Name of the admin user.
        password: Their password.
        clock: Seconds of any clock that never goes back.
    """

    base_url: str
    username: str
    password: SecretStr
    clock: Callable[[], float] = time.monotonic
    _token: _Token | None = field(default=None, init=False, repr=False)
    _refusal: tuple[float, Unauthorised] | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    def for_call(self, call: Call) -> ClientMiddlewareType:
        """Give the middleware that adds the token, and on a 401 signs in again and repeats the request once.

        The repeat is safe: a 401 comes before any effect (contract 4.4), and the 401 of a used nonce, the only
        exception, needs a signed request.
        """

        async def add_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            token = await self._current(request.session, stale=None)
            response = await self._send(request, handler, token)
            if response.status != HTTPStatus.UNAUTHORIZED or self.clock() - token.since < _FRESH_SECONDS:
                return response
            call.came_back_unused()
            response.release()
            return await self._send(request, handler, await self._current(request.session, stale=token))

        return add_token

    @staticmethod
    async def _send(request: ClientRequest, handler: ClientHandlerType, token: _Token) -> ClientResponse:
        request.headers[hdrs.AUTHORIZATION] = f"Bearer {token.text.get_secret_value()}"
        return await handler(request)

    async def _current(self, session: ClientSession, *, stale: _Token | None) -> _Token:
        """Give the token, signing in if there is none or if it is still the stale one; one sign-in for all who wait."""
        if self._token is not None and self._token is not stale:
            return self._token
        async with self._lock:
            if self._token is None or self._token is stale:
                self._token = await self._sign_in(session)
            return self._token

    async def _sign_in(self, session: ClientSession) -> _Token:
        if self._refusal is not None and self.clock() < self._refusal[0]:
            raise Unauthorised(self._refusal[1].message, reason=self._refusal[1].reason)
        credentials = {"username": self.username, "password": self.password.get_secret_value()}
        with translated(Call(), has_effect=False):
            async with session.post(
                self.base_url.rstrip("/") + _PATH,
                data=render_json(credentials).encode("ascii"),
                headers={hdrs.ACCEPT: "application/json", hdrs.CONTENT_TYPE: "application/json"},
                timeout=Timeout(total=_SIGN_IN_SECONDS),
                allow_redirects=False,  # never hand a password to another address
                middlewares=(),
            ) as response:
                answer = await read_answer_of(response, max_bytes=_MAX_ANSWER_BYTES)
        if answer.status == HTTPStatus.OK and isinstance(answer.json, str) and answer.json.isascii():
            self._refusal = None
            return _Token(SecretStr(answer.json), self.clock())
        failure = _failure(answer)
        if isinstance(failure, Unauthorised):
            self._refusal = (self.clock() + _REFUSED_PAUSE_SECONDS, failure)
        raise failure


def _failure(answer: Answer) -> RefundError:
    """Say why the sign-in failed. It has no effect, so nothing here is in doubt."""
    reading = read_lookup(answer)
    if any(word in reading.message.lower() for word in _TWO_FACTOR):
        return Unauthorised(f"{reading.message} {_HINT}", reason="two_factor_required")
    match reading.kind:
        case AnswerClass.UNAUTHORISED | AnswerClass.REFUSED:
            return Unauthorised(reading.message, reason="sign_in_refused")
        case AnswerClass.THROTTLED:
            return Throttled(reading.message, reason=reading.reason, retry_after_seconds=reading.retry_after_seconds)
        case _:
            return NotSent(reading.message, reason="sign_in_failed")
