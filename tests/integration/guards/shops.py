"""A sandbox shop with limits of its own, as a process; for tests of what workers do to a shop."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.stack import ROOT, Stack
from worker.sandbox.orders import sample_orders
from worker.sandbox.server import ShopSettings, serve

Job = dict[str, Any]


def start_limited_shop(stack: Stack, name: str = "limited", **settings: Any) -> str:  # noqa: ANN401 - as ShopSettings
    """Start a shop beside that of the stack; gives its base URL."""
    script = "import sys; from tests.integration.guards.shops import main; main(sys.argv[1])"
    with (stack.folder / f"{name}-0.log").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", script, json.dumps(settings)],
            cwd=ROOT,
            env={**stack.env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    stack.processes[f"{name}-0"] = process  # which ends it
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    assert url, stack.log_of(name)
    return url


def serve_with(stack: Stack, urls: dict[str, str], *, workers: int = 2, **settings: Any) -> None:  # noqa: ANN401
    """Start workers for these shops, by name; `settings` are those of each shop."""
    table = {
        "auth": "bearer",
        "token": "sandbox",
        "request_timeout_seconds": 3,
        "connect_timeout_seconds": 1,
        "longest_request_seconds": 4,
        **settings,
    }
    table = {name: value for name, value in table.items() if value is not None}
    stack.env["REFUNDS_SHOPS"] = json.dumps({name: {**table, "base_url": url} for name, url in urls.items()})
    for _ in range(workers):
        stack.start_worker()


def main(settings: str) -> None:
    """Serve until told to stop; the first line says where."""
    serve(ShopSettings(**json.loads(settings)), ready=lambda url: print(url, flush=True))  # noqa: T201 - the caller waits for it


def ask(url: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Ask a shop's controls."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own shop
        return json.loads(answer.read() or b"null")


def seed(url: str, count: int) -> list[int]:
    """Give a shop sample orders; their ids."""
    documents = sample_orders(count)
    for start in range(0, count, 500):
        orders = documents["orders"][start : start + 500]
        ids = {order["entity_id"] for order in orders}
        invoices = [invoice for invoice in documents["invoices"] if invoice["order_id"] in ids]
        ask(url, "/sandbox/orders", {"orders": orders, "invoices": invoices})
    return [order["entity_id"] for order in documents["orders"]]


def jobs_for(order_ids: list[int], *, shop: str = "default") -> list[Job]:
    """One small refund for each order."""
    return [
        {"idempotency_key": f"{shop}-{number}", "shop": shop, "order_id": number, "amount": "1.00"}
        for number in order_ids
    ]


def memos(url: str) -> list[dict[str, Any]]:
    """The credit memos in a shop's books."""
    return list(ask(url, "/sandbox/ledger")["creditmemos"])


def fullest_second(times: list[float]) -> int:
    """The most events in any window of one second."""
    most = first = 0
    ordered = sorted(times)
    for last, at in enumerate(ordered):
        while ordered[first] <= at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def wait(predicate: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until something is so; whether it came to be."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # noqa: TID251 - a test waits for other processes
    return True
