"""The tree in the docstring is the tree of the classes."""

import re

from worker.domain import errors
from worker.domain.errors import RefundError


def drawn() -> dict[str, str]:
    """Read (class, parent) out of the drawing."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│ ├└─]*)(\w+)(  |$)", line)
        if found and (found[1] or found[2] == "RefundError"):
            depth = len(found[1]) // 3
            path[depth:] = [found[2]]
            if depth:
                parents[found[2]] = path[depth - 1]
    return parents


def real(parent: type[RefundError] = RefundError) -> dict[str, str]:
    found: dict[str, str] = {}
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            found |= {child.__name__: parent.__name__, **real(child)}
    return found


def test_the_drawing_shows_every_class_under_its_parent():
    assert drawn() == real()


def test_every_error_carries_its_reason_and_words():
    error = errors.Throttled("wait", reason="maintenance", retry_after_seconds=5)

    assert (error.reason, error.message, error.retry_after_seconds) == ("maintenance", "wait", 5)
    assert str(error) == "maintenance: wait"
