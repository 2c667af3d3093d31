"""A document that is kept as a dead letter is kept as it came."""

import pytest

from worker.intake.accept import raw_bytes


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        (b"\xff\x00", b"\xff\x00"),
        ('{"qty": "½"}', '{"qty": "½"}'.encode()),
        ("x\ud800", b"x\xed\xa0\x80"),
        ({"key": "x\ud800"}, b'{"key": "x\\ud800"}'),
    ],
    ids=["bytes", "text", "half a character", "decoded"],
)
def test_raw_bytes_are_given_of_whatever_came(document: object, kept: bytes):
    assert raw_bytes(document) == kept
