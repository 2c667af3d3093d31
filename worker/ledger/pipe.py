"""Commands that are asked for in the same turn of the event loop go to Redis together: one write, one read.

A busy worker makes dozens of moves at a time; sending each by itself cost as much as the whole HTTP request.
"""

import asyncio
import copy
import math
from collections.abc import Sequence
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: Bundles on their way at a time. While these travel, what is asked for waits for the next one, which so grows: under
#: load they are few and large by themselves (1, 2, 4 and no limit measured alike), and this bounds the connections.
_MOST_UNDER_WAY: Final = 4

Command = tuple[str | int | float, ...]
_Asked = tuple[Command, asyncio.Future[Any]]


class Pipe:
    """Bundles commands. Those of one bundle share a connection, and its fate; each gets its own answer.

    A command whose caller is cancelled before the bundle leaves is not sent; after that nobody knows, as with any
    command.

    Args:
        redis: The client whose connections are used.
        wait_for_disk_ms: Wait so long until what the bundle wrote is on the server's disk (WAITAOF); 0 does not wait.
        most_under_way: Bundles on their way at a time.
    """

    def __init__(self, redis: Redis, *, wait_for_disk_ms: int = 0, most_under_way: int = _MOST_UNDER_WAY) -> None:
        self._pool, self._wait_ms, self._most = redis.connection_pool, wait_for_disk_ms, most_under_way
        self._asked: list[_Asked] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_due = False

    def ask(self, *command: str | float) -> asyncio.Future[Any]:
        """Send a command with the next bundle; the future is its answer, or its error.

        Raises (through the future):
            RedisTimeoutError: The command was carried out, but is not known to be on disk; or no answer came in time.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, future))
        if not self._is_due and len(self._under_way) < self._most:
            self._is_due = True
            loop.call_soon(self._leave)
        return future

    def _leave(self) -> None:
        self._is_due = False
        asked, self._asked = [one for one in self._asked if not one[1].done()], []
        if asked:
            task = asyncio.get_running_loop().create_task(self._travel(asked))
            self._under_way.add(task)
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._asked and not self._is_due:
            self._leave()

    async def _travel(self, asked: Sequence[_Asked]) -> None:
        try:
            answers = await self._exchange([command for command, _ in asked])
        except asyncio.CancelledError:
            for _, future in asked:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked must learn it
            answers = [error] * len(asked)
        for (_, future), answer in zip(asked, answers, strict=True):
            if future.done():  # cancelled
                continue
            if isinstance(answer, Exception):
                future.set_exception(copy.copy(answer))  # each its own: a traceback grows with every raise
            else:
                future.set_result(answer)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py's
        is_whole = False
        try:
            async with asyncio.timeout(connection.socket_timeout):
                answers = await self._answers(connection, commands)
            # a replica now: where its name leads to another server, only a new connection gets there
            is_whole = not any(isinstance(answer, ReadOnlyError) for answer in answers)
        except TimeoutError:
            raise RedisTimeoutError("Redis did not answer in time") from None
        finally:
            if not is_whole:  # answers that nobody read must not reach the next user of the connection
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        return answers

    async def _answers(self, connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
        wait: list[Command] = [("WAITAOF", 1, 0, self._wait_ms)] if self._wait_ms else []
        packed = [pack_command(command) for command in (*commands, *wait)]  # type: ignore[arg-type]  # hiredis's stub
        await connection.send_packed_command(packed)
        answers = [await _answer(connection) for _ in commands]
        if wait:
            on_disk = await _answer(connection)
            if not isinstance(on_disk, list) or int(on_disk[0]) < 1:
                raise RedisTimeoutError(f"what was written was not on disk within {self._wait_ms} ms: {on_disk}")
        return answers


async def _answer(connection: AbstractConnection) -> Any:  # noqa: ANN401 - whatever the command answers
    """Read one answer; an error of this command alone is an answer, too."""
    try:
        return await connection.read_response(timeout=math.inf)  # the whole bundle has a time limit
    except ResponseError as error:
        return error
