"""Classes of latency: how many calls took how long, without keeping each. Pure; the Lua moves count the same ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: Upper ends of the classes, in ms; each is about 1.6 times the one before, so that a percentile is right within that.
CLASSES_MS: Final = (10, 16, 25, 40, 63, 100, 160, 250, 400, 630, 1000, 1600, 2500, 4000, 6300, 10_000, 25_000)
_SECOND_MS: Final = 1000


def class_of(took_ms: float) -> int:
    """Give the number of the class that a latency falls into; the last one is all that is slower."""
    return next((index for index, end in enumerate(CLASSES_MS) if took_ms <= end), len(CLASSES_MS))


def percentile(counts: Sequence[int], share: float) -> int | None:
    """Give the upper end, in ms, of the class that holds this share of all; None where nothing was measured.

    Of what is slower than the last class, its lower end is all that is known.
    """
    wanted, seen = share * sum(counts), 0
    if not wanted:
        return None
    for end, count in zip((*CLASSES_MS, CLASSES_MS[-1]), counts, strict=True):
        seen += count
        if seen >= wanted:
            return end
    return CLASSES_MS[-1]


def labels() -> list[str]:
    """Give a label for each class."""
    ends = [words(end) for end in CLASSES_MS]
    return [f"up to {ends[0]}", *(f"{low} to {high}" for low, high in pairwise(ends)), f"over {ends[-1]}"]


def words(ms: int) -> str:
    """Write a latency as people do."""
    return f"{ms} ms" if ms < _SECOND_MS else f"{ms / _SECOND_MS:g} s"
