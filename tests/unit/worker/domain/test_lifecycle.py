"""The table of states and moves."""

from worker.domain.lifecycle import FINAL, MOVES, State


def test_every_state_has_its_moves():
    assert set(MOVES) == set(State)


def test_nothing_leaves_settled_and_a_dead_letter_is_queued_again_or_settled_by_people():
    assert MOVES[State.SETTLED] == frozenset()
    assert MOVES[State.DEAD] == {State.QUEUED, State.SETTLED}
    assert MOVES[State.CANCELLED] == frozenset()
    assert frozenset({State.SETTLED, State.DEAD, State.CANCELLED}) == FINAL


def test_every_open_state_can_come_to_an_end():
    for state in set(State) - FINAL:
        reached, new = {state}, {state}
        while new:
            new = {after for before in new for after in MOVES[before]} - reached
            reached |= new
        assert State.SETTLED in reached, state
        assert State.DEAD in reached, state


def test_what_may_have_been_sent_is_never_queued_as_if_nothing_had_happened():
    assert State.QUEUED not in MOVES[State.SENT] | MOVES[State.IN_DOUBT]
    assert State.CLAIMED not in MOVES[State.SENT] | MOVES[State.IN_DOUBT]
