"""The simulated shop over HTTP, with its faults and limits."""

import asyncio
import logging
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from worker.sandbox import control
from worker.sandbox.auth import ACCESS_SECRET, ACCESS_TOKEN, CONSUMER_KEY, CONSUMER_SECRET, Gatekeeper, Keys
from worker.sandbox.errors import ShopError, bad_gateway, maintenance, masked, php_error, too_many, unavailable
from worker.sandbox.faults import Faults
from worker.sandbox.oracle import Call
from worker.sandbox.query import php_query, trimmed
from worker.sandbox.render import answer, failure, wants_xml
from worker.sandbox.requests import SERVICES, Route, body_of, matched
from worker.sandbox.scripted import Speaker
from worker.sandbox.shop import Shop
from worker.sandbox.store import Store

__all__ = [
    "ACCESS_SECRET", "ACCESS_TOKEN", "CONSUMER_KEY", "CONSUMER_SECRET", "RunningShop", "ShopSettings", "serve",
    "start_shop",
]  # fmt: skip

log = logging.getLogger(__name__)
#: Bodies of up to this many bytes are taken: seeding sends many orders at once.
LARGEST_BODY = 1 << 30
_INSTEAD = {
    "throttle": too_many,
    "error_500": masked,
    "error_502": bad_gateway,
    "error_503": unavailable,
    "maintenance": maintenance,
}
_AFTERWARDS = {"error_500_after": masked, "error_502_after": bad_gateway}
_SLOW_PIECES = 20


@dataclass
class ShopSettings:
    """How a simulated shop is set up.

    Attributes:
        port: 0 takes a free one.
        token: Any request with this bearer token is let in.
        seed: For the faults.
        admin_token_seconds: How long an admin token is good.
        latency_seconds: How long every refund takes.
        max_concurrency: More refunds at once are answered 429 and counted as overruns; None is no limit.
        rate_per_second: More refunds than this, after one second's worth at once, are answered 429 and counted.
        store_codes: Store codes that may stand before `/V1`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str = "sandbox"  # noqa: S105 - the point of a sandbox
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    consumer_key: str = CONSUMER_KEY
    consumer_secret: str = CONSUMER_SECRET
    access_token: str = ACCESS_TOKEN
    access_secret: str = ACCESS_SECRET
    admin_username: str = "admin"
    admin_password: str = "sandbox"  # noqa: S105 - known to everybody
    admin_token_seconds: float = 3600.0
    latency_seconds: float = 0.0
    max_concurrency: int | None = None
    rate_per_second: float | None = None
    store_codes: tuple[str, ...] = ("default", "all", "admin")


@dataclass
class RunningShop:
    """A shop that takes requests.

    Attributes:
        base_url: Without a slash at the end.
        store: Its documents.
        shop: All of it.
    """

    base_url: str
    shop: Shop
    _runner: web.AppRunner

    @property
    def store(self) -> Store:
        """The documents."""
        return self.shop.store

    async def close(self) -> None:
        """Stop listening and drop the connections."""
        await self._runner.cleanup()


class _Door:
    """Takes requests, makes things go wrong, and lets the shop answer the rest."""

    def __init__(self, shop: Shop, settings: ShopSettings) -> None:
        self._shop, self._settings = shop, settings
        self._allowance = self._burst = max(settings.rate_per_second or math.inf, 1.0)
        self._refilled_at = time.monotonic()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if path.startswith("/sandbox"):
            return await control.answered(self._shop, request)
        is_xml = False
        try:
            is_xml = wants_xml(request.headers.get("Accept", ""))
            route, variables = matched(request.method, path, self._settings.store_codes)
            return await self._routed(request, route, variables, is_xml=is_xml)
        except ShopError as exc:
            return failure(exc, is_xml=is_xml)

    async def _routed(
        self, request: web.Request, route: Route, variables: dict[str, str], *, is_xml: bool
    ) -> web.StreamResponse:
        shop, oracle, is_service = self._shop, self._shop.oracle, route.name in SERVICES
        fault = shop.faults.drawn(shop.random) if is_service or shop.faults.reads else None
        if fault == "refuse":
            return self._dropped(request, route)
        raw = await request.read()
        order_id = shop.order_of(route.name, variables | _peeked(route, raw)) if is_service else None
        in_flight = oracle.entered(order_id) if is_service else 0
        try:
            if is_service:
                self._check_limits(in_flight)
            response = await self._with_fault(request, route, variables, raw, fault=fault, is_xml=is_xml)
        except ShopError as exc:
            response = failure(exc, is_xml=is_xml)
        finally:
            if is_service:
                oracle.left(order_id)
        if response is None:
            return self._dropped(request, route)
        oracle.answered(route.name, response.status)
        return await self._slow(request, response) if fault == "slow_body" else response

    async def _with_fault(  # noqa: PLR0913 - all of one request
        self,
        request: web.Request,
        route: Route,
        variables: dict[str, str],
        raw: bytes,
        *,
        fault: str | None,
        is_xml: bool,
    ) -> web.Response | None:
        """Answer, or say with None that the connection is to be dropped."""
        if fault == "drop_before":
            return None
        if fault in _INSTEAD:
            error = _INSTEAD[fault]()
            raise error
        try:
            response = answer(await self._answer(request, route, variables, raw), is_xml=is_xml)
        except ShopError as exc:
            response = failure(exc, is_xml=is_xml)
        if fault in _AFTERWARDS:
            error = _AFTERWARDS[fault]()
            raise error
        return None if fault == "drop_after" else response

    async def _answer(self, request: web.Request, route: Route, variables: dict[str, str], raw: bytes) -> Any:  # noqa: ANN401 - JSON of any kind
        nonce = None
        if route.name in SERVICES:
            self._say_scripted(route, variables | _peeked(route, raw), "proxy")
        if route.resource is not None:
            url = f"{request.scheme}://{request.host}{request.raw_path}"
            nonce = self._shop.gatekeeper.admit(
                request.headers.get("Authorization", ""), request.method, url, route.resource
            )
        query = php_query(request.rel_url.raw_query_string)
        takes_body = request.method in {"POST", "PUT"}
        body = body_of(raw, request.headers.get("Content-Type")) if takes_body else {}
        given = {**body, **query, **variables}
        if route.name in SERVICES:
            self._say_scripted(route, given, "magento")
        try:
            value = await self._shop.answer(route.name, given, Call(route.name, body, nonce))
        except ShopError:
            raise
        except Exception as exc:
            log.exception("sandbox.request_failed")
            raise php_error() from exc
        fields = query.get("fields")
        return trimmed(value, fields) if isinstance(fields, str) and fields else value

    def _say_scripted(self, route: Route, given: dict[str, Any], by: Speaker) -> None:
        """Answer what people have scripted for the order, if they have."""
        scripted = self._shop.scripts.take(self._shop.order_of(route.name, given), by)
        if scripted is not None:
            raise scripted

    def _check_limits(self, in_flight: int) -> None:
        settings = self._settings
        is_over = settings.max_concurrency is not None and in_flight > settings.max_concurrency
        if settings.rate_per_second is not None:
            now = time.monotonic()
            refill = (now - self._refilled_at) * settings.rate_per_second
            self._allowance, self._refilled_at = min(self._allowance + refill, self._burst), now
            is_over = is_over or self._allowance < 1
            self._allowance -= 0 if is_over else 1
        if is_over:
            self._shop.oracle.overruns += 1
            raise too_many()

    def _dropped(self, request: web.Request, route: Route) -> web.Response:
        """Close the connection; what is returned is never sent."""
        self._shop.oracle.answered(route.name, "dropped")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)

    async def _slow(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        body = response.body if isinstance(response.body, bytes) else b""
        slow = web.StreamResponse(status=response.status, headers={"Content-Type": response.headers["Content-Type"]})
        slow.content_length = len(body)
        await slow.prepare(request)
        step = max(1, -(-len(body) // _SLOW_PIECES))
        for start in range(0, len(body), step):
            await asyncio.sleep(self._shop.faults.slow_seconds * step / len(body))
            await slow.write(body[start : start + step])
        return slow


def _peeked(route: Route, raw: bytes) -> dict[str, Any]:
    """Read the body of a credit-memo service early, to know its order."""
    if not route.name.startswith("creditmemo"):
        return {}
    try:
        return body_of(raw, "application/json")
    except ShopError:
        return {}


def new_shop(settings: ShopSettings) -> Shop:
    """Build an empty shop."""
    keys = Keys(settings.consumer_key, settings.consumer_secret, settings.access_token, settings.access_secret)
    admin = (settings.admin_username, settings.admin_password)
    gatekeeper = Gatekeeper({settings.token}, keys, admin, settings.admin_token_seconds)
    return Shop(gatekeeper, settings.faults, settings.seed, settings.latency_seconds)


async def start_shop(settings: ShopSettings) -> RunningShop:
    """Start a shop on the running loop."""
    shop = new_shop(settings)
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", _Door(shop, settings).__call__)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    await site.start()
    port = runner.addresses[0][1]
    return RunningShop(f"http://{settings.host}:{port}", shop, runner)


def serve(settings: ShopSettings, *, ready: Callable[[str], None]) -> None:
    """Run a shop until SIGINT or SIGTERM.

    Args:
        settings: How it is set up.
        ready: Called with the base URL once requests are taken.
    """
    asyncio.run(_serve(settings, ready))


async def _serve(settings: ShopSettings, ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    shop = await start_shop(settings)
    ready(shop.base_url)
    await stop.wait()
    await shop.close()
