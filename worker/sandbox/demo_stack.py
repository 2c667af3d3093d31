"""The processes of the demo: Redis, shop, workers and intake, started on free ports and surely ended."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from config.settings import Settings, child_environ
from worker.sandbox.redis_server import EmbeddedRedis
from worker.sandbox.server import ACCESS_SECRET, ACCESS_TOKEN, CONSUMER_KEY, CONSUMER_SECRET

#: How long a process may take to end after SIGTERM, in seconds, before it is killed.
_STOP_SECONDS: Final = 8.0
#: How long a process may take until it is ready, in seconds.
_READY_SECONDS: Final = 30.0
_TAIL_LINES: Final = 30
#: Ends a child when the demo itself was killed: it waits for a line that `stop` writes, and acts when the pipe closes.
_WATCHDOG: Final = 'read -r line && exit 0; kill -TERM "$1" 2>/dev/null; sleep 8; kill -KILL "$1" 2>/dev/null'


class DemoFailed(Exception):
    """A part of the demo did not start or ended too early; the text quotes its log."""


@dataclass
class Child:
    """One process of ours, and the watchdog that outlives us."""

    process: asyncio.subprocess.Process
    watchdog: asyncio.subprocess.Process
    log: Path


@dataclass
class DemoStack:
    """What runs for the demo.

    Attributes:
        settings: Those that the workers have.
        environ: The same as variables, for child processes.
    """

    folder: Path
    redis: EmbeddedRedis
    http: aiohttp.ClientSession
    shop_url: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings of the demo's processes."""
        return Settings.from_environ(self.environ)

    async def spawn(self, name: str, *args: str, with_output: bool = False) -> Child:
        """Start `refunds ARGS` with its log in the demo's folder."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "worker", *args),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if with_output else file,
                stderr=file,
                env=self.environ or child_environ({}),
                start_new_session=True,  # Ctrl-C is ours to handle; they end in the right order
            )
        watchdog = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WATCHDOG, "watchdog", str(process.pid)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        child = self.children[name] = Child(process=process, watchdog=watchdog, log=log)
        return child

    async def run(self, name: str, *args: str) -> tuple[int, str]:
        """Run `refunds ARGS` to its end; gives exit code and standard output."""
        child = await self.spawn(name, *args, with_output=True)
        out, _ = await child.process.communicate()
        await self._end(self.children.pop(name))
        return child.process.returncode or 0, out.decode()

    async def ask_shop(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask one of the sandbox's own routes."""
        async with self.http.request(method, self.shop_url + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    def check(self) -> None:
        """See that everything still runs.

        Raises:
            DemoFailed: Something ended by itself.
        """
        for name, child in self.children.items():
            if child.process.returncode is not None:
                raise DemoFailed(f"{name} ended with {child.process.returncode}:\n{self.tail(name)}")
        if not self.redis.is_running:
            raise DemoFailed("Redis ended by itself")

    def tail(self, name: str) -> str:
        """The last lines of a log."""
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]) if log.exists() else ""

    async def stop(self) -> None:
        """End everything: workers first, so that they can put away what they hold."""
        names = [name for name in self.children if name != "shop"]
        await asyncio.gather(*(self._end(self.children[name]) for name in names))
        if "shop" in self.children:
            await self._end(self.children["shop"])
        self.children.clear()

    async def _end(self, child: Child) -> None:
        if child.process.returncode is None:
            child.process.terminate()
            try:
                await asyncio.wait_for(child.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                child.process.kill()
                await child.process.wait()
        await child.watchdog.communicate(b"stopped\n")


@asynccontextmanager
async def running_stack(*, workers: int, keep: bool) -> AsyncIterator[DemoStack]:
    """Start Redis, the shop, workers and intake; end them whatever happens.

    Args:
        workers: How many worker processes.
        keep: Whether the folder with data and logs stays.
    """
    folder = Path(tempfile.mkdtemp(prefix="refunds-demo-"))
    redis = EmbeddedRedis(directory=folder / "redis")
    try:
        await asyncio.to_thread(redis.start)
        async with aiohttp.ClientSession() as http:
            stack = DemoStack(folder=folder, redis=redis, http=http)
            try:
                await _start_all(stack, workers=workers)
                yield stack
            finally:
                await asyncio.shield(stack.stop())
    finally:
        redis.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


async def _start_all(stack: DemoStack, *, workers: int) -> None:
    shop = await stack.spawn("shop", "sandbox", "--port", "0", "--orders", "0", with_output=True)
    assert shop.process.stdout is not None  # noqa: S101 - it was asked for
    line = await asyncio.wait_for(shop.process.stdout.readline(), _READY_SECONDS)
    stack.shop_url = line.decode().strip()
    if not stack.shop_url:
        raise DemoFailed(f"the shop did not start:\n{stack.tail('shop')}")
    stack.environ = child_environ(_variables(stack))
    for number in range(workers):
        await stack.spawn(f"worker-{number + 1}", "worker")
    await stack.spawn("intake", "intake")


def _variables(stack: DemoStack) -> Mapping[str, str]:
    """Short times: the demo's shop answers at once, so what takes longer is a fault, and absence is proven soon."""
    shop = {
        "base_url": stack.shop_url,
        "auth": "oauth1",
        "consumer_key": CONSUMER_KEY,
        "consumer_secret": CONSUMER_SECRET,
        "access_token": ACCESS_TOKEN,
        "access_secret": ACCESS_SECRET,
        "request_timeout_seconds": 3,
        "connect_timeout_seconds": 1,
        "longest_request_seconds": 3,
        "max_concurrency": 16,
    }
    return {
        "REFUNDS_REDIS_URL": stack.redis.url,
        "REFUNDS_SHOPS": json.dumps({"default": shop}),
        "REFUNDS_LOG_FORMAT": "json",
        "REFUNDS_UPKEEP_INTERVAL_SECONDS": "0.2",
        "REFUNDS_MAX_ATTEMPTS": "20",
        "REFUNDS_SHUTDOWN_GRACE_SECONDS": "5",
        "REFUNDS_ENVIRONMENT": "demo",
    }
