"""How the arithmetic of a kernel is cut into vectors: measured once on each machine, and remembered.

No tile changes the order of any sum, so all of them give the same bits.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import tempfile
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache

from rnnspec.codegen.cpu import emit_probe
from rnnspec.program.nodes import Program
from rnnspec.runtime.errors import RequestError
from rnnspec.runtime.kernel_cache import cache_folder, library


@dataclass(frozen=True)
class Tile:
    """lanes: numbers in a vector.  rows: sequences at a time.  panel: vectors of units at a time."""

    lanes: int
    rows: int
    panel: int

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the compiler that choose it."""
        return f"-DLANES={self.lanes}", f"-DROWS={self.rows}", f"-DPANEL={self.panel}"

    def __str__(self) -> str:
        return f"{self.rows} sequences x {self.panel} vectors of {self.lanes}"


TILES = (Tile(8, 4, 4), Tile(8, 4, 3), Tile(16, 4, 4), Tile(4, 4, 4))
USUAL = TILES[0]
#: Units below which no tile is worth a search.
WORTH = 32
#: How often each is tried; a millisecond or so each time.
_ROUNDS = 60


@dataclass(frozen=True)
class Search:
    """The fastest tile.  seconds: what each of TILES took for the same work, empty if it was not tried."""

    tile: Tile
    seconds: tuple[float, ...]


@lru_cache(maxsize=64)
def fastest_tile(program: Program) -> Search:
    """Return the tile that this machine is fastest with, for networks as large as a program's."""
    if program.network.units < WORTH:
        return Search(USUAL, ())
    try:
        probe = library(emit_probe(program, [asdict(tile) for tile in TILES]), options=("-O2",))
    except RequestError:
        return Search(USUAL, ())
    place = cache_folder() / f"tiles-{probe.fingerprint[:32]}.json"
    seconds = _remembered(place)
    if seconds is None:
        found = (ctypes.c_double * len(TILES))()
        ctypes.CDLL(str(probe.path)).rnnspec_probe(_ROUNDS, found)
        seconds = tuple(found)
        _remember(place, seconds)
    return Search(TILES[seconds.index(min(seconds))], seconds)


def _remembered(place: os.PathLike[str]) -> tuple[float, ...] | None:
    """Return what was measured before; a file that makes no sense is not there."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        with open(place, "rb") as file:
            found = json.load(file)
        seconds = tuple(float(value) for value in found["seconds"])
        if found["tiles"] == [list(astuple(tile)) for tile in TILES] and len(seconds) == len(TILES):
            return seconds
    return None


def _remember(place: os.PathLike[str], seconds: tuple[float, ...]) -> None:
    # A cache that cannot be written costs the search again.
    with contextlib.suppress(OSError):
        number, name = tempfile.mkstemp(dir=cache_folder(), prefix="building-")
        with open(number, "w") as file:
            json.dump({"tiles": [astuple(tile) for tile in TILES], "seconds": seconds}, file)
        os.replace(name, place)
