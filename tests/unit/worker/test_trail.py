"""The audit trail on fakeredis, and what is always true of a chain."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.suites.trail import TrailPromises, rows_of, write_anew
from worker.ledger.ledger import Ledger
from worker.trail import Trail

_WORDS = st.text(max_size=12)
_VALUES = st.dictionaries(_WORDS, st.none() | st.booleans() | st.integers() | _WORDS | st.lists(_WORDS), max_size=3)


class TestOnFakeRedis(TrailPromises):
    @pytest.fixture
    async def redis(self) -> AsyncIterator[Redis]:
        redis = FakeAsyncRedis(decode_responses=True)
        yield redis
        await redis.aclose()


@settings(max_examples=40, deadline=None)
@given(
    acts=st.lists(st.tuples(_WORDS, _WORDS, _VALUES, _VALUES), min_size=1, max_size=6),
    data=st.data(),
)
async def test_any_change_of_any_letter_of_any_record_is_found(
    acts: list[tuple[str, str, dict[str, Any], dict[str, Any]]], data: st.DataObject
):
    redis = FakeAsyncRedis(decode_responses=True)
    await Ledger(redis).initialise("first")
    trail = Trail(redis)
    for by, why, before, after in acts:
        await trail.record(act="letter.edited", subject="letter:k", by=by, why=why, before=before, after=after)
    assert (await trail.verify()).broken_at == 0
    assert [(one.by, one.why, one.before) async for one in trail.records()] == [one[:3] for one in acts]

    rows = await rows_of(redis)
    which = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(["record", "hash"]))
    text = rows[which][name]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[place]))
    rows[which] = {**rows[which], name: text[:place] + letter + text[place + 1 :]}
    await write_anew(redis, rows)

    assert (await trail.verify()).broken_at == which + 1
    await redis.aclose()


async def test_a_record_is_canonical_json():
    redis = FakeAsyncRedis(decode_responses=True)
    await Ledger(redis).initialise("first")
    await Trail(redis).record(act="a", subject="s", by="ä\n", why="", before={"b": 1, "a": 2})
    (fields,) = await rows_of(redis)
    known = json.loads(fields["record"])
    assert fields["record"] == json.dumps(known, sort_keys=True, separators=(",", ":"))
    assert known["by"] == "ä\n"
    await redis.aclose()
