"""How the arithmetic of a kernel is cut into vectors: measured once on each machine, and remembered.

No tile changes the order of any sum, so all of them give the same bits.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
from dataclasses import asdict, dataclass
from functools import lru_cache

from rnnspec.codegen.cpu.kernel import emit_probe
from rnnspec.errors import RequestError
from rnnspec.files import to_json
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library, library
from rnnspec.runtime.compiled.entries import BrokenEntryError, cache_folder, publish, read_entry
from rnnspec.runtime.compiled.toolchain import users_flags


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
_FILE = "tiles.json"
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
        probe = library(
            emit_probe(program, [asdict(tile) for tile in TILES]), flags=("-O2", *users_flags()), facts={}
        )
        seconds = _remembered(probe.fingerprint) or _measured(probe)
    except (RequestError, OSError):
        # What is wrong with the compiler, or with what it makes, the kernel itself will tell.
        return Search(USUAL, ())
    return Search(TILES[seconds.index(min(seconds))], seconds)


def _measured(probe: Library) -> tuple[float, ...]:
    found = (ctypes.c_double * len(TILES))()
    ctypes.CDLL(str(probe.path)).rnnspec_probe(_ROUNDS, found)
    seconds = tuple(found)
    _remember(probe.fingerprint, seconds)
    return seconds


def _remembered(name: str) -> tuple[float, ...] | None:
    """Return what was measured before; what makes no sense was not."""
    with contextlib.suppress(OSError, BrokenEntryError, ValueError, TypeError, KeyError, RecursionError):
        files = read_entry(cache_folder("tiles"), name, (_FILE,))
        if files is not None:
            found = json.loads(files[_FILE])
            seconds = tuple(float(value) for value in found["seconds"])
            if len(seconds) == len(TILES):
                return seconds
    return None


def _remember(name: str, seconds: tuple[float, ...]) -> None:
    # A cache that cannot be written costs the search again.
    with contextlib.suppress(OSError):
        text = to_json({"tiles": [str(tile) for tile in TILES], "seconds": seconds})
        publish(cache_folder("tiles"), name, {_FILE: text.encode()})
