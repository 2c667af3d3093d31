"""The Lua moves: each file is loaded once, behind the shared prelude, and called by its hash."""

from collections.abc import Awaitable
from importlib.resources import files
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

_FOLDER: Final = files("worker.ledger") / "lua"


class Moves:
    """Every move as a callable: `await moves("settle", now, key, ...)`."""

    def __init__(self, redis: Redis) -> None:
        prelude = (_FOLDER / "prelude.lua").read_text()
        names = [path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua")]
        self._scripts: dict[str, AsyncScript] = {
            name: redis.register_script(prelude + (_FOLDER / f"{name}.lua").read_text())
            for name in names
            if name != "prelude"
        }

    def __call__(self, name: str, *args: str | float) -> Awaitable[Any]:
        """Run one move; the answer is what its header says."""
        return cast("Awaitable[Any]", self._scripts[name](keys=[], args=list(args)))
