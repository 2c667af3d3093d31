"""The client against real sockets that misbehave: what has certainly not been applied, and what may have been."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import aiohttp
import pytest
from pydantic import SecretStr

from worker.domain.answers import Answer
from worker.domain.errors import InDoubt, NotSent, RefundError, Refused, Throttled, Unauthorised, Unreadable
from worker.domain.request import MagentoRequest
from worker.domain.service import Service
from worker.magento.auth import AdminToken, Auth, Bearer, OAuth1
from worker.magento.client import Magento
from worker.magento.session import open_session

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

REQUEST = MagentoRequest(
    service=Service.ORDER_REFUND, path="/V1/order/5/refund", body={"items": [], "arguments": {"shipping_amount": 0}}
)
JSON = "Content-Type: application/json; charset=utf-8"


@dataclass(frozen=True)
class Heard:
    """One whole request as it came over the wire, and its number, counted from 1."""

    number: int
    target: str
    headers: dict[str, str]
    body: str


Behaviour = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """A shop made of a socket and one behaviour."""

    behave: Behaviour
    port: int = 0
    connections: int = 0
    heard: list[Heard] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, asyncio.LimitOverrunError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                heard = Heard(len(self.heard) + 1, head[0].split()[1], headers, body.decode())
                self.heard.append(heard)
                self.arrived.set()
                await self.behave(heard, writer)
        writer.close()

    def stop(self) -> None:
        for task in self._running:
            task.cancel()


@asynccontextmanager
async def serving(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    raw = RawServer(behave)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        raw.stop()
        await asyncio.sleep(0)


def answering(*answers: tuple[int, object]) -> Behaviour:
    """Answer the requests one after the other, the last answer again and again."""

    async def behave(heard: Heard, writer: asyncio.StreamWriter) -> None:
        status, body = answers[min(heard.number, len(answers)) - 1]
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "Content-Type: text/html" if text.startswith("<") else JSON
        writer.write(f"HTTP/1.1 {status} X\r\n{kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        await writer.drain()

    return behave


async def hang(_heard: Heard, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def drop(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def half_a_body(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(f'HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 4\r\n\r\n"1'.encode())
    await writer.drain()
    writer.close()


async def half_a_header(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    await writer.drain()
    writer.close()


async def no_http(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


async def slow_body(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 40\r\n\r\n".encode())
    for _ in range(40):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.2)


async def endless_body(_heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n".encode())
    while True:
        writer.write(b"[" * 65536)
        await writer.drain()


async def half_then_close(heard: Heard, writer: asyncio.StreamWriter) -> None:
    """Answer the first request well, and close the connection under the second."""
    if heard.number == 1:
        await answering((200, "15"))(heard, writer)
    else:
        writer.close()


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def a_client(
    stack: AsyncExitStack,
    port: int,
    *,
    auth: Auth | None = None,
    session: aiohttp.ClientSession | None = None,
    address: str = "http://127.0.0.1",
    **settings: object,
) -> Magento:
    defaults = {"name": "default", "store_code": "", "request_timeout_seconds": 5.0, "connect_timeout_seconds": 2.0}
    shop: Any = SimpleNamespace(base_url=f"{address}:{port}/", **(defaults | settings))
    if session is None:
        session = await stack.enter_async_context(open_session())
    return Magento(shop, auth=auth or Bearer(token=SecretStr("sandbox")), session=session)


def nobodys_certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate for localhost that nobody vouches for."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the command openssl, to make a certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run([openssl, "req", "-x509", *made, *subject, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def send(client: Magento, *, nonce: str | None = None, send_before: float | None = None) -> Answer:
    return await client.send(REQUEST, nonce=nonce, idempotency_key="key-1", send_before=send_before)


class TestNothingLeft:
    async def test_a_refused_connection_is_not_sent(self, opened: AsyncExitStack):
        client = await a_client(opened, free_port())

        with pytest.raises(NotSent) as caught:
            await send(client)

        assert caught.value.reason == "connection_refused"

    async def test_a_name_that_does_not_exist_is_not_sent(self, opened: AsyncExitStack):
        client = await a_client(opened, 80, address="http://no-such-shop.invalid", connect_timeout_seconds=10)

        with pytest.raises(NotSent):
            await send(client)

    async def test_tls_to_a_port_that_speaks_none_is_not_sent(self, opened: AsyncExitStack):
        async with serving(answering((200, "15"))) as server:
            client = await a_client(opened, server.port, address="https://127.0.0.1", connect_timeout_seconds=1)

            with pytest.raises(NotSent):
                await send(client)

            assert server.heard == []

    async def test_a_shop_whose_certificate_does_not_verify_is_told_nothing(
        self, opened: AsyncExitStack, tmp_path: Path
    ):
        async with serving(answering((200, "15")), tls=nobodys_certificate(tmp_path)) as server:
            client = await a_client(opened, server.port, address="https://localhost")

            with pytest.raises(NotSent) as caught:
                await send(client)

            assert (caught.value.reason, server.heard) == ("certificate", [])

    async def test_a_handshake_that_never_ends_is_not_sent(self, opened: AsyncExitStack):
        async with serving(hang) as server:
            client = await a_client(opened, server.port, address="https://127.0.0.1", connect_timeout_seconds=0.3)

            with pytest.raises(NotSent) as caught:
                await send(client)

            assert caught.value.reason == "connect_timeout"

    @pytest.mark.parametrize(
        ("connect_timeout_seconds", "request_timeout_seconds", "reason"),
        [(0.2, 5.0, "connect_timeout"), (5.0, 0.2, "timeout")],
    )
    async def test_waiting_for_a_free_connection_is_not_sent(
        self, opened: AsyncExitStack, connect_timeout_seconds: float, request_timeout_seconds: float, reason: str
    ):
        async with serving(hang) as server:
            session = await opened.enter_async_context(open_session(limit=1))
            busy = asyncio.create_task(send(await a_client(opened, server.port, session=session)))
            await server.arrived.wait()
            client = await a_client(
                opened,
                server.port,
                session=session,
                connect_timeout_seconds=connect_timeout_seconds,
                request_timeout_seconds=request_timeout_seconds,
            )

            with pytest.raises(NotSent) as caught:
                await send(client)

            assert caught.value.reason == reason
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
            assert len(server.heard) == 1

    async def test_a_process_that_wakes_up_after_its_deadline_writes_nothing(self, opened: AsyncExitStack):
        async with serving(answering((200, "15"))) as server:
            client = await a_client(opened, server.port)

            with pytest.raises(NotSent) as caught:
                await send(client, send_before=0.0)

            assert caught.value.reason == "too_late"
            await asyncio.sleep(0.05)
            assert server.heard == []

    async def test_a_closed_session_is_not_sent(self, opened: AsyncExitStack):
        client = await a_client(opened, free_port())
        await opened.aclose()

        with pytest.raises(NotSent):
            await send(client)


class TestMayHaveBeenApplied:
    @pytest.mark.parametrize(
        ("behave", "reason"),
        [
            (drop, "disconnected"),
            (reset, "connection_lost"),
            (half_a_header, "disconnected"),
            (half_a_body, "half_answer"),
            (no_http, "bad_http"),
            (hang, "timeout"),
            (slow_body, "timeout"),
            (endless_body, "answer_too_long"),
        ],
        ids=lambda value: getattr(value, "__name__", value),
    )
    async def test_a_call_without_a_whole_answer_is_in_doubt_and_made_once(
        self, opened: AsyncExitStack, behave: Behaviour, reason: str
    ):
        async with serving(behave) as server:
            timeout = 30.0 if behave is endless_body else 0.6
            client = await a_client(opened, server.port, request_timeout_seconds=timeout)

            with pytest.raises(InDoubt) as caught:
                await send(client)

            assert caught.value.reason == reason
            await asyncio.sleep(0.05)
            assert len(server.heard) == 1

    async def test_a_kept_connection_that_closes_under_the_request_is_in_doubt_and_not_tried_again(
        self, opened: AsyncExitStack
    ):
        async with serving(half_then_close) as server:
            client = await a_client(opened, server.port)
            await send(client)

            with pytest.raises(InDoubt):
                await send(client)

            await asyncio.sleep(0.05)
            assert len(server.heard) == 2
            assert server.connections == 1

    async def test_a_cancelled_call_stays_cancelled(self, opened: AsyncExitStack):
        async with serving(hang) as server:
            client = await a_client(opened, server.port)
            task = asyncio.create_task(send(client))
            await server.arrived.wait()
            task.cancel()

            with pytest.raises(asyncio.CancelledError):
                await task


class TestOverTheWire:
    async def test_the_request_is_what_was_asked_for(self, opened: AsyncExitStack):
        request = MagentoRequest(
            service=Service.CREDITMEMO_REFUND,
            path="/V1/creditmemo/refund",
            body={"creditmemo": {"order_id": 5, "adjustment_positive": Decimal("10.10")}, "offlineRequested": True},
        )
        async with serving(answering((200, {"entity_id": 1}))) as server:
            client = await a_client(opened, server.port, store_code="all")

            answer = await client.send(request, nonce=None, idempotency_key="key-1")

        [heard] = server.heard
        assert answer.json == {"entity_id": 1}
        assert heard.target == "/rest/all/V1/creditmemo/refund"
        assert heard.body == ('{"creditmemo":{"order_id":5,"adjustment_positive":10.10},"offlineRequested":true}')
        assert heard.headers["idempotency-key"] == "key-1"
        assert heard.headers["content-type"] == heard.headers["accept"] == "application/json"
        assert heard.headers["authorization"] == "Bearer sandbox"
        assert "cookie" not in heard.headers

    async def test_cookies_are_not_sent_back(self, opened: AsyncExitStack):
        async def set_cookie(_heard: Heard, writer: asyncio.StreamWriter) -> None:
            writer.write(
                f"HTTP/1.1 200 OK\r\n{JSON}\r\nSet-Cookie: PHPSESSID=1\r\nContent-Length: 2\r\n\r\n15".encode()
            )
            await writer.drain()

        async with serving(set_cookie) as server:
            client = await a_client(opened, server.port, address="http://localhost")
            await send(client)
            await send(client)

        assert "cookie" not in server.heard[1].headers

    async def test_a_redirect_is_an_answer_and_never_followed(self, opened: AsyncExitStack):
        async def redirect(_heard: Heard, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 307 X\r\nLocation: /rest/V1/elsewhere\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        async with serving(redirect) as server:
            client = await a_client(opened, server.port)

            answer = await send(client)
            with pytest.raises(Throttled) as caught:
                await client.order(5)

        assert answer.status == 307
        assert caught.value.reason == "shop_redirects"
        assert len(server.heard) == 2

    async def test_the_signature_covers_the_search_as_it_arrives(self, opened: AsyncExitStack):
        secret = SecretStr("x" * 32)
        auth = OAuth1(consumer_key=secret, consumer_secret=secret, access_token=secret, access_secret=secret)
        async with serving(answering((200, {"items": [], "total_count": 0}))) as server:
            client = await a_client(opened, server.port, auth=auth)
            await client.creditmemos_by_number("%ref a+b/c%")

        [heard] = server.heard
        path, _, query = heard.target.partition("?")
        parameters = {n: unquote(v) for n, v in re.findall(r'(\w+)="([^"]*)"', heard.headers["authorization"])}
        signature = parameters.pop("oauth_signature")
        pairs = sorted((quote(n, safe="~"), quote(v, safe="~")) for n, v in [*parse_qsl(query), *parameters.items()])
        normal = "&".join(f"{name}={value}" for name, value in pairs)
        base = "&".join(quote(part, safe="~") for part in ("GET", f"http://127.0.0.1:{server.port}{path}", normal))
        digest = hmac.new(f"{'x' * 32}&{'x' * 32}".encode(), base.encode(), hashlib.sha256).digest()
        assert signature == base64.b64encode(digest).decode()
        assert "%25ref%20a%2Bb%2Fc%25" in query

    async def test_the_nonce_is_the_one_that_was_given(self, opened: AsyncExitStack):
        secret = SecretStr("x" * 32)
        auth = OAuth1(consumer_key=secret, consumer_secret=secret, access_token=secret, access_secret=secret)
        async with serving(answering((200, "15"))) as server:
            await send(await a_client(opened, server.port, auth=auth), nonce="ab" * 16)

        assert f'oauth_nonce="{"ab" * 16}"' in server.heard[0].headers["authorization"]

    async def test_over_a_session_that_does_not_watch_departures_nothing_is_sent(self, opened: AsyncExitStack):
        session = await opened.enter_async_context(aiohttp.ClientSession())
        async with serving(answering((200, "15"))) as server:
            with pytest.raises(TypeError, match="departures"):
                await send(await a_client(opened, server.port, session=session))

        assert not server.heard


class TestSigningIn:
    async def test_an_old_token_is_renewed_and_the_call_made_once_more(self, opened: AsyncExitStack):
        now = [0.0]
        answers = answering((200, '"t1"'), (200, "15"), (401, {"message": "no"}), (200, '"t2"'), (200, "16"))
        async with serving(answers) as server:
            base_url = f"http://127.0.0.1:{server.port}"
            auth = AdminToken(base_url=base_url, username="ann", password=SecretStr("p"), clock=lambda: now[0])
            client = await a_client(opened, server.port, auth=auth)
            await send(client)
            now[0] = 3600.0

            answer = await send(client)

        assert answer.text == "16"
        assert [heard.headers.get("authorization") for heard in server.heard] == [
            None, "Bearer t1", "Bearer t1", None, "Bearer t2",
        ]  # fmt: skip

    async def test_a_sign_in_that_breaks_off_is_not_sent(self, opened: AsyncExitStack):
        async with serving(drop) as server:
            base_url = f"http://127.0.0.1:{server.port}"
            auth = AdminToken(base_url=base_url, username="ann", password=SecretStr("p"))
            client = await a_client(opened, server.port, auth=auth)

            with pytest.raises(NotSent):
                await send(client)

            assert all("integration/admin/token" in heard.target for heard in server.heard)

    async def test_a_renewal_that_breaks_off_after_a_401_is_not_sent(self, opened: AsyncExitStack):
        now = [0.0]

        async def behave(heard: Heard, writer: asyncio.StreamWriter) -> None:
            if heard.number < 4:
                await answering((200, '"t1"'), (200, "15"), (401, {"message": "no"}))(heard, writer)
            else:
                writer.close()

        async with serving(behave) as server:
            base_url = f"http://127.0.0.1:{server.port}"
            auth = AdminToken(base_url=base_url, username="ann", password=SecretStr("p"), clock=lambda: now[0])
            client = await a_client(opened, server.port, auth=auth)
            await send(client)
            now[0] = 3600.0

            with pytest.raises(NotSent):
                await send(client)

    async def test_a_sign_in_with_a_second_factor_says_so(self, opened: AsyncExitStack):
        words = "Please use the 2fa provider-specific endpoints to obtain a token."
        async with serving(answering((400, {"message": words}))) as server:
            base_url = f"http://127.0.0.1:{server.port}"
            auth = AdminToken(base_url=base_url, username="ann", password=SecretStr("p"))
            client = await a_client(opened, server.port, auth=auth)

            with pytest.raises(Unauthorised, match="oauth1") as caught:
                await send(client)

        assert caught.value.reason == "two_factor_required"


def memos(*ids: int, order_id: int = 5) -> list[dict[str, int]]:
    return [{"entity_id": memo_id, "order_id": order_id} for memo_id in ids]


def ids_of(documents: object) -> list[object]:
    assert isinstance(documents, list)
    return [document["entity_id"] for document in documents]


class TestLookups:
    async def read(
        self, opened: AsyncExitStack, *answers: tuple[int, object], what: str, args: tuple[Any, ...]
    ) -> object:
        async with serving(answering(*answers)) as server:
            client = await a_client(opened, server.port)
            found: object = await getattr(client, what)(*args)
            return found

    @pytest.mark.parametrize(("what", "args"), [("order", (5,)), ("invoice", (5,))])
    async def test_a_document_must_have_the_id_that_was_asked_for(
        self, opened: AsyncExitStack, what: str, args: tuple[int]
    ):
        found = await self.read(opened, (200, {"entity_id": 5, "grand_total": 0.1}), what=what, args=args)
        assert found == {"entity_id": 5, "grand_total": Decimal("0.1")}

        for body in ({"entity_id": 6}, {"entity_id": "5x"}, {}, [], [{"entity_id": 5}], "<html>hello</html>", '{"ent'):
            with pytest.raises(Unreadable):
                await self.read(opened, (200, body), what=what, args=args)

    async def test_what_does_not_exist_is_refused_and_a_wrong_address_is_not(self, opened: AsyncExitStack):
        with pytest.raises(Refused) as caught:
            await self.read(
                opened, (404, {"message": "The entity that was requested doesn't exist."}), what="order", args=(5,)
            )
        assert caught.value.reason == "not_found"

        with pytest.raises(Throttled):
            await self.read(opened, (404, {"message": "Request does not match any route."}), what="order", args=(5,))

    @pytest.mark.parametrize(
        "part",
        [
            {"items": "none"},
            {"items": [["line"]]},
            {"items": [{"item_id": "eleven"}]},
            {"items": [{"item_id": 11, "qty_refunded": "two"}]},
            {"base_total_paid": {"amount": 45}},
            {"base_grand_total": "NaN"},
            {"shipping_amount": [5]},
            {"comments": [1]},
            {"payment": "checkmo"},
            {"payment": {"amount_refunded": "all"}},
            {"extension_attributes": ["x"]},
            {"order_id": "7"},
        ],
        ids=str,
    )
    async def test_a_document_with_parts_of_another_type_is_never_computed_with(
        self, opened: AsyncExitStack, part: dict[str, object]
    ):
        for what in ("order", "invoice"):
            with pytest.raises(Unreadable, match=next(iter(part))):
                await self.read(opened, (200, {"entity_id": 5, **part}), what=what, args=(5,))
        found = {"items": [{"entity_id": 5, "order_id": 5, **part}], "total_count": 1}
        with pytest.raises(Unreadable):
            await self.read(opened, (200, found), what="creditmemos_of", args=(5,))

    async def test_what_magento_leaves_out_or_writes_as_a_list_is_fine(self, opened: AsyncExitStack):
        document: dict[str, object] = {
            "entity_id": 5,
            "items": None,
            "payment": [],
            "extension_attributes": [],
            "base_total_paid": "45.0000",
        }
        assert await self.read(opened, (200, document), what="order", args=(5,)) == document

    async def test_a_look_up_follows_no_redirect(self, opened: AsyncExitStack):
        visits: list[str] = []

        async def elsewhere(heard: Heard, writer: asyncio.StreamWriter) -> None:
            visits.append("elsewhere")
            await answering((200, {"entity_id": 5}))(heard, writer)

        async with serving(elsewhere) as other:

            async def redirect(_heard: Heard, writer: asyncio.StreamWriter) -> None:
                there = f"http://127.0.0.1:{other.port}/rest/V1/orders/5"
                writer.write(f"HTTP/1.1 307 X\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()

            async with serving(redirect) as server:
                client = await a_client(opened, server.port)
                with pytest.raises(RefundError):
                    await client.order(5)
        assert not visits

    @pytest.mark.parametrize(
        "behave", [drop, half_a_body, hang, no_http, endless_body], ids=lambda value: value.__name__
    )
    async def test_a_look_up_is_never_in_doubt(self, opened: AsyncExitStack, behave: Behaviour):
        async with serving(behave) as server:
            client = await a_client(opened, server.port, request_timeout_seconds=0.5)

            with pytest.raises(NotSent):
                await client.creditmemos_of(5)

    async def test_the_credit_memos_of_many_orders_are_read_at_once(self, opened: AsyncExitStack):
        items = [*memos(1, order_id=5), *memos(2, 3, order_id=6)]
        answer = (200, {"items": items, "total_count": 3})
        assert ids_of(await self.read(opened, answer, what="creditmemos_of_orders", args=([5, 6],))) == [1, 2, 3]
        assert await self.read(opened, (500, ""), what="creditmemos_of_orders", args=([],)) == []
        with pytest.raises(Unreadable):
            await self.read(opened, answer, what="creditmemos_of_orders", args=([5],))
        with pytest.raises(ValueError, match="at most 100"):
            await self.read(opened, answer, what="creditmemos_of_orders", args=(range(1, 102),))

    async def test_a_list_is_read_to_its_last_page(self, opened: AsyncExitStack):
        pages = [(200, {"items": memos(*range(n, n + 100)), "total_count": 250}) for n in (1, 101)]
        last = (200, {"items": memos(*range(201, 251)), "total_count": 250})

        found = await self.read(opened, *pages, last, what="creditmemos_of", args=(5,))

        assert ids_of(found) == list(range(1, 251))

    async def test_a_page_that_repeats_is_not_counted_twice(self, opened: AsyncExitStack):
        answers = [(200, {"items": memos(1, 2), "total_count": 3}), (200, {"items": memos(2, 3), "total_count": 3})]

        found = await self.read(opened, *answers, what="creditmemos_of", args=(5,))

        assert ids_of(found) == [1, 2, 3]

    @pytest.mark.parametrize("items", [[], memos(1)])
    async def test_a_list_shorter_than_its_count_is_an_error(self, opened: AsyncExitStack, items: list[object]):
        with pytest.raises(Unreadable) as caught:
            await self.read(opened, (200, {"items": items, "total_count": 2}), what="creditmemos_of", args=(5,))

        assert caught.value.reason == "incomplete_list"

    @pytest.mark.parametrize(
        ("what", "args"),
        [("creditmemos_of", (5,)), ("invoices_of", (5,)), ("creditmemos_by_ids", ([1, 2],))],
    )
    async def test_a_filter_that_was_ignored_is_an_error(self, opened: AsyncExitStack, what: str, args: tuple[Any]):
        with pytest.raises(Unreadable) as caught:
            await self.read(opened, (200, {"items": memos(7, order_id=6), "total_count": 1}), what=what, args=args)

        assert caught.value.reason == "wrong_document"

    async def test_orders_are_found_by_their_exact_number(self, opened: AsyncExitStack):
        items = [{"entity_id": 1, "increment_id": "000000021"}, {"entity_id": 2, "increment_id": "21"}]

        found = await self.read(
            opened, (200, {"items": items, "total_count": 2}), what="orders_by_number", args=("000000021",)
        )

        assert ids_of(found) == [1]

    async def test_credit_memos_are_read_a_hundred_at_a_time(self, opened: AsyncExitStack):
        found = await self.read(
            opened, (200, {"items": memos(1, 2), "total_count": 2}), what="creditmemos_by_ids", args=([1, 2, 3],)
        )
        assert ids_of(found) == [1, 2]
        assert await self.read(opened, (500, ""), what="creditmemos_by_ids", args=([],)) == []

        with pytest.raises(ValueError, match="at most 100"):
            await self.read(opened, (500, ""), what="creditmemos_by_ids", args=(range(1, 102),))
