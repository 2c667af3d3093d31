"""The storm of `make chaos`, short: real processes killed at random and at every named point."""

from pathlib import Path
from typing import Literal

import pytest

from tests.chaos.harness import Plan, run_storm

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("auth", "seed"), [("oauth1", 1), ("bearer", 2)])
async def test_a_storm_loses_nothing_and_doubles_nothing(tmp_path: Path, auth: Literal["oauth1", "bearer"], seed: int):
    plan = Plan(jobs=800, kills=24, seed=seed, auth=auth, workers=3, lease_seconds=4, quiet_seconds=60)
    report = await run_storm(plan, folder=tmp_path)
    again = f"{report.markdown()}\nrun it again with: {plan.command()}"
    assert not report.problems, f"{report.problems}\n{again}"
    assert report.kills >= 10, again
    assert report.recovery, again
    assert max(report.recovery) < 15, again
