"""The shop of the benchmark, a process of its own: answers a refund with an id after a while, and counts.

As cheap as can be, so that it is never what limits: a protocol without a framework, no checks, and no document is
parsed before somebody asks for credit memos. `python -m tests.bench.shop` prints its port; then each line on standard
input is a command: `reset LATENCY_SECONDS`, `refuse` (every refund from now on), `stats`, `times`. The first refund
after a reset prints `first MONOTONIC_SECONDS`.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any, Final
from urllib.parse import unquote

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ORDER: Final = re.compile(rb"/order/(\d+)/refund")
_NUMBERS: Final = re.compile(r"\[value\]=([\d,]+)")
_HEAD: Final = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_REFUSAL: Final = b'{"message":"The entity that was requested doesn\'t exist. Verify the entity and try again."}'


class Shop:
    """What all connections share.

    Attributes:
        latency_seconds: After how long a refund is answered.
        bodies: Order -> number of its credit memo, and what was posted.
        times: When refunds came in, monotonic seconds.
    """

    def __init__(self) -> None:
        self.latency_seconds = 0.0
        self.reset(0.0)

    def reset(self, latency_seconds: float) -> None:
        """Forget everything."""
        self.latency_seconds = latency_seconds
        self.bodies: dict[int, tuple[int, bytes]] = {}
        self.posts = self.reads = self.open = self.most_open = 0
        self.times: list[float] = []
        self.refuses = False

    def stats(self) -> dict[str, Any]:
        """What happened since the reset."""
        return {"posts": self.posts, "reads": self.reads, "most_open": self.most_open, "orders": len(self.bodies)}

    def refund(self, head: bytes, body: bytes) -> bytes:
        """Note one refund; gives the answer."""
        self.posts += 1
        self.times.append(time.monotonic())
        if self.posts == 1:
            _say(f"first {self.times[0]:.6f}")
        order = _ORDER.search(head)
        self.bodies[int(order[1]) if order else self.posts] = (self.posts, body)
        return b'"%d"' % self.posts

    def search(self, head: bytes) -> bytes:
        """Give the credit memos of the orders in a search, as far as a read-back compares them."""
        self.reads += 1
        query = unquote(head.split(b" ", 2)[1].decode())
        wanted = [int(number) for found in _NUMBERS.findall(query) for number in found.split(",")]
        items = [_memo(order, *self.bodies[order]) for order in wanted if order in self.bodies]
        return json.dumps({"items": items, "total_count": len(items)}).encode()


def _memo(order_id: int, memo_id: int, body: bytes) -> dict[str, Any]:
    posted = json.loads(body)
    return {
        "entity_id": memo_id,
        "increment_id": f"{memo_id:09d}",
        "order_id": order_id,
        "state": 2,
        "created_at": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        "base_grand_total": 10,
        "base_shipping_amount": 0,
        "items": posted.get("items") or [],
        "comments": [posted.get("comment") or {}],
    }


class Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._buffer = shop, b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in bytes; whole requests are answered."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        shop = self._shop
        status = b"200 OK"
        if head.startswith(b"GET"):
            answer = shop.search(head)
        else:
            answer = shop.refund(head, body)
            if shop.refuses:
                status, answer = b"404 Not Found", _REFUSAL
            shop.open += 1
            shop.most_open = max(shop.most_open, shop.open)
        if shop.latency_seconds:
            self._loop.call_later(shop.latency_seconds, self._write, status, answer, body)
        else:
            self._write(status, answer, body)

    def _write(self, status: bytes, answer: bytes, body: bytes) -> None:
        if body:
            self._shop.open -= 1
        if not self._transport.is_closing():
            self._transport.write(_HEAD % (status, len(answer), answer))


def _say(text: str) -> None:
    print(text, flush=True)


async def _serve() -> None:
    shop, loop = Shop(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(shop), "127.0.0.1", 0, backlog=1024)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    _say(str(server.sockets[0].getsockname()[1]))
    while line := await commands.readline():  # ends with the harness, however that ends
        match line.decode().split():
            case ["reset", seconds]:
                shop.reset(float(seconds))
                _say("ok")
            case ["refuse"]:
                shop.refuses = True
                _say("ok")
            case ["times"]:
                _say(json.dumps(shop.times))
            case ["stats"]:
                _say(json.dumps(shop.stats()))
            case _:
                sys.exit(f"no such command: {line!r}")


if __name__ == "__main__":
    asyncio.run(_serve())
