"""Which messages of a lane can no longer arrive."""

import pytest

from worker.upkeep.upkeep import LostMessages

#: One look: (now, published, claimed, is_empty) and what is lost by then.
Look = tuple[float, int, int, bool, int]

STORIES: dict[str, list[Look]] = {
    "the first look knows nothing": [(0, 9, 0, True, 0)],
    "nothing is known within the grace": [(0, 9, 0, True, 0), (4.9, 9, 0, True, 0)],
    "an empty queue has lost what was published the look before": [(0, 9, 3, False, 0), (5, 12, 3, True, 9)],
    "what came since is given its grace": [(0, 9, 3, False, 0), (5, 12, 3, True, 9), (10, 12, 3, True, 12)],
    "a later claim tells of earlier ones": [(0, 9, 6, False, 0), (5, 9, 8, False, 5)],
    "the claimed one itself is with its worker": [(0, 9, 1, False, 0), (5, 9, 9, False, 0)],
    "nothing was ever published": [(0, 0, 0, True, 0), (5, 0, 0, True, 0)],
    "nothing was ever claimed and the queue is full": [(0, 9, 0, False, 0), (5, 9, 0, False, 0)],
    "the grace begins again after each answer": [(0, 5, 0, True, 0), (5, 6, 0, True, 5), (9, 7, 0, True, 0)],
}


@pytest.mark.parametrize("looks", STORIES.values(), ids=list(STORIES))
def test_each_look_tells_what_is_lost_by_then(looks: list[Look]):
    watch = LostMessages(5)

    for now, published, claimed, is_empty, lost in looks:
        assert watch.lost_up_to(published=published, claimed=claimed, is_empty=is_empty, now=now) == lost, now
