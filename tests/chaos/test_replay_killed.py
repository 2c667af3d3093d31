"""A replay of 10,000 dead letters, killed ten times."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.replay_kills import replay_under_kills

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(1200)]


def test_ten_kills_lose_nothing_and_double_nothing(tmp_path: Path):
    found = replay_under_kills(tmp_path, letters=10_000, kills=10, timeout=600)
    assert found.kills == 10
    assert found.places == Counter({("settled", 0, 1): 10_000}), "(state, letters in the list, credit memos)"
    assert found.replays == Counter({1: 10_000})
    assert (found.unforeseen, found.trail) == (0, True)
