"""Faults are read strictly and drawn at the rates that were asked for."""

import random

import pytest

from worker.sandbox.faults import Faults


def test_reads_the_text_of_the_option() -> None:
    faults = Faults.parse("drop_after=0.1, throttle=0.05,delay_seconds=0.2,reads=1")
    assert (faults.drop_after, faults.throttle, faults.delay_seconds, faults.reads) == (0.1, 0.05, 0.2, True)
    assert Faults.parse("") == Faults()


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        pytest.param("dorp=1", 'unknown fault "dorp"; known are: decline, delay', id="unknown"),
        pytest.param("throttle=often", "throttle=often", id="no number"),
        pytest.param("throttle=2", "throttle=2", id="out of range"),
        pytest.param("throttle", "name=number", id="no value"),
        pytest.param("throttle=0.6,drop_after=0.6", "add up to 1.2", id="too many"),
    ],
)
def test_says_what_is_wrong(spec: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        Faults.parse(spec)


def test_draws_at_the_rates() -> None:
    faults, source = Faults(drop_after=0.3, throttle=0.2), random.Random(1)  # noqa: S311 - faults, not secrets
    drawn = [faults.drawn(source) for _ in range(10_000)]
    assert drawn.count("drop_after") == pytest.approx(3000, abs=150)
    assert drawn.count("throttle") == pytest.approx(2000, abs=150)
    assert drawn.count(None) == pytest.approx(5000, abs=150)
