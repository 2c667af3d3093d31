"""Bundles of commands: one write for all of one turn of the loop, and each answer reaches who asked for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.ledger.connection import connect
from worker.ledger.pipe import Pipe
from worker.ledger.scripts import Moves
from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = pytest.mark.integration


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(f"{redis_url.rpartition('/')[0]}/7", timeout_seconds=0.5)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def patient(redis_url: str) -> AsyncIterator[Redis]:
    """A client that waits longer for an answer than any test here lets it."""
    client = connect(f"{redis_url.rpartition('/')[0]}/7", timeout_seconds=30)
    yield client
    await client.aclose()


async def until_it_waits(redis: Redis) -> None:
    """Until Redis has read the blocking command of a test; connecting alone takes its time on a busy machine."""
    async with asyncio.timeout(20):
        while (await redis.info("clients"))["blocked_clients"] == 0:  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.01)


async def reads_of(redis: Redis) -> int:
    """Writes of clients that the server has read so far."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def test_a_hundred_commands_of_one_turn_are_one_write(redis: Redis):
    pipe = Pipe(redis)
    await pipe.ask("SET", "a", 1)
    before = await reads_of(redis)

    answers = await asyncio.gather(*(pipe.ask("INCRBY", "a", number) for number in range(100)))

    assert answers[:4] == [1, 2, 4, 7]
    assert await reads_of(redis) - before == 2  # the bundle, and this question


async def test_an_error_of_one_command_is_its_own(redis: Redis):
    pipe = Pipe(redis)

    first, wrong, last = pipe.ask("SET", "a", "text"), pipe.ask("INCR", "a"), pipe.ask("GET", "a")

    assert (await first, await last) == ("OK", "text")
    with pytest.raises(ResponseError):
        await wrong


async def test_what_a_lost_connection_carried_fails_and_the_next_goes_on_a_new_one(redis: Redis, patient: Redis):
    pipe = Pipe(patient)
    waits = [pipe.ask("BLPOP", "nothing", 20), pipe.ask("GET", "a")]
    await until_it_waits(redis)
    await redis.client_kill_filter(_type="normal", skipme=True)

    lost = await asyncio.gather(*waits, return_exceptions=True)

    assert [type(error) for error in lost] == [RedisConnectionError] * 2
    assert await pipe.ask("ECHO", "again") == "again"


async def test_a_late_answer_never_reaches_another_question(redis: Redis):
    pipe = Pipe(redis, most_under_way=1)

    with pytest.raises(RedisTimeoutError):
        await pipe.ask("BLPOP", "nothing", 1)

    assert await pipe.ask("ECHO", "mine") == "mine"


async def test_a_question_that_is_cancelled_before_it_leaves_is_not_sent(redis: Redis):
    pipe = Pipe(redis)
    cancelled, stays = pipe.ask("INCR", "a"), pipe.ask("INCR", "b")
    cancelled.cancel()

    assert await stays == 1
    assert await redis.get("a") is None


async def test_who_is_cancelled_under_way_leaves_the_others_their_answers(redis: Redis, patient: Redis):
    pipe = Pipe(patient)
    cancelled, stays = pipe.ask("BLPOP", "a list", 20), pipe.ask("ECHO", "mine")
    await until_it_waits(redis)
    cancelled.cancel()
    await redis.rpush("a list", "go")

    assert await stays == "mine"
    assert await pipe.ask("ECHO", "next") == "next"


async def test_what_is_asked_for_while_all_bundles_travel_goes_together(redis: Redis, patient: Redis):
    pipe = Pipe(patient, most_under_way=1)
    first = pipe.ask("BLPOP", "a list", 20)
    await until_it_waits(redis)
    before = await reads_of(redis)
    waiting = []
    for number in range(5):
        waiting.append(pipe.ask("ECHO", str(number)))
        await asyncio.sleep(0)
    await redis.rpush("a list", "go")

    assert await asyncio.gather(*waiting) == list("01234")
    assert await first == ["a list", "go"]
    assert await reads_of(redis) - before == 3  # the push, the bundle, and this question


async def test_a_write_that_is_not_known_to_be_on_disk_has_failed(redis: Redis):
    """Redis without WAITAOF, or one that is too slow: nobody may send on such a promise."""
    pipe = Pipe(redis, wait_for_disk_ms=1)
    await redis.config_set("appendonly", "no")
    try:
        with pytest.raises(RedisTimeoutError):
            await pipe.ask("SET", "a", 1)
    finally:
        await redis.config_set("appendonly", "yes")


async def test_a_server_that_forgot_its_scripts_is_given_them_again(redis: Redis):
    moves = Moves(redis)
    await redis.script_flush()

    assert await asyncio.gather(*(moves("beat", 7, f"w{number}") for number in range(3))) == ["7", "7", "7"]


async def test_a_connection_to_what_has_become_a_replica_is_not_used_again():
    """Behind the name of a cluster another server is the primary by then; only a new connection gets there."""
    with EmbeddedRedis() as server:
        client = connect(server.url)
        pipe, moves = Pipe(client), Moves(client)
        await moves("beat", "", "w1")
        before = await pipe.ask("CLIENT", "ID")
        await client.replicaof("127.0.0.1", 1)

        with pytest.raises(ReadOnlyError):
            await moves("beat", "", "w1")

        assert await pipe.ask("CLIENT", "ID") != before
        await client.aclose()
