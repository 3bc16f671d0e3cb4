"""Tests of the engine use the usual tile: all tiles give the same bits, and a search takes seconds."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _no_search_for_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnspec.runtime.cpu.tiles.WORTH", sys.maxsize)
