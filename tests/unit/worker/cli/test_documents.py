import io
import json

import pytest

from worker.cli.documents import documents

JOB = {"idempotency_key": "a", "order_id": 1, "items": [{"sku": "x", "qty": 1}, {"sku": "y", "qty": 2}]}


def read(raw: bytes, max_bytes: int = 1000) -> list[tuple[int, bytes, int]]:
    found = documents(io.BytesIO(raw), max_bytes=max_bytes)
    return [(one.line, one.raw, one.size) for one in found]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_document_may_stand_on_one_line_or_on_many(indent: int | None):
    ((line, raw, _),) = read(json.dumps(JOB, indent=indent).encode())
    assert (line, json.loads(raw)) == (1, JOB)


def test_a_document_a_line_is_jsonl_and_blank_lines_count_as_lines_only():
    found = read(b'{"a": 1}\n\n  \r\n{"b": 2}\r\n')
    assert [(line, raw) for line, raw, _ in found] == [(1, b'{"a": 1}'), (4, b'{"b": 2}')]


def test_a_broken_first_line_does_not_swallow_the_lines_after_it():
    assert [raw for _, raw, _ in read(b'{"a": }\n{"b": 2}')] == [b'{"a": }', b'{"b": 2}']


def test_garbage_is_one_document_a_line():
    assert [raw for _, raw, _ in read(b"hello\nworld")] == [b"hello", b"world"]


def test_a_byte_order_mark_is_passed_over():
    assert [raw for _, raw, _ in read(b'\xef\xbb\xbf{"a": 1}')] == [b'{"a": 1}']


def test_a_line_that_is_too_long_is_counted_and_not_kept():
    assert read(b"x" * 5000 + b'\n{"b": 2}\n', max_bytes=100) == [(1, b"", 5000), (2, b'{"b": 2}', 8)]


def test_a_document_of_many_lines_that_is_too_long_is_counted_and_not_kept():
    ((_, raw, size),) = read(b"{\n" + b" " * 300_000 + b"}", max_bytes=100)
    assert size > 100
    assert len(raw) <= 100


def test_nothing_gives_nothing():
    assert read(b"\n \n") == []
