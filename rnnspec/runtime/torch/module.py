"""The generated torch module, loaded."""

from __future__ import annotations

import hashlib
import linecache
import warnings
from functools import lru_cache
from types import ModuleType

import torch


def load(source: str, script: bool = False) -> ModuleType:
    """Execute a generated module; each source is executed once and then cached."""
    return _load(source, script)


@lru_cache(maxsize=64)
def _load(source: str, script: bool) -> ModuleType:
    name = f"rnnspec_graph_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    file = f"<{name}>"
    # Tracebacks and TorchScript read the lines of the source from this cache.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType(name)
    module.__file__ = file
    exec(compile(source, file, "exec"), module.__dict__)
    if script:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            module.chunk = torch.jit.script(module.chunk)  # type: ignore[attr-defined]
    return module
