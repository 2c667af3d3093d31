"""`refunds redis` and `refunds sandbox`: what a newcomer has not installed, for trying things out and for tests."""

import asyncio
import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from config.logging import configure_logging
from config.settings import Settings
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure
from worker.cli.output import answer, remark
from worker.sandbox.faults import Faults
from worker.sandbox.orders import sample_orders
from worker.sandbox.redis_server import EmbeddedRedis
from worker.sandbox.server import ShopSettings, start_shop

#: The four test keys of the sandbox for `auth = "oauth1"`.
KEYS: Final = ("consumer_key", "consumer_secret", "access_token", "access_secret")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("redis", epilog=examples("refunds redis", "refunds redis --port 6380 --dir ./redis-data"))(redis)
    cli.command(
        "sandbox",
        epilog=examples(
            "refunds sandbox", "refunds sandbox --port 8801 --faults drop_after=0.1,throttle=0.05 --seed 7"
        ),
    )(sandbox)


def redis(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 6379,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the data stays; a temporary folder if not given.")
    ] = None,
) -> None:
    """Run a Redis as durable as production needs it, until Ctrl-C. Prints its URL when it is ready."""
    stop = threading.Event()
    _on_signals(stop)
    with EmbeddedRedis(port=port, directory=directory) as server:
        answer(server.url)
        remark(f"Redis is ready; the data is in {server.directory}. Ctrl-C ends it.")
        while not stop.wait(0.5):
            if not server.is_running:
                raise Failure(f"Redis ended by itself; see {server.directory / 'redis.log'}", code=Exit.UNREACHABLE)


def _on_signals(stop: threading.Event) -> None:
    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)


def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8800,
    faults: Annotated[
        str, typer.Option(metavar="SPEC", help="Faults and how often, as drop_after=0.1,error_502=0.05.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the dice for the faults.")] = 0,
    token: Annotated[str, typer.Option(help="Bearer token that is let in.")] = "sandbox",  # noqa: S107 - a toy's
    orders: Annotated[int, typer.Option(metavar="N", help="Sample orders to begin with.", min=0)] = 20,
    latency: Annotated[float, typer.Option(metavar="SECONDS", help="How long each answer takes.", min=0)] = 0.0,
) -> None:
    """Run a simulated Magento shop until Ctrl-C. Prints its base URL when it is ready."""
    configure_logging(Settings())
    try:
        wanted = Faults.parse(faults)
    except ValueError as error:
        raise Failure(f"--faults: {error}", code=Exit.INVALID) from None
    settings = ShopSettings(port=port, token=token, faults=wanted, seed=seed, latency_seconds=latency)
    asyncio.run(_sandbox(settings, sample_orders(orders, seed=seed)))


async def _sandbox(settings: ShopSettings, documents: dict[str, list[dict[str, Any]]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        shop = await start_shop(settings)
    except OSError as error:
        raise Failure(f"port {settings.port} cannot be used: {error.strerror}", code=Exit.INVALID) from None
    shop.store.seed(documents)
    answer(shop.base_url)
    keys = {name: getattr(settings, name) for name in KEYS}
    remark(f"The sandbox shop is ready, with {len(documents['orders'])} orders (ids from 1). Ctrl-C ends it.")
    remark(f"Bearer token: {settings.token}. Test keys for auth = oauth1: {json.dumps(keys)}")
    remark(f"Its books: GET {shop.base_url}/sandbox/ledger. More orders: POST {shop.base_url}/sandbox/orders")
    await stop.wait()
    await shop.close()
