"""Queries of Magento's search routes, spelled exactly as they go over the wire."""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

#: The conditions that we use. Magento answers a misspelt one with an empty list (contract 5), which would read as
#: "no credit memo", so no other text can get here.
Condition = Literal["eq", "gt", "gteq", "in"]
#: (field, condition, value); all of them must hold.
Filter = tuple[str, Condition, str]


def search_query(filters: Sequence[Filter], *, page_size: int, page: int) -> str:
    """Give the query string of a search, oldest entity first.

    Everything but letters, digits and `-._~` is percent-encoded: the OAuth signature covers these very characters.

    Args:
        filters: Conditions that must all hold.
        page_size: Most entities in one answer.
        page: Page to read, counted from 1.
    """
    pairs: list[tuple[str, str]] = []
    for group, (field, condition, value) in enumerate(filters):
        name = f"searchCriteria[filter_groups][{group}][filters][0]"
        pairs += [(f"{name}[field]", field), (f"{name}[value]", value), (f"{name}[condition_type]", condition)]
    pairs += [
        ("searchCriteria[sortOrders][0][field]", "entity_id"),
        ("searchCriteria[sortOrders][0][direction]", "ASC"),
        ("searchCriteria[pageSize]", str(page_size)),
        ("searchCriteria[currentPage]", str(page)),
    ]
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
