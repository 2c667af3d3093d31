"""What the client must know of a shop; any settings object with these attributes will do."""

from typing import Protocol


class Shop(Protocol):
    """What the client must know of a shop.

    Attributes:
        base_url: Its address without `/rest`.
        store_code: Store view of the REST address; "" leaves it out, `all` is the admin scope.
        request_timeout_seconds: Longest time for one request, from before the connection to the end of the answer.
        connect_timeout_seconds: Longest time to get a connection, free or new.
    """

    @property
    def base_url(self) -> str: ...  # noqa: D102 - documented above
    @property
    def store_code(self) -> str: ...  # noqa: D102 - documented above
    @property
    def request_timeout_seconds(self) -> float: ...  # noqa: D102 - documented above
    @property
    def connect_timeout_seconds(self) -> float: ...  # noqa: D102 - documented above
