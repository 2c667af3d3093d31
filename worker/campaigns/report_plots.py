"""The plots of a report, as the geometry of their bars: the template draws them as SVG. Pure."""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from worker.campaigns import latency
from worker.campaigns.report_figures import Figures
from worker.campaigns.report_row import Ending
from worker.campaigns.timeline import MOST_BARS, width_words

#: Size of a plot with upright bars, in units of its view box; the page scales it.
WIDTH: Final = 560
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 12, 30
#: Height of one lying bar with its words, in the same units.
_LINE: Final = 26
_NAME_WIDTH: Final = 190
_COUNT_WIDTH: Final = 120
#: Ticks of an axis, about.
_TICKS: Final = 4
#: A few bars do not fill a plot: how far apart they stand at most, and how wide they are.
_WIDEST_STEP: Final = 110
_WIDEST_BAR: Final = 56
#: Room of one character of a label below the bars, the gap to the next label included.
_LABEL_WIDTH: Final = 7.5
#: Days in a plot of money per day; longer campaigns are shown by week.
_WEEK_DAYS: Final = 7
_DAY_SECONDS: Final = 86_400
#: Reasons that get a bar of their own; the rest is one.
_MOST_REASONS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar. `title` is shown when the pointer rests on it, and read aloud."""

    x: float
    y: float
    width: float
    height: float
    title: str
    tone: str = "good"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A word at an axis."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot.

    Attributes:
        name: Its id in the page.
        caption: What a bar is, below the title.
        height: Of the view box.
        lines: Where the lines across are, with their words.
        marks: Words below upright bars; names left of lying ones.
        counts: Words behind lying bars: their `at` is that of the mark, `ends` where the bar ends.
    """

    name: str
    title: str
    caption: str
    bars: Sequence[Bar] = ()
    height: int = HEIGHT
    lines: Sequence[Mark] = ()
    marks: Sequence[Mark] = ()
    counts: Sequence[Mark] = ()
    is_lying: bool = False


def plots_of(figures: Figures) -> list[Plot]:
    """Draw all plots of a report; those without anything to show are left out."""
    drawn = [over_time(figures), latencies(figures), outcomes(figures), *money_per_day(figures)]
    return [plot for plot in drawn if plot.bars]


def over_time(figures: Figures) -> Plot:
    """Draw how many jobs settled when."""
    width, bars = figures.settled.bars()
    labels = [_clock(at, width) for at, _ in bars]
    titles = [f"{label}: {count:,} settled" for label, (_, count) in zip(labels, bars, strict=True)]
    caption = f"settled jobs per {width_words(width)}, UTC"
    plot = Plot(name="over-time", title="Refunds over time", caption=caption)
    return _upright(plot, [count for _, count in bars], labels, titles, "good")


def latencies(figures: Figures) -> Plot:
    """Draw how long the attempts took that settled a job."""
    counts = figures.latency
    used = [index for index, count in enumerate(counts) if count]
    shown = range(max(used[0] - 1, 0), min(used[-1] + 2, len(counts))) if used else range(0)
    names = latency.labels()
    titles = [f"{names[index]}: {counts[index]:,} jobs" for index in shown]
    ends = [latency.words(end) for end in latency.CLASSES_MS]
    labels = [*(f"≤ {end}" for end in ends), f"> {ends[-1]}"]
    p50, p95 = (latency.percentile(counts, share) for share in (0.5, 0.95))
    caption = f"jobs by duration of the call; half within {p50} ms, 95 % within {p95} ms"
    plot = Plot(name="latency", title="Latency", caption=caption)
    return _upright(plot, [counts[index] for index in shown], [labels[index] for index in shown], titles, "calm")


def outcomes(figures: Figures) -> Plot:
    """Draw how jobs ended, dead letters by their reason."""
    found = [
        ("refunded", figures.endings[Ending.REFUNDED], "good"),
        ("persisted only", figures.endings[Ending.PERSISTED], "calm"),
        ("cancelled", figures.endings[Ending.CANCELLED], "off"),
        ("not finished", figures.endings[Ending.OPEN], "open"),
    ]
    reasons = figures.reasons.most_common()
    found += [(name.replace("_", " "), count, "bad") for name, count in reasons[:_MOST_REASONS]]
    found.append(("other reasons", sum(count for _, count in reasons[_MOST_REASONS:]), "bad"))
    found = [one for one in found if one[1]]
    most = max((count for _, count, _ in found), default=1)
    room = WIDTH - _NAME_WIDTH - _COUNT_WIDTH
    bars = [
        Bar(x=_NAME_WIDTH, y=index * _LINE + 5, width=_round(max(room * count / most, 1.5)), height=_LINE - 10,
            title=f"{name}: {count:,} jobs ({_share(count, figures.jobs)})", tone=tone)
        for index, (name, count, tone) in enumerate(found)
    ]  # fmt: skip
    return Plot(
        name="outcomes",
        title="Outcomes by reason",
        caption="jobs; red bars are dead letters",
        bars=bars,
        height=max(len(found), 1) * _LINE + 4,
        marks=[Mark(at=index * _LINE + _LINE / 2, text=_short(name)) for index, (name, _, _) in enumerate(found)],
        counts=[Mark(at=_round(bar.x + bar.width), text=f"{count:,}  {_share(count, figures.jobs)}")
                for bar, (_, count, _) in zip(bars, found, strict=True)],
        is_lying=True,
    )  # fmt: skip


def money_per_day(figures: Figures) -> list[Plot]:
    """Draw the money that was refunded by day, or by week when it took long; one plot for each currency."""
    by_currency: dict[str, dict[dt.date, Decimal]] = defaultdict(dict)
    for (day, currency), money in figures.days.items():
        by_currency[currency][dt.date.fromisoformat(day)] = money
    return [_money(currency, days) for currency, days in sorted(by_currency.items())]


def _money(currency: str, days: dict[dt.date, Decimal]) -> Plot:
    first, last = min(days), max(days)
    step = 1 if (last - first).days < MOST_BARS else _WEEK_DAYS
    first -= dt.timedelta(days=first.weekday() if step == _WEEK_DAYS else 0)
    sums = [Decimal(0)] * ((last - first).days // step + 1)
    for day, money in days.items():
        sums[(day - first).days // step] += money
    begins = [first + dt.timedelta(days=index * step) for index in range(len(sums))]
    words = "" if step == 1 else "week of "
    titles = [f"{words}{day:%d %b %Y}: {money:,.2f} {currency}" for day, money in zip(begins, sums, strict=True)]
    labels = [f"{day.day} {day:%b}" for day in begins]
    name = "money-per-day" + (f"-{currency.lower()}" if currency.isalnum() else "")
    title = f"Money per {'day' if step == 1 else 'week'}" + (f", {currency}" if currency else "")
    plot = Plot(name=name, title=title, caption="refunded, as the credit memos say; days are UTC")
    return _upright(plot, [float(money) for money in sums], labels, titles, "good")


def _upright(plot: Plot, values: Sequence[float], labels: Sequence[str], titles: Sequence[str], tone: str) -> Plot:
    """Stand bars side by side, with an axis from 0."""
    if not values:
        return plot
    top, ticks = scale(max(values))
    room, floor = WIDTH - _LEFT - _RIGHT, HEIGHT - _BOTTOM
    step = min(room / len(values), _WIDEST_STEP)
    width = min(step - min(step * 0.2, 6), _WIDEST_BAR)
    heights = [(floor - _TOP) * max(value, 0) / top for value in values]
    middles = [_LEFT + (index + 0.5) * step for index in range(len(labels))]
    every = math.ceil(_LABEL_WIDTH * max(map(len, labels)) / step)
    return replace(
        plot,
        bars=[
            Bar(x=_round(_LEFT + index * step + (step - width) / 2), y=_round(floor - height), width=_round(width),
                height=_round(height), title=title, tone=tone)
            for index, (height, title) in enumerate(zip(heights, titles, strict=True))
        ],
        lines=[Mark(at=_round(floor - (floor - _TOP) * tick / top), text=_number(tick)) for tick in ticks],
        marks=[Mark(at=_round(at), text=label) for at, label in list(zip(middles, labels, strict=True))[::every]
               if at + len(label) * _LABEL_WIDTH / 2 <= WIDTH],
    )  # fmt: skip


def scale(most: float) -> tuple[float, list[float]]:
    """Choose an axis from 0 to beyond the largest value: its end, and round numbers on it."""
    if most <= 0:
        return 1.0, [0.0, 1.0]
    raw = most / _TICKS
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    step = max(step, 1.0) if most >= 1 else step
    count = math.ceil(most / step)
    return step * count, [step * index for index in range(count + 1)]


def _number(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if sign == 'k' else size):g}{sign}"
    return f"{value:,.10g}"


def _clock(at_seconds: int, width: int) -> str:
    at = dt.datetime.fromtimestamp(at_seconds, tz=dt.UTC)
    if width >= _DAY_SECONDS:
        return f"{at.day} {at:%b}"
    if width >= 3600:  # noqa: PLR2004 - an hour
        return f"{at.day} {at:%b %H:%M}"
    return f"{at:%H:%M}" if width >= 60 else f"{at:%H:%M:%S}"  # noqa: PLR2004 - a minute


def _share(count: int, of: int) -> str:
    share = 100 * count / of if of else 0
    if 0 < share < 0.1:  # noqa: PLR2004 - a tenth of a percent
        return "< 0.1 %"
    return f"{share:.1f} %"


def _short(name: str, most: int = 30) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _round(value: float) -> float:
    return round(value, 2)
