"""Who hears a signal."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from rnnspec.training.interruption import Interruption, Stopped, listening


def test_one_listens_within_another() -> None:
    """A command listens while it trains and until its last words; a training in a thread is not reached."""
    others: list[Interruption] = []

    def elsewhere() -> None:
        with listening() as found:
            others.append(found)

    with listening() as outer:
        with listening(["USR2"]) as inner:
            assert inner is outer
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert others[0] is not outer
        # Still: the inner one has not given the signals back.
        outer.patient = True
        os.kill(os.getpid(), signal.SIGUSR1)
        assert outer.signal == "SIGUSR1"
    with listening() as again:
        assert again is not outer


def test_a_signal_is_not_forgotten() -> None:
    """It may come just before what is not worth waiting for, or be lost in an import."""
    with listening() as interruption:
        interruption.patient = True
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped), interruption.impatient():
            pytest.fail("it was begun all the same")
    with listening() as interruption:
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            interruption.begin()


def test_what_is_not_worth_waiting_for() -> None:
    with listening() as interruption:
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        assert (interruption.status, interruption.signal) == ("terminated", "SIGTERM")
    with listening() as interruption:
        interruption.patient = True
        with pytest.raises(Stopped), interruption.impatient():
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.patient
