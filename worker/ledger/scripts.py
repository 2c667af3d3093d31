"""The Lua moves: each file is loaded once, behind what it needs of the shared ones, and called by its hash."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from worker.ledger.pipe import Pipe
from worker.trail import TRAIL_LUA

_FOLDER: Final = files("worker.ledger") / "lua"
#: Define what moves share, in this order, behind what the audit trail needs.
_SHARED: Final = ("letters", "money", "prelude")
#: How long a write may take to reach the disk. Slower is an error: nothing is sent on a promise that may be lost.
DISK_TIMEOUT_MS: Final = 5000
#: Bundles that wait for the disk at a time: each for up to a second where Redis writes once a second.
_WAITING_FOR_DISK: Final = 16


#: JSON as the moves take it; made once: `json.dumps` with these options would make an encoder for each text.
to_json: Final[Callable[[Mapping[str, Any]], str]] = json.JSONEncoder(separators=(",", ":"), default=str).encode


@functools.cache
def _definitions() -> dict[str, str]:
    """What the shared files define, by name and in their order."""
    text = TRAIL_LUA + "".join((_FOLDER / f"{name}.lua").read_text() for name in _SHARED)
    parts = re.split(r"^(?=local )", text, flags=re.MULTILINE)[1:]
    return {re.split(r"\W+", part.removeprefix("local function ").removeprefix("local "))[0]: part for part in parts}


def behind_shared(source: str) -> str:
    """Put a script behind those shared definitions that it names, and those that they name in their turn.

    Redis runs the whole text at each call: to define all takes as long as two or three commands.
    """
    text, named = source, _words_of(source)
    for name, definition in reversed(_definitions().items()):  # in Lua a name stands behind its definition
        if name in named:
            text = definition + text
            named |= _words_of(definition)
    return text


def _words_of(lua: str) -> set[str]:
    return set(re.findall(r"\w+", re.sub(r"--.*", "", lua)))


@functools.cache
def source_of(move: str) -> str:
    """Give the text of a move as Redis runs it."""
    return behind_shared((_FOLDER / f"{move}.lua").read_text())


class Moves:
    """Every move as a callable: `await moves("settle", now, key, ...)`. Those of one turn travel together."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pipe = Pipe(redis)
        self._to_disk = Pipe(redis, wait_for_disk_ms=DISK_TIMEOUT_MS, most_under_way=_WAITING_FOR_DISK)
        names = [path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua")]
        sources = {name: source_of(name) for name in names if name not in _SHARED}
        self._scripts = {name: (hashlib.sha1(text.encode()).hexdigest(), text) for name, text in sources.items()}  # noqa: S324 - how Redis names scripts

    async def __call__(self, name: str, *args: str | float) -> Any:  # noqa: ANN401 - what the header of the move says
        """Run one move; the answer is what its header says."""
        return await self._run(self._pipe, name, args)

    async def on_disk(self, name: str, *args: str | float) -> Any:  # noqa: ANN401 - what the header of the move says
        """Run one move and wait until it is on this server's disk, in one round trip.

        Raises:
            RedisTimeoutError: The move was made, but is not known to be on disk.
        """
        return await self._run(self._to_disk, name, args)

    async def _run(self, pipe: Pipe, name: str, args: tuple[str | float, ...]) -> Any:  # noqa: ANN401 - what the header of the move says
        sha, text = self._scripts[name]
        try:
            return await pipe.ask("EVALSHA", sha, 0, *args)
        except NoScriptError:  # a server that was started, or flushed its scripts, since
            return await pipe.ask("EVAL", text, 0, *args)

    async def has_wait(self) -> bool:
        """Whether the server has WAITAOF (Redis 7.2, Valkey)."""
        try:
            await self._redis.waitaof(0, 0, 1)
        except ResponseError:
            return False
        return True
