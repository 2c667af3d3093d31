import datetime as dt
from decimal import Decimal

import pytest

from worker.cli.dead_filters import filter_of
from worker.cli.failure import Failure

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-25", dt.datetime(2026, 11, 25, tzinfo=dt.UTC)),
        ("2026-11-25 13:30:00", dt.datetime(2026, 11, 25, 13, 30, tzinfo=dt.UTC)),
        ("2026-11-25T13:30:00+01:00", dt.datetime(2026, 11, 25, 12, 30, tzinfo=dt.UTC)),
        ("90m", dt.datetime(2026, 11, 25, 10, 30, tzinfo=dt.UTC)),
        ("3d", dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)),
    ],
)
def test_a_time_is_given_as_a_date_or_as_how_long_ago(text: str, moment: dt.datetime):
    assert filter_of(since=text, now=NOW).since_ms == moment.timestamp() * 1000


def test_amounts_are_amounts_of_the_job_document():
    assert filter_of(min_amount="12.5").min_amount == Decimal("12.50")


@pytest.mark.parametrize(
    "options",
    [{"since": "yesterday"}, {"min_amount": "12,50"}, {"verdicts": ["lost"]}],
    ids=["time", "amount", "verdict"],
)
def test_what_cannot_be_read_is_named(options: dict[str, object]):
    with pytest.raises(Failure, match=f"--{min(options).rstrip('s').replace('_', '-')} "):
        filter_of(**options)  # type: ignore[arg-type]
