"""One whole stack for all acceptance tests: each takes an order of its own."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack

ORDERS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.start(tmp_path_factory.mktemp("stack"), orders=ORDERS, intake=True) as running:
        yield running


@pytest.fixture(scope="session")
def order_ids() -> Iterator[int]:
    """Orders that no other test has touched; the examples of the documentation take 1 to 3."""
    return iter(range(10, ORDERS + 1))


@pytest.fixture
def order_id(order_ids: Iterator[int]) -> int:
    return next(order_ids)


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def a_job(order_id: int, _numbers: Iterator[int]) -> Callable[..., dict[str, Any]]:
    """Makes jobs on an order of the test's own; a change to None takes the field out."""

    def make(**changes: object) -> dict[str, Any]:
        job = {"idempotency_key": f"job-{next(_numbers)}", "order_id": order_id, "amount": "1.25", **changes}
        return {name: value for name, value in job.items() if value is not None}

    return make
