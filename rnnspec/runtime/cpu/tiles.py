"""How the arithmetic of a kernel is divided into vectors: measured once for each number of units.

No tile changes the order of any sum, so all of them give the same bits.  On an AVX2 processor, panels of 3
vectors are faster by 7 to 25 % than panels of 4, which do not fit into its 16 registers; processors with 32
registers differ.  Whether 16 lanes are faster than 8 depends on how the processor executes AVX-512.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from rnnspec.codegen.cpu.probe import emit_probe
from rnnspec.errors import RequestError
from rnnspec.files import to_json
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import library
from rnnspec.runtime.compiled.entries import BrokenEntryError, cache_folder, publish, read_entry
from rnnspec.runtime.compiled.toolchain import users_flags


@dataclass(frozen=True)
class Tile:
    """lanes: numbers in a vector.  rows: sequences at a time.  panel: vectors of a row at a time.

    needs: what the preprocessor must find true of the processor for this tile to be tried.
    """

    lanes: int
    rows: int
    panel: int
    needs: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the compiler that choose it."""
        return f"-DLANES={self.lanes}", f"-DROWS={self.rows}", f"-DPANEL={self.panel}"

    def __str__(self) -> str:
        return f"{self.rows} sequences x {self.panel} vectors of {self.lanes}"


TILES = (
    Tile(8, 4, 3),
    Tile(8, 4, 4),
    Tile(16, 4, 4, needs="defined(__AVX512F__)"),
    Tile(4, 4, 4, needs="!defined(__AVX__)"),
)
USUAL = TILES[0]
#: Units below which the choice makes no difference worth a search.
WORTH = 32
#: Seconds that a search takes, besides compiling.
_BUDGET = 0.1
_FILE = "tiles.json"


@dataclass(frozen=True)
class Search:
    """The fastest tile.  seconds: of a step with each tile that was tried."""

    tile: Tile
    seconds: Mapping[Tile, float]


@lru_cache(maxsize=64)
def fastest_tile(program: Program) -> Search:
    """Return the tile that this machine is fastest with, for networks as large as a program's."""
    if program.network.units < WORTH:
        return Search(USUAL, {})
    try:
        seconds = _search(emit_probe(program, [asdict(tile) for tile in TILES]))
    except (RequestError, OSError):
        # If the compiler is the cause, building the kernel reports it.
        return Search(USUAL, {})
    return Search(min(seconds, key=seconds.__getitem__), seconds)


def _search(source: str) -> dict[Tile, float]:
    """Return the seconds of each tile, from the cache or measured."""
    probe = library(source, users_flags())
    # A cache that cannot be read or written costs another search.
    with contextlib.suppress(OSError, BrokenEntryError):
        found = read_entry(cache_folder("tiles"), probe.fingerprint, (_FILE,))
        if found is not None:
            seconds = json.loads(found[_FILE])
            return {tile: seconds[str(tile)] for tile in TILES if str(tile) in seconds}
    measured = (ctypes.c_double * len(TILES))()
    ctypes.CDLL(str(probe.path)).rnnspec_probe(ctypes.c_double(_BUDGET), measured)
    tried = {tile: took for tile, took in zip(TILES, measured, strict=True) if took < float("inf")}
    with contextlib.suppress(OSError):
        text = to_json({str(tile): took for tile, took in tried.items()})
        publish(cache_folder("tiles"), probe.fingerprint, {_FILE: text.encode()})
    return tried
