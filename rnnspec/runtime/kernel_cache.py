"""A stand-in."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FLAGS = "-std=c++17 -O3 -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math -shared -fPIC -pthread -fvisibility=hidden".split()

@dataclass(frozen=True)
class Library:
    path: Path
    fingerprint: str
    cached: bool
    seconds: float
    note: str | None


def library(source: str, *, flags: Sequence[str] = (), facts: Mapping[str, str] = {}) -> Library:
    h = hashlib.sha256((source + str(flags)).encode()).hexdigest()
    f = Path(f"/tmp/w/k/cache/{h[:16]}.so")
    f.parent.mkdir(exist_ok=True)
    cached = f.exists()
    if not cached:
        f.with_suffix(".cpp").write_text(source)
        subprocess.run(["g++", *FLAGS, *flags, str(f.with_suffix(".cpp")), "-o", str(f)], check=True)
    return Library(f, h, cached, 0.0, None)
