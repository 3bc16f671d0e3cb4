"""The headers that all kernels include, compiled once for a session of tests: a third of the work."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.runtime.compiled.toolchain import FLAGS, NATIVE, find_compiler

TEMPLATES = Path(__file__).parents[1] / "templates" / "cpu"


def start_precompiling(folder: Path, flags: str) -> tuple[str, subprocess.Popen[bytes] | None]:
    """Return the flags that include the headers, and the process that compiles them, None if nothing does.

    Until it is done, and for a compiler that cannot read what it makes, the flags include the plain headers.
    """
    texts = (path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.j2")))
    names = dict.fromkeys(name for text in texts for name in re.findall(r"^#include <(.*)>", text, re.M))
    header = folder / "headers.hpp"
    lines = (f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n" for name in names)
    header.write_text("".join(lines), encoding="utf-8")
    try:
        compiler = find_compiler()
    except RequestError:
        return flags, None
    unfinished, finished = f"{header}.unfinished", f"{header}.gch"
    words = [*compiler.command, *FLAGS, NATIVE, *shlex.split(flags), "-x", "c++-header", str(header)]
    work = f"{shlex.join([*words, '-o', unfinished])} && mv {unfinished} {finished}"
    process = subprocess.Popen(["sh", "-c", work], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f"{flags} -include {shlex.quote(str(header))}", process
