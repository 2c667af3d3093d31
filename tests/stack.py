"""The whole stack as processes on free ports: Redis, the sandbox shop, workers, intake; and what tests ask of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Self

import redis

from worker.sandbox.redis_server import EmbeddedRedis
from worker.sandbox.server import ShopSettings

ROOT = Path(__file__).parents[1]
#: How long a process may take until it says that it is ready, in seconds.
READY_SECONDS = 30.0
#: The four test keys of the sandbox for `auth = "oauth1"`.
KEYS = ("consumer_key", "consumer_secret", "access_token", "access_secret")


class Stack:
    """Processes started together, and stopped by their process ids.

    Attributes:
        env: Environment for every process of ours.
        processes: What was started, by a name that is also that of its log in `folder`.
    """

    def __init__(self, folder: Path, server: EmbeddedRedis) -> None:
        self.folder, self.redis = folder, server
        self.env: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.shop_url = ""
        self.client = redis.Redis.from_url(server.url, decode_responses=True)

    @classmethod
    @contextlib.contextmanager
    def start(  # noqa: PLR0913 - each is one thing that tests vary
        cls,
        tmp_path: Path,
        *,
        workers: int = 1,
        intake: bool = False,
        auth: Literal["oauth1", "bearer"] = "oauth1",
        faults: str = "",
        settings: Mapping[str, str] | None = None,
        shop: Mapping[str, Any] | None = None,
        orders: int = 0,
        ledger: bool = True,
    ) -> Iterator[Self]:
        """Start Redis and a shop, initialise the ledger, start workers; stop everything at the end.

        Args:
            tmp_path: Where logs and data go.
            workers: How many worker processes.
            intake: Whether a reader of the stream is started.
            auth: How workers sign in at the shop.
            faults: Faults of the shop, as `drop_after=0.1`.
            settings: More variables, as `REFUNDS_LEASE_SECONDS`.
            shop: More settings of the shop, as `longest_request_seconds`.
            orders: Sample orders that the shop begins with.
            ledger: Whether the ledger is initialised.
        """
        with EmbeddedRedis(directory=tmp_path / "redis", appendfsync="always") as server:
            stack = cls(tmp_path, server)
            try:
                stack.start_shop(faults=faults, orders=orders)
                stack.env = stack.environment(auth=auth, settings=settings or {}, shop=shop or {})
                if ledger:
                    assert stack.refunds("ledger", "init").returncode == 0
                for _ in range(workers):
                    stack.start_worker()
                if intake:
                    stack.start_intake()
                yield stack
            finally:
                stack.stop()

    @property
    def redis_url(self) -> str:
        """URL of the Redis, for the ledger and the broker."""
        return self.redis.url

    def environment(self, *, auth: str, settings: Mapping[str, str], shop: Mapping[str, Any]) -> dict[str, str]:
        """Make the environment of our processes: that of the tests without any REFUNDS_ variable of its own."""
        defaults = ShopSettings()
        credentials = (
            {name: getattr(defaults, name) for name in KEYS} if auth == "oauth1" else {"token": defaults.token}
        )
        table = {
            "base_url": self.shop_url,
            "auth": auth,
            **credentials,
            "request_timeout_seconds": 3,
            "connect_timeout_seconds": 1,
            "longest_request_seconds": 4,
            **shop,
        }
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("REFUNDS_")},  # noqa: TID251
            "PYTHONPATH": str(ROOT),
            "REFUNDS_REDIS_URL": self.redis_url,
            "REFUNDS_SHOPS": json.dumps({"default": table}),
            "REFUNDS_LOG_FORMAT": "json",
            "REFUNDS_UPKEEP_INTERVAL_SECONDS": "0.1",
            "REFUNDS_SHUTDOWN_GRACE_SECONDS": "10",
            **settings,
        }

    # --- processes --------------------------------------------------------------------------------------------

    def start_process(
        self, name: str, *args: str, env: Mapping[str, str] | None = None, wait_for_line: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start `refunds ARGS`; its standard error goes to `NAME-<n>.log`."""
        number = sum(known.startswith(name) for known in self.processes)
        full = f"{name}-{number}"
        with (self.folder / f"{full}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", *args],
                cwd=ROOT,
                env={**(self.env or os.environ), **(env or {})},  # noqa: TID251
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if wait_for_line else log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[full] = process
        return process

    def start_shop(self, *, faults: str = "", orders: int = 0, port: int = 0) -> str:
        """Start the sandbox shop; gives its base URL."""
        args = ["sandbox", "--port", str(port), "--orders", str(orders), "--faults", faults]
        process = self.start_process("sandbox", *args, wait_for_line=True)
        assert process.stdout is not None
        self.shop_url = process.stdout.readline().decode().strip()
        assert self.shop_url, self.log_of("sandbox")
        return self.shop_url

    def start_worker(self, **extra_env: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it serves its queues."""
        already = self._workers_ready()
        process = self.start_process("worker", "worker", env=extra_env)
        self.wait_until(lambda: process.poll() is not None or self._workers_ready() > already, READY_SECONDS)
        assert process.poll() is None, self.log_of("worker")
        return process

    def start_intake(self, **extra_env: str) -> subprocess.Popen[bytes]:
        """Start a reader of the stream `refunds:intake`."""
        process = self.start_process("intake", "intake", env=extra_env)
        self.wait_until(lambda: process.poll() is not None or bool(self.client.exists("refunds:intake")), READY_SECONDS)
        assert process.poll() is None, self.log_of("intake")
        return process

    def start_upkeep(self, **extra_env: str) -> subprocess.Popen[bytes]:
        """Start an upkeep process."""
        return self.start_process("upkeep", "upkeep", env=extra_env)

    def end(
        self, process: subprocess.Popen[bytes], *, how: signal.Signals = signal.SIGTERM, seconds: float = 15
    ) -> int:
        """End one process; gives its exit code."""
        process.send_signal(how)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop(self) -> None:
        """End everything that was started; what does not end in time is killed."""
        running = [process for process in self.processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + 15
        for process in running:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for process in self.processes.values():
            if process.stdout is not None:
                process.stdout.close()
        self.client.close()

    def log_of(self, name: str) -> str:
        """The last lines of the logs of all processes of this name, for a failing test."""
        texts = [path.read_text(errors="replace") for path in sorted(self.folder.glob(f"{name}-*.log"))]
        return "\n".join("\n".join(text.splitlines()[-25:]) for text in texts)

    # --- what tests do ----------------------------------------------------------------------------------------

    def refunds(
        self,
        *args: str,
        input: bytes | str | None = None,  # noqa: A002 - as subprocess.run names it
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        raw = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [sys.executable, "-m", "worker", *args],
            cwd=ROOT,
            env={**self.env, **(env or {})},
            input=b"" if raw is None else raw,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def refunds_at_once(
        self, commands: Sequence[Sequence[str]], *, env: Mapping[str, str] | None = None
    ) -> list[subprocess.CompletedProcess[str]]:
        """Run several commands side by side; gives how each ended, in order."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda args: self.refunds(*args, env=env), commands))

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in which `python` is ours."""
        path = f"{Path(sys.executable).parent}:{self.env.get('PATH', '')}"
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env={**self.env, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def submit(self, *jobs: Mapping[str, Any], lane: str = "express") -> list[dict[str, Any]]:
        """Submit jobs through the command line; gives their receipts."""
        lines = "\n".join(json.dumps(job) for job in jobs)
        done = self.refunds("submit", "-", "--json", "--lane", lane, input=lines)
        assert done.returncode in {0, 1, 2}, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def shop(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the sandbox shop over HTTP, with its bearer token; gives the decoded answer."""
        request = urllib.request.Request(  # noqa: S310 - our own shop
            self.shop_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {ShopSettings().token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None

    def memos(self) -> list[dict[str, Any]]:
        """Every credit memo in the shop's books."""
        return list(self.shop("GET", "/sandbox/ledger")["creditmemos"])

    def state(self, key: str) -> str | None:
        """Where a job stands; None for an unknown key."""
        state = self.client.hget(f"refunds:entry:{key}", "state")
        return None if state is None else str(state)

    def wait_until(self, predicate: Callable[[], object], timeout: float = 20) -> None:
        """Wait until something is so, or fail."""
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                raise AssertionError(f"not so within {timeout} s; worker log:\n{self.log_of('worker')}")
            time.sleep(0.05)  # noqa: TID251 - a test waits for another process

    def settle(self, keys: Sequence[str], timeout: float = 30) -> dict[str, str | None]:
        """Wait until jobs are settled or dead; gives the state of each."""
        try:
            self.wait_until(lambda: all(self.state(key) in {"settled", "dead"} for key in keys), timeout)
        except AssertionError:
            states = {key: self.state(key) for key in keys}
            raise AssertionError(f"{states}; worker log:\n{self.log_of('worker')}") from None
        return {key: self.state(key) for key in keys}

    def _workers_ready(self) -> int:
        return int(self.client.zcard("refunds:workers"))
