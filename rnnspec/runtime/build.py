"""The build folder: the files that a spec compiles to.

spec.yaml       the resolved document
program.txt     the program, as text
...             a source for each target that generates one
manifest.json   the SHA-256 of each file
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.files import sha256, to_json, write_file
from rnnspec.program.printer import print_program
from rnnspec.runtime.targets import SOURCES
from rnnspec.spec.document import LANGUAGE_VERSION

FORMAT = 1
MANIFEST = "manifest.json"


def write_build(
    specification: Specification, folder: Path, more: Mapping[str, bytes] | None = None
) -> tuple[str, ...]:
    """Write the build folder of a spec and return the names of its files.

    more: compiled files by name, for instance kernels for a GPU.

    The same spec gives the same bytes: the files contain no dates and no paths, and only the version of the
    language.  Raises RequestError if the folder has a file of one of these names that no build wrote, or that
    was changed since.
    """
    texts = {
        "spec.yaml": specification.text,
        "program.txt": print_program(specification.program),
        **{source.file: source.emit(specification.program) for source in SOURCES},
    }
    files = {name: text.encode() for name, text in texts.items()} | dict(more or {})
    manifest = {
        "format": FORMAT,
        "language": LANGUAGE_VERSION,
        "name": specification.program.name,
        "sha256": {name: sha256(content) for name, content in files.items()},
    }
    files[MANIFEST] = f"{to_json(manifest, indent=2)}\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    _check_replaceable(folder, tuple(files))
    for name, content in files.items():
        write_file(folder / name, content)
    return tuple(files)


def _check_replaceable(folder: Path, names: tuple[str, ...]) -> None:
    """Raise RequestError if a file was not written by a build, or was changed since."""
    built: object = None
    # If the manifest is missing or unreadable, there is no build here.
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        built = json.loads((folder / MANIFEST).read_bytes())["sha256"]
    known = built if isinstance(built, dict) else {}
    for name in names:
        path = folder / name
        if not path.exists() or (name == MANIFEST and known):
            continue
        if not path.is_file() or known.get(name) != sha256(path.read_bytes()):
            raise RequestError(
                f"{path} was not written by a build, or was changed since; compiling would overwrite it.",
                "Choose another folder with -o, or move that file away.",
            )
