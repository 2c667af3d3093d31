"""A campaign file as records, whatever is in it."""

from pathlib import Path

import pytest

from worker.campaigns.columns import WrongFile
from worker.campaigns.read import Source

HEAD = b"order_id,amount,comment\n"


def read(tmp_path: Path, content: bytes, *, max_bytes: int = 200) -> tuple[Source, list[tuple[int, bytes, str]]]:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as stream:
        source = Source(stream, max_bytes=max_bytes)
        return source, [(record.line, record.raw, record.wrong) for record in source.records()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_delimiter_byte_order_mark_and_line_ends_are_told(tmp_path: Path, delimiter: str, bom: bytes, end: bytes):
    content = bom + end.join([delimiter.join(["order_id", "amount"]).encode(), delimiter.join(["1", "2.00"]).encode()])
    source, records = read(tmp_path, content + end)
    assert source.delimiter == delimiter
    assert source.columns is not None
    assert records == [(2, delimiter.join(["1", "2.00"]).encode(), "")]


def test_jsonl_is_told_by_its_first_line(tmp_path: Path):
    source, records = read(tmp_path, b'\xef\xbb\xbf\n{"order_id": 1}\n\n{"order_id": 2}')
    assert source.columns is None
    assert records == [(2, b'{"order_id": 1}', ""), (4, b'{"order_id": 2}', "")]


def test_a_line_that_names_the_delimiter_for_excel_is_passed_over(tmp_path: Path):
    source, records = read(tmp_path, b"sep=;\norder_id;amount\n1;2.00\n")
    assert (source.delimiter, [line for line, _, _ in records]) == (";", [3])


def test_a_quoted_cell_may_go_over_lines_and_hold_quotes(tmp_path: Path):
    _, records = read(tmp_path, HEAD + b'1,2,"a ""b""\nc, d\n"\n2,3,x\n')
    assert records == [(2, b'1,2,"a ""b""\nc, d\n"', ""), (5, b"2,3,x", "")]


def test_a_quote_in_the_middle_of_a_cell_is_a_character(tmp_path: Path):
    _, records = read(tmp_path, HEAD + b'1,2,5" pipe\n2,3,x\n')
    assert records == [(2, b'1,2,5" pipe', ""), (3, b"2,3,x", "")]


@pytest.mark.parametrize("after", [b"", b"2,3,x\n" * 3, b"2,3,x\n" * 300, b'2,3,"x"\n' * 3, b'2,3,"x\ny"\n'])
def test_a_quote_that_never_ends_spoils_its_own_line_only(tmp_path: Path, after: bytes):
    _, (first, *others) = read(tmp_path, HEAD + b'1,2,"never\n' + after, max_bytes=100_000)
    assert first == (2, b'1,2,"never', "a quoted cell of this line is never closed")
    assert all(not wrong for _, _, wrong in others)
    assert len(others) == len([line for line in after.splitlines() if b"2,3" in line])


def test_a_line_that_is_too_long_is_not_kept_and_the_next_one_is_read(tmp_path: Path):
    _, records = read(tmp_path, HEAD + b"1,2," + b"x" * 200_000 + b"\n2,3,y\n")
    assert "200004 bytes" in records[0][2]
    assert len(records[0][1]) <= 1000
    assert records[1] == (3, b"2,3,y", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b'[{"order_id": 1}]', "JSON list"),
        (HEAD.decode().encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\x1f\x8brest", "compressed"),
        (b"order_id\xff\n", "not UTF-8"),
        (b"order_id\rx\r\n", "control characters"),
        (b"x" * 1000 + b"\n", "1000 bytes"),
        (b"1,2,3\n", "fields of the job document"),
        (b'order_id,"amount\n1,2.00\n', "is a quote never closed"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(tmp_path: Path, content: bytes, words: str):
    with pytest.raises(WrongFile, match=words):
        read(tmp_path, content)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(HEAD + b"1,2,3\n")
    with path.open("rb") as stream:
        source = Source(stream, max_bytes=200)
        source.check_unchanged()
        path.write_bytes(HEAD + b"1,2,3\n2,3,4\n")
        with pytest.raises(WrongFile, match="changed"):
            source.check_unchanged()
