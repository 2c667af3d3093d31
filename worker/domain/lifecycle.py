"""States of a ledger entry and the legal moves between them: the table that the Lua moves are tested against."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job stands."""

    #: Accepted; a message with its key is on its way.
    QUEUED = "queued"
    #: Not now: comes back when its due time is reached (retry, held order lock, throttled shop).
    WAITING = "waiting"
    #: Over a money limit: waits until people approve or decline it. Nothing of it is at the shop.
    HELD = "held"
    #: A worker holds it under its lease; nothing was sent in this attempt.
    CLAIMED = "claimed"
    #: Written before the call: from here on the shop may have been reached.
    SENT = "sent"
    #: Sent, answer unknown: reconciled until it is known.
    IN_DOUBT = "in_doubt"
    #: Refunded or persisted; never changes again.
    SETTLED = "settled"
    #: A dead letter.
    DEAD = "dead"
    #: Its campaign was cancelled before anything of it was sent; nothing leaves this state.
    CANCELLED = "cancelled"


#: From each state, where it may go. Tested against every Lua move by the ledger's state machine.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.CLAIMED, State.WAITING, State.QUEUED, State.CANCELLED}),
    State.WAITING: frozenset({State.QUEUED, State.CLAIMED, State.CANCELLED}),
    State.HELD: frozenset({State.QUEUED, State.DEAD, State.CANCELLED}),
    State.CLAIMED: frozenset(
        {
            *(State.SENT, State.WAITING, State.QUEUED, State.HELD, State.SETTLED, State.DEAD, State.IN_DOUBT),
            State.CANCELLED,
        }
    ),
    State.SENT: frozenset({State.SETTLED, State.IN_DOUBT, State.WAITING, State.DEAD, State.SENT}),
    State.IN_DOUBT: frozenset(
        {State.SENT, State.SETTLED, State.IN_DOUBT, State.WAITING, State.DEAD, State.CANCELLED},
    ),
    State.SETTLED: frozenset(),
    State.DEAD: frozenset({State.QUEUED, State.SETTLED}),  # settled: people found its credit memo
    State.CANCELLED: frozenset(),
}

#: States in which the ledger may write a new entry: what it asks for is over a limit, or it is not; waiting in the
#: backlog of its campaign.
FIRST: Final = frozenset({State.QUEUED, State.HELD, State.WAITING})

#: States in which a job needs nothing more from us.
FINAL: Final = frozenset({State.SETTLED, State.DEAD, State.CANCELLED})

#: States that no worker changes: finished, or up to people.
AT_REST: Final = FINAL | {State.HELD}
