"""Packing on fakeredis, and as a pure function: nothing is lost, whatever an entry says."""

import json
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.suites.packing import PackingPromises
from worker.ledger.packing import KEPT, pack, text_of, unpack

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
WORDS = st.text(max_size=40)
SMALL = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(
        lambda name: name not in {*KEPT, "doc", "result", "confirmed", "history"}
    ),
    WORDS,
    max_size=8,
)


class TestOnFakeRedis(PackingPromises):
    @pytest.fixture
    async def redis(self) -> AsyncIterator[Redis]:
        redis = FakeAsyncRedis(decode_responses=True)
        yield redis
        await redis.aclose()


@given(key=KEYS, small=SMALL, document=JSON, sample=st.text(max_size=200), words=WORDS)
def test_what_is_packed_is_unpacked_the_same(
    key: str, small: dict[str, str], document: object, sample: str, words: str
):
    fields = {
        **small,
        "state": "settled",
        "fingerprint": "f" * 32,
        "doc": json.dumps({"idempotency_key": key, "comment": words, "more": document}, separators=(",", ":")),
        "result": json.dumps({"memo_id": 1, "words": words}),
        "history": "\n".join(json.dumps({"outcome": outcome, "words": words}) for outcome in ("deferred", "refunded")),
    }

    pieces = pack(text_of(key, fields), sample)
    packed = {name: fields[name] for name in ("state", "fingerprint")} | {str(n): one for n, one in enumerate(pieces)}

    assert unpack(key, packed, sample) == fields
    assert all(len(piece) <= 64 for piece in pieces)


def test_another_form_of_packing_is_not_guessed_at():
    with pytest.raises(ValueError, match="another version"):
        unpack("k", {"state": "settled", "0": "9abc"}, "")
