"""Comments on credit memos: by their own route, and inside a memo that is sent whole."""

from typing import Any, Final

from worker.sandbox.documents import add_comment, is_blank
from worker.sandbox.errors import MEMO_NOT_SAVED, ShopError, refused
from worker.sandbox.store import Document, Store

_NEEDS: Final = {"parent_id": "Parent Creditmemo Id", "comment": "Comment"}


def save_comment(store: Store, given: Document) -> Document:
    """Store a comment on the memo that it names; the id in the URL is not used.

    Raises:
        ShopError: 400 for any reason.
    """
    memo = store.memos.get(given.get("parent_id") or 0)
    if memo is None or _faults(given):
        raise could_not_save(refused("Could not save the creditmemo comment."))
    return _without_date(add_comment(memo, store, given))


def could_not_save(error: ShopError) -> ShopError:
    """Add the header that Magento sends along when a repository cannot save (contract 3.8)."""
    error.headers = {"errorRedirectAction": "#shipping"}
    return error


def check_comments(store: Store, given: Document) -> None:
    """A comment inside a memo has no parent yet, so it is refused; one that names another memo lands there."""
    for comment in given.get("comments") or []:
        faults = _faults(comment)
        if faults:
            raise refused("Cannot save comment:\n" + "\n".join(faults))
        if comment["parent_id"] not in store.memos:
            raise refused(MEMO_NOT_SAVED)


def add_comments(store: Store, comments: list[Document]) -> list[Document]:
    """Store comments on the memos that they name.

    Returns:
        The comments as the call that brought them answers.
    """
    return [_without_date(add_comment(store.memos[given["parent_id"]], store, given)) for given in comments]


def _without_date(comment: Document) -> Document:
    """Give a comment as the call that stores it answers: the database adds the date."""
    return {key: value for key, value in comment.items() if key != "created_at"}


def _faults(comment: dict[str, Any]) -> list[str]:
    faults = []
    for key, label in _NEEDS.items():
        if comment.get(key) is None:
            faults.append(f'"{label}" is required. Enter and try again.')
        elif is_blank(comment[key]):
            faults.append(f"{label} can not be empty")
    return faults
