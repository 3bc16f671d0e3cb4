"""The build folder: what a spec compiles to, as files.

spec.yaml       the resolved document
program.txt     what it means
graph.py        the torch module, which needs nothing but torch
manifest.json   the hashes of the files
"""

from __future__ import annotations

from pathlib import Path

from rnnspec.check.examine import Specification
from rnnspec.codegen.torch import emit
from rnnspec.program.printer import print_program
from rnnspec.runtime.targets import Target
from rnnspec.spec.document import LANGUAGE_VERSION
from rnnspec.training.files import sha256, to_json, write_file

FORMAT = 1


def write_build(specification: Specification, folder: Path, target: Target) -> tuple[str, ...]:
    """Write the build folder of a spec and return the names of its files.

    The same spec gives the same bytes: there are no dates, no paths and no version but the language's.
    """
    files = {
        "spec.yaml": specification.text,
        "program.txt": print_program(specification.program),
        "graph.py": emit(specification.program),
    }
    manifest = {
        "format": FORMAT,
        "language": LANGUAGE_VERSION,
        "name": specification.program.name,
        "target": target,
        "sha256": {name: sha256(text.encode()) for name, text in files.items()},
    }
    files["manifest.json"] = f"{to_json(manifest, indent=2)}\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_file(folder / name, text.encode())
    return tuple(files)
