"""Wait until jobs need nothing more from workers, for `--wait` and the demo."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from worker.domain.lifecycle import AT_REST, State
from worker.ledger.ledger import Ledger

#: How often the states are read, in seconds.
_EVERY_SECONDS: Final = 0.2
#: Keys whose state is read in one round trip.
_AT_ONCE: Final = 1000


async def states_of(ledger: Ledger, keys: Sequence[str]) -> dict[str, State]:
    """Read where jobs stand; unknown keys are left out."""
    found: dict[str, State] = {}
    for start in range(0, len(keys), _AT_ONCE):
        found |= await ledger.states(keys[start : start + _AT_ONCE])
    return found


async def wait_for(
    ledger: Ledger, keys: Sequence[str], *, seconds: float, progress: Callable[[int], None] = lambda _done: None
) -> dict[str, State]:
    """Wait until jobs are settled, dead or held for approval, but not for ever.

    Args:
        keys: Their idempotency keys.
        seconds: After this the states are given as they are.
        progress: Told how many are finished.

    Returns:
        The state of each key.
    """
    deadline = time.monotonic() + seconds
    finished: dict[str, State] = {}
    waiting = list(dict.fromkeys(keys))
    while True:
        states = await states_of(ledger, waiting)
        finished |= {key: state for key, state in states.items() if state in AT_REST}
        waiting = [key for key in waiting if key not in finished]
        progress(len(finished))
        if not waiting or time.monotonic() > deadline:
            return finished | {key: states[key] for key in waiting if key in states}
        await asyncio.sleep(_EVERY_SECONDS)
