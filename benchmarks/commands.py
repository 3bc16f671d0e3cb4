"""Time the commands that should be quick, from start to end, imports included.

    python benchmarks/commands.py --repeats 5

Prints the minimum and the median of the processor time of each command, in seconds.  On an idle machine, more
than 0.6 s for one spec, 1.5 s for all of specs/ or 0.1 s for the import is too much.  The most likely cause
is an import that is not needed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "python -c 'import rnnspec'": ["-c", "import rnnspec"],
    "rnnspec validate specs/go.yaml": ["-m", "rnnspec", "validate", "specs/go.yaml"],
    "rnnspec validate specs/": ["-m", "rnnspec", "validate", "specs"],
    "rnnspec rule RS204": ["-m", "rnnspec", "rule", "RS204"],
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args(words).repeats
    for name, arguments in COMMANDS.items():
        seconds = [processor_seconds(arguments) for _ in range(repeats)]
        print(f"{name:<32} {min(seconds):6.2f} s  median {statistics.median(seconds):6.2f} s")


def processor_seconds(arguments: Sequence[str]) -> float:
    """Return the processor time of a Python process, in user mode and in the system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
