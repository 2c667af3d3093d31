"""The small form of `tests/chaos/test_replay_killed.py`."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.replay_kills import replay_under_kills

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_a_replay_that_is_killed_goes_on_where_it_was(tmp_path: Path):
    found = replay_under_kills(tmp_path, letters=300, kills=2, timeout=60)
    assert found.kills == 2
    assert found.places == Counter({("settled", 0, 1): 300}), "(state, letters in the list, credit memos)"
    assert found.replays == Counter({1: 300})
    assert (found.unforeseen, found.trail) == (0, True)
