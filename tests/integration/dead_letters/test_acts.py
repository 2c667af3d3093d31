"""The acts on letters on a real Redis."""

import pytest

from tests.suites.letter_acts import LetterActPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(LetterActPromises):
    pass
