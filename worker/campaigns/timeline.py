"""How many, and how much, over time: counted by the second while that is little, coarser when it is long. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: Widths that time is cut into, in seconds: each divides the next, and is a number of people's clocks.
_WIDTHS_SECONDS: Final = (1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800, 2_419_200)
#: Slots that are kept: at one a second almost three hours, with the next width half a day, and so on.
_MOST_SLOTS: Final = 10_000
#: Bars in a plot, at most; more are too thin to be read.
MOST_BARS: Final = 60


@dataclass
class Timeline:
    """Counts what happened when, in bounded memory.

    Attributes:
        width_seconds: How long one slot is now.
        counts: By number of the slot since 1970.
    """

    width_seconds: int = 1
    counts: Counter[int] = field(default_factory=Counter)

    def add(self, at_ms: int) -> None:
        """Count one thing."""
        self.counts[at_ms // 1000 // self.width_seconds] += 1
        if len(self.counts) > _MOST_SLOTS:
            self._widen()

    def bars(self, *, most: int = MOST_BARS) -> tuple[int, list[tuple[int, int]]]:
        """Cut it into bars without gaps.

        Returns:
            How long a bar is, in seconds; and (its beginning in seconds since 1970, count) of each, oldest first.
        """
        if not self.counts:
            return 0, []
        first, last = min(self.counts) * self.width_seconds, max(self.counts) * self.width_seconds
        width = next((one for one in _WIDTHS_SECONDS if one >= self.width_seconds
                      and last // one - first // one < most), _WIDTHS_SECONDS[-1])  # fmt: skip
        slots: Counter[int] = Counter()
        for slot, count in self.counts.items():
            slots[slot * self.width_seconds // width] += count
        return width, [(slot * width, slots[slot]) for slot in range(first // width, last // width + 1)]

    def _widen(self) -> None:
        wider = [width for width in _WIDTHS_SECONDS if width > self.width_seconds]
        if not wider:
            return
        old, self.counts = self.counts, Counter()
        for slot, count in old.items():
            self.counts[slot * self.width_seconds // wider[0]] += count
        self.width_seconds = wider[0]


def width_words(seconds: int) -> str:
    """Say how long a bar is."""
    for length, word in ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return word if count == 1 else f"{count} {word}s"
    return f"{seconds} seconds"
