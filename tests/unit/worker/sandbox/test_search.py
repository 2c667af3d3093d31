"""Searches as MySQL would answer them."""

from typing import Any

import pytest

from worker.sandbox.errors import ShopError
from worker.sandbox.query import php_query, trimmed
from worker.sandbox.search import Table, criteria_of, searched

ROWS: list[dict[str, Any]] = [
    {"id": 1, "note": "ref KEY-1;", "total": 10.5},
    {"id": 2, "note": "ref KEY-10;", "total": 3},
    {"id": 3, "note": None, "total": 7},
]
TABLE = Table(frozenset({"id", "note", "total"}), lambda row, key: row.get(key), lambda row: row)


def ids(query: str) -> list[int]:
    return [row["id"] for row in searched(ROWS, TABLE, criteria_of(php_query(query)))["items"]]


def one(field: str, value: str, condition: str) -> str:
    head = "searchCriteria[filter_groups][0][filters][0]"
    return f"{head}[field]={field}&{head}[value]={value}&{head}[condition_type]={condition}"


@pytest.mark.parametrize(
    ("field", "value", "condition", "wanted"),
    [
        pytest.param("note", "%25key-1;%25", "like", [1], id="like, without regard to case"),
        pytest.param("note", "ref KEY-1;", "eq", [1], id="eq"),
        pytest.param("note", "x", "neq", [1, 2], id="NULL never differs"),
        pytest.param("note", "", "null", [3], id="null"),
        pytest.param("id", "1,3", "in", [1, 3], id="in"),
        pytest.param("id", "1,3", "nin", [2], id="nin"),
        pytest.param("total", "7", "gteq", [1, 3], id="gteq"),
        pytest.param("id", "1", "bogus", [], id="an unknown condition finds nothing"),
    ],
)
def test_conditions(field: str, value: str, condition: str, wanted: list[int]) -> None:
    assert ids(one(field, value, condition)) == wanted


def test_sorting_and_paging() -> None:
    order = "&searchCriteria[sortOrders][0][field]=total&searchCriteria[sortOrders][0][direction]=desc"
    assert ids("searchCriteria[pageSize]=2&searchCriteria[currentPage]=1" + order) == [1, 3]
    assert ids("searchCriteria[pageSize]=2&searchCriteria[currentPage]=9" + order) == []


def test_groups_are_and_filters_in_one_are_or() -> None:
    head = "searchCriteria[filterGroups]"
    first = f"{head}[0][filters][0][field]=id&{head}[0][filters][0][value]=1"
    other = f"{head}[0][filters][1][field]=id&{head}[0][filters][1][value]=2"
    and_ = f"{head}[1][filters][0][field]=total&{head}[1][filters][0][value]=3"
    assert ids(f"{first}&{other}&{and_}") == [2]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param(one("bogus", "1", "eq"), 500, id="unknown column"),
        pytest.param("", 400, id="no criteria"),
        pytest.param(
            "searchCriteria[sortOrders][0][field]=id&searchCriteria[sortOrders][0][direction]=up", 400, id="up"
        ),
    ],
)
def test_refusals(query: str, status: int) -> None:
    with pytest.raises(ShopError) as caught:
        ids(query)
    assert caught.value.status == status


def test_fields_are_trimmed_at_every_depth() -> None:
    document = {"items": [{"a": 1, "b": {"c": 2, "d": 3}}], "total_count": 1, "search_criteria": {}}
    assert trimmed(document, "items[a,b[c]],total_count") == {"items": [{"a": 1, "b": {"c": 2}}], "total_count": 1}
