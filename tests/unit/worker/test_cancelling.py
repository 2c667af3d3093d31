import asyncio
import contextlib
import signal

import pytest

from worker.cancelling import cancel_surely, run_until_done


async def _swallow_one_cancellation() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    await asyncio.sleep(30)


def test_one_ctrl_c_is_enough_where_a_library_swallows_the_cancellation():
    async def work() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await _swallow_one_cancellation()

    with pytest.raises(KeyboardInterrupt):
        run_until_done(work())


def test_what_a_command_gives_back_after_ctrl_c_is_kept():
    async def work() -> str:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        return "tidied up"

    assert run_until_done(work()) == "tidied up"


def test_answers_and_errors_pass_through():
    async def answer() -> int:
        return 3

    async def fail() -> None:
        raise LookupError("gone")

    assert run_until_done(answer()) == 3
    with pytest.raises(LookupError, match="gone"):
        run_until_done(fail())


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    task = asyncio.create_task(_swallow_one_cancellation())
    await asyncio.sleep(0)
    await cancel_surely(task)
    assert task.cancelled()
