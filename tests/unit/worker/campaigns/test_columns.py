"""What the cells of a campaign file mean, and what is only suggested."""

import pytest

from worker.campaigns.columns import Columns, WrongFile
from worker.domain.problems import InvalidJob


def document(header: str, row: str) -> dict[str, object]:
    return Columns.of(header.split("/")).document(row.split("/"))


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("order_id/amount", "12/3.50", {"order_id": 12, "amount": "3.50"}),
        ("order_number", " 000000012 ", {"order_number": "000000012"}),
        ("order_id/comment", "12/", {"order_id": 12}),
        ("items", "24-MB01:1; 24-MB02:2", {"items": [{"sku": "24-MB01", "qty": "1"}, {"sku": "24-MB02", "qty": "2"}]}),
        ("items", "17:1|18:0.5", {"items": [{"order_item_id": 17, "qty": "1"}, {"order_item_id": 18, "qty": "0.5"}]}),
        ("items", "sku=17:1,a:b:2", {"items": [{"sku": "17", "qty": "1"}, {"sku": "a:b", "qty": "2"}]}),
        ("full/online/notify", "TRUE/yes/0", {"full": True, "online": True, "notify": False}),
        ("return_to_stock", "true", {"return_to_stock": True}),
        ("return_to_stock", "17; 18", {"return_to_stock": [17, 18]}),
        ("metadata.ticket/metadata", 'T-1/{"n": 2}', {"metadata": {"ticket": "T-1", "n": 2}}),
        ("order_id/", "12/", {"order_id": 12}),
    ],
    ids=[
        *("numbers", "zeros stay", "empty says nothing", "skus", "ids", "sku of digits", "truth", "all", "some"),
        *("metadata", "column of nothing"),
    ],
)
def test_a_row_becomes_a_document(header: str, row: str, expected: dict[str, object]):
    assert document(header, row) == expected


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("order_id", "1e9", "order_id must be a whole number"),
        ("order_id", "12.0", "order_id must be a whole number"),
        ("full", "maybe", "full must be true or false"),
        ("items", "24-MB01", "write sku:qty"),
        ("items", ":2", "write sku:qty"),
        ("comment", '=HYPERLINK("x")', "comment is a spreadsheet formula"),
        ("metadata", "{", "metadata must be a JSON object"),
        ("order_id", "1/2/3", "the line has 3 cells, and the header names 1"),
        ("order_id/", "1/x", "stands in a column without a name"),
        ("return_to_stock", "17;x", "return_to_stock must be true"),
    ],
)
def test_a_cell_that_means_nothing_is_told(header: str, row: str, words: str):
    with pytest.raises(InvalidJob, match=words):
        document(header, row)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("order", "order_number"), ("Order #", "order_number"), ("order id", "order_id"), ("Amount", "amount")),
        *(
            ("sku", "items"),
            ("qty", "items"),
            ("amonut", "amount"),
            ("refund amount", "amount"),
            ("KEY", "idempotency_key"),
        ),
        *(("zzz", "metadata.<name>"), ("expected total", "expected_total")),
    ],
)
def test_a_wrong_name_is_never_guessed_but_what_may_be_meant_is_suggested(name: str, meant: str):
    with pytest.raises(WrongFile, match=f"(?s){name}.*{meant}"):
        Columns.of([name])


def test_a_header_of_ten_thousand_names_is_told_in_a_few():
    with pytest.raises(WrongFile) as error:
        Columns.of([f"column {number}" for number in range(10_000)])
    assert "9995 more" in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("header", [["order_id", "order_id"], ["", " "]])
def test_a_header_that_cannot_be_meant_is_refused(header: list[str]):
    with pytest.raises(WrongFile):
        Columns.of(header)
