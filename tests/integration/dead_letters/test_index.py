"""The promises of the index on a real Redis."""

import pytest

from tests.suites.dead_letters import IndexPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(IndexPromises):
    pass
