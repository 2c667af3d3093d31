"""The status of a campaign, computed and written for a terminal."""
# ruff: noqa: ANN401 - counts of any state

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from worker.campaigns.latency import CLASSES_MS, class_of, labels, percentile
from worker.campaigns.status import SLOT_MS, SLOTS, Pace, Slot, Status, duration, lines, sparkline
from worker.campaigns.store import Campaign, CampaignState, Counts
from worker.domain.lifecycle import State

NOW_MS = 1_795_600_005_000


def slots(*ended: int) -> list[Slot]:
    return [Slot()] * (SLOTS - len(ended)) + [Slot(ended=count, calls=count, ms=count * 50) for count in ended]


def a_status(*, ended: tuple[int, ...] = (100, 100, 50), state: str = "running", **jobs: int) -> Status:
    counts = {"settled": 480, "queued": 500, "dead": 20, **jobs}
    return Status(
        campaign=Campaign(name="spring", state=CampaignState(state), by="ann"),
        counts=Counts(
            jobs={one: counts.get(one.value, 0) for one in State},
            asked={one: Decimal(counts.get(one.value, 0)) for one in State},
        ),
        at_ms=NOW_MS,
        reasons={"qty_too_large": 15, "order_not_found": 5},
        confirmed=400,
        refunded={"EUR": Decimal("400.00")},
        pace=Pace(slots=slots(*ended), latency=[0, 3, 1, *[0] * (len(CLASSES_MS) - 2)], into_ms=5000),
    )


def test_the_rate_is_that_of_the_last_minute_or_since_the_first_job_in_it():
    assert a_status(ended=(100, 100, 50)).pace.rate() == 250 / 25
    assert a_status(ended=(9999, 60, 60, 60, 60, 60, 60, 30)).pace.rate() == 390 / 65
    assert a_status(ended=()).pace.rate() == 0


def test_the_estimate_is_what_is_under_way_at_the_rate():
    assert a_status().remaining_seconds == 500 / 10
    assert a_status(held=1000).remaining_seconds == 500 / 10, "what waits for people does not end by itself"


@pytest.mark.parametrize("changes", [{"state": "paused"}, {"ended": ()}], ids=["paused", "nothing-ends"])
def test_no_estimate_is_made_where_none_can_be(changes: Any):
    assert a_status(**changes).remaining_seconds is None


def test_it_is_over_when_nothing_more_happens_by_itself():
    assert not a_status().is_over
    assert not a_status(state="cancelled", queued=0, sent=1).is_over
    assert a_status(state="cancelled", queued=0, cancelled=500).is_over
    assert a_status(state="done", queued=0).is_over


def test_slots_are_read_in_the_order_of_time():
    now = NOW_MS // SLOT_MS
    fields = {f"slot:{number % SLOTS}": f"{number} {number - now + SLOTS} 1 7" for number in range(now - 70, now + 1)}
    pace = Pace.read(fields, NOW_MS)
    assert [slot.ended for slot in pace.slots] == list(range(1, SLOTS + 1))
    assert pace.into_ms == NOW_MS % SLOT_MS


def test_latency_over_time_begins_with_the_first_call():
    pace = Pace(slots=[Slot(), Slot(ended=1, calls=1, ms=40), Slot(), Slot(ended=2, calls=2, ms=100)])
    assert pace.latencies() == [40, None, 50]


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([1, 2, 4, 8], "▂▃▅█"),
        ([8, None, 8], "█ █"),
        ([1] * 100 + [8] * 40, "█" * 40),
    ],
    ids=["empty", "zeros", "rising", "gap", "last-ones"],
)
def test_a_sparkline_is_as_high_as_its_largest_value(values: list[float | None], drawn: str):
    assert sparkline(values) == drawn


def test_a_sparkline_can_do_with_ascii():
    assert sparkline([1, 2, 4, 8], is_plain=True).isascii()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (9000, "2 h 30 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, said: str):
    assert duration(seconds) == said


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("is_plain", [True, False], ids=["ascii", "bars"])
def test_no_line_is_wider_than_the_terminal(width: int, is_plain: bool):  # noqa: FBT001 - a case
    status = a_status(ended=(7,) * SLOTS, held=1, cancelled=3, in_doubt=99_999, settled=1_000_000)
    said = lines(status, width=width, is_plain=is_plain)
    assert max(map(len, said)) <= width
    assert not is_plain or "\n".join(said).isascii()


def test_the_status_says_jobs_money_pace_states_and_reasons():
    said = "\n".join(lines(a_status(in_doubt=3, held=2)))
    for words in (
        "campaign spring  running", "50", "1,005 jobs", "refunded 400.00 EUR", "80 settled not read back yet",
        "10.0 jobs/s", "about 50 s left", "queued 500", "in flight 0", "settled 480", "in doubt 3", "held 2", "dead 20",
        "qty_too_large 15", "order_not_found 5", "half within 16 ms, 95 % within 25 ms",
    ):  # fmt: skip
        assert words in said, words


def test_what_is_never_read_back_is_not_waited_for():
    said = "\n".join(lines(replace(a_status(), never_read=80)))
    assert "80 settled, never read back (confirm = false)" in said
    assert "read back yet" not in said


def test_of_a_campaign_that_is_over_the_whole_time_is_told():
    known = a_status(state="done", queued=0)
    campaign = replace(known.campaign, started_ms=NOW_MS - 100_000, ended_ms=NOW_MS)
    assert "took 1 min 40 s, 5.0 jobs/s" in "\n".join(lines(replace(known, campaign=campaign)))


def test_an_empty_campaign_has_a_status():
    empty = Status(campaign=Campaign(name="e", state=CampaignState.DRAFT), counts=Counts.read({}), at_ms=NOW_MS)
    said = "\n".join(lines(empty))
    assert "0 of 0 jobs" in said
    assert "nothing refunded yet" in said
    assert empty.summary()["remaining_seconds"] is None


def test_a_latency_is_in_the_first_class_that_holds_it():
    assert [class_of(ms) for ms in (0, 10, 11, 25_000, 25_001)] == [0, 0, 1, len(CLASSES_MS) - 1, len(CLASSES_MS)]
    assert len(labels()) == len(CLASSES_MS) + 1


def test_percentiles_are_the_upper_ends_of_classes():
    counts = [0] * (len(CLASSES_MS) + 1)
    assert percentile(counts, 0.5) is None
    counts[0], counts[3] = 95, 5
    assert (percentile(counts, 0.5), percentile(counts, 0.95), percentile(counts, 0.96)) == (10, 10, 40)
    counts[-1] = 1000
    assert percentile(counts, 0.99) == CLASSES_MS[-1]
