"""Who may call: bearer tokens, admin tokens that expire, and OAuth 1.0a with nonces that are good once."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from oauthlib.oauth1.rfc5849 import signature

from worker.sandbox.errors import ShopError, not_authorised, refused, required

CONSUMER_KEY: Final = "sandboxconsumerkey00000000000000"
CONSUMER_SECRET: Final = "sandboxconsumersecret00000000000"  # noqa: S105 - obviously not one
ACCESS_TOKEN: Final = "sandboxaccesstoken00000000000000"  # noqa: S105 - known to everybody
ACCESS_SECRET: Final = "sandboxaccesssecret0000000000000"  # noqa: S105 - known to everybody
#: Keys and tokens of Magento have this length.
TOKEN_LENGTH: Final = 32
#: How far a client's clock may be ahead, in seconds.
CLOCK_AHEAD_SECONDS: Final = 600
#: Nonces whose timestamp is older are cleaned up, in seconds (120 minutes).
NONCE_SECONDS: Final = 7200
#: Magento cleans up on about one save in this many.
CLEANUP_EVERY: Final = 100
#: Failed sign-ins of one name after which it is locked, and for how long, in seconds.
SIGN_IN_FAILURES: Final = 6
LOCK_SECONDS: Final = 1800
_CONSUMER_ID: Final = "1"
_SIGN_IN: Final = (
    "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."
)
_BAD_NONCE: Final = "An error occurred validating the nonce"
_NEEDED: Final = (
    "oauth_consumer_key", "oauth_signature", "oauth_signature_method", "oauth_nonce", "oauth_timestamp", "oauth_token",
)  # fmt: skip
_PAIR: Final = re.compile(r'([a-zA-Z_]+)="?([^",]*)"?')


@dataclass(frozen=True)
class Keys:
    """The OAuth credentials of the one integration that the shop knows."""

    consumer_key: str = CONSUMER_KEY
    consumer_secret: str = CONSUMER_SECRET
    access_token: str = ACCESS_TOKEN
    access_secret: str = ACCESS_SECRET


@dataclass
class Gatekeeper:
    """Lets callers in.

    Attributes:
        tokens: Bearer tokens that are good until they are revoked.
        keys: Of the integration.
        admin: Name and password for admin tokens.
        admin_seconds: How long an admin token is good.
        clock: Seconds that only go forward.
    """

    tokens: set[str]
    keys: Keys
    admin: tuple[str, str]
    admin_seconds: float = 3600.0
    clock: Callable[[], float] = time.monotonic
    _expires: dict[str, float] = field(default_factory=dict)
    _failures: dict[str, tuple[int, float]] = field(default_factory=dict)
    _revoked: set[str] = field(default_factory=set)
    _nonces: dict[str, float] = field(default_factory=dict)
    _saves: int = 0

    def add(self, token: str) -> None:
        """Let a bearer token in."""
        self.tokens.add(token)
        self._revoked.discard(token)

    def revoke(self, token: str) -> None:
        """Stop letting a token in: a bearer, an admin token, or the OAuth access token."""
        self.tokens.discard(token)
        self._expires.pop(token, None)
        self._revoked.add(token)

    def admin_token(self, username: str, password: str) -> str:
        """Issue an admin token.

        Raises:
            ShopError: 400 when name or password are empty, 401 when they are wrong or the name is locked.
        """
        missing = [name for name, value in (("username", username), ("password", password)) if not value]
        if missing:
            raise required(*missing)
        failures, last = self._failures.get(username, (0, 0.0))
        if failures and self.clock() - last >= LOCK_SECONDS:
            failures = 0
        if failures >= SIGN_IN_FAILURES:
            raise refused(_SIGN_IN, status=401)
        if (username, password) != self.admin:
            self._failures[username] = failures + 1, self.clock()
            raise refused(_SIGN_IN, status=401)
        self._failures.pop(username, None)
        token = f"sandbox.{secrets.token_hex(24)}"
        self._expires[token] = self.clock() + self.admin_seconds
        return token

    def admit(self, header: str, method: str, url: str, resource: str) -> str | None:
        """Check an Authorization header.

        Args:
            header: Its value; empty when there is none.
            method: HTTP method.
            url: As the client sees it, with the query.
            resource: What the route needs, for the refusal.

        Returns:
            The nonce of a signed request, else None.

        Raises:
            ShopError: 401, or 400 for malformed OAuth.
        """
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "oauth":
            return self._check_oauth(_parameters(rest), method, url)
        token = rest.strip()
        if scheme.lower() == "bearer" and (token in self.tokens or self._expires.get(token, 0) > self.clock()):
            return None
        raise not_authorised(resource)

    def _check_oauth(self, given: dict[str, str], method: str, url: str) -> str:
        """Check in Magento's order: form, consumer, nonce (spent from here on), token, signature."""
        if given.get("oauth_version", "1.0") != "1.0":
            raise refused('The "%1" Oauth version isn\'t supported.', [given["oauth_version"]])
        missing = [name for name in _NEEDED if name not in given]
        if missing:
            raise required(*missing)
        if len(given["oauth_token"]) != TOKEN_LENGTH:
            raise refused("The token length is invalid. Check the length and try again.")
        if given["oauth_signature_method"] != "HMAC-SHA256":
            raise refused("Signature method %1 is not supported", [given["oauth_signature_method"]])
        if len(given["oauth_consumer_key"]) != TOKEN_LENGTH:
            raise refused("Consumer key is not the correct length", status=401)
        if given["oauth_consumer_key"] != self.keys.consumer_key:
            raise refused("A consumer having the specified key does not exist", status=401)
        self._spend(given["oauth_nonce"][:TOKEN_LENGTH], given["oauth_timestamp"])
        self._check_token(given["oauth_token"])
        expected = signed(method, url, given, self.keys)
        if not hmac.compare_digest(expected.encode(), given["oauth_signature"].encode()):
            raise refused("The signature is invalid. Verify and try again.", status=401)
        return given["oauth_nonce"]

    def _check_token(self, token: str) -> None:
        if token in self._revoked:
            raise refused("Access token has been revoked", status=401)
        if token != self.keys.access_token:
            raise refused("Specified token does not exist", status=401)

    def _spend(self, nonce: str, timestamp: str) -> None:
        now = time.time()
        stamp = int(timestamp) if timestamp.isdigit() else 0
        if stamp <= 0 or stamp > now + CLOCK_AHEAD_SECONDS:
            raise refused(_BAD_NONCE, status=401)
        if nonce in self._nonces:
            raise refused("The nonce is already being used by the consumer with ID %1", [_CONSUMER_ID], status=401)
        self._nonces[nonce] = float(stamp)
        self._saves += 1
        if self._saves % CLEANUP_EVERY == 0:
            self._nonces = {kept: at for kept, at in self._nonces.items() if at >= now - NONCE_SECONDS}


def signed(method: str, url: str, parameters: dict[str, str], keys: Keys) -> str:
    """Give the HMAC-SHA256 signature of a request: query parameters count, a JSON body does not."""
    base_url, _, query = url.partition("?")
    collected = parse_qsl(query, keep_blank_values=True)
    collected += [(name, value) for name, value in parameters.items() if name not in {"oauth_signature", "realm"}]
    normalised = "&".join(f"{name}={value}" for name, value in sorted((_escaped(n), _escaped(v)) for n, v in collected))
    text = "&".join(_escaped(part) for part in (method.upper(), signature.base_string_uri(base_url), normalised))
    secret = f"{keys.consumer_secret}&{keys.access_secret}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")


def _parameters(text: str) -> dict[str, str]:
    return {name: unquote(value) for name, value in _PAIR.findall(text)}


__all__ = [
    "ACCESS_SECRET",
    "ACCESS_TOKEN",
    "CONSUMER_KEY",
    "CONSUMER_SECRET",
    "Gatekeeper",
    "Keys",
    "ShopError",
    "signed",
]
