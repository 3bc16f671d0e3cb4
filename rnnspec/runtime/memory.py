"""The memory that a simulation without gradient needs, and the memory and disk space that are free.

Needs are estimates in bytes, from measurements of the torch target.  They are precise enough to refuse what
cannot fit.
"""

from __future__ import annotations

import os
import re
import shutil
from fractions import Fraction
from pathlib import Path

import torch

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import inputs_differ, targets_differ
from rnnspec.runtime.schedule import mean_steps

#: Bytes to draw the noise of one unit in one step: the words of the counter, then the numbers.
_NOISE = 64
#: Steps simulated at once without noise; with noise, large batches are simulated step by step.
_CHUNK = 64
#: Bytes of a cell of the table of trials, as a number and as text.
_CELL = 80
#: Copies of recorded arrays in memory at once: in pieces, joined, compressed; with drawn durations, also the
#: copies that are shifted from aligned steps to each sequence's own.
_COPIES, _COPIES_RAGGED = 3, 5


def working_memory(program: Program, bytes_per_number: int) -> int:
    """Return the bytes in use while one sequence of one network is simulated."""
    network = program.network
    step = bytes_per_number * (3 * network.units + 4 * network.output_units)
    return _CHUNK * step if network.noise.kind == "none" else step + _NOISE * network.units


def result_memory(program: Program, bytes_per_number: int) -> int:
    """Return the bytes of the results of one sequence of one network: sums, variables, lines of a table."""
    epochs = program.timeline.epochs
    sums = 4 * len({epoch.phase for epoch in epochs}) + 2
    variables = len(program.timeline.draws) + sum(len(epoch.reads) for epoch in epochs)
    return program.timeline.trials * (sums * bytes_per_number + _CELL * (variables + 4))


def recorded_memory(program: Program, networks: int, theta: Fraction, bytes_per_number: int) -> int:
    """Return the bytes of a number for each step in the recording of one sequence of an ensemble.

    These are rates, outputs, inputs, targets, weights of time points, and what is correct.
    """
    network = program.network
    numbers = networks * (network.units + network.output_units + 1)
    numbers += network.input_units * (networks if inputs_differ(program) else 1)
    numbers += (network.output_units + 1) * (networks if targets_differ(program) else 1)
    return mean_steps(program, theta) * numbers * bytes_per_number


def evaluation_memory(program: Program, networks: int, bytes_per_number: int) -> int:
    """Return the bytes per sequence of an evaluation, one network at a time."""
    results = networks * result_memory(program, bytes_per_number)
    return results + working_memory(program, bytes_per_number)


def recording_memory(program: Program, networks: int, theta: Fraction, bytes_per_number: int) -> int:
    """Return the bytes per sequence of a recorded simulation."""
    copies = _COPIES_RAGGED if program.timeline.ragged else _COPIES
    each = working_memory(program, bytes_per_number) + result_memory(program, bytes_per_number)
    return copies * recorded_memory(program, networks, theta, bytes_per_number) + networks * each


def require_memory(each: int, sequences: int, device: torch.device) -> None:
    """Raise RequestError, before any work, if `sequences` times `each` bytes do not fit into memory."""
    available = available_memory(device)
    if available is None or each * sequences <= available:
        return
    most = available // each
    raise RequestError(
        f"{sequences:,} sequences need about {size(each * sequences)} of memory, but "
        f"{size(available)} {'is' if device.type == 'cpu' else f'of {device} is'} free.",
        f"Ask for at most {rounded_down(most):,} sequences." if most else "Use a machine with more memory.",
    )


def require_room(folder: Path, needed: int) -> None:
    """Raise RequestError, before any work, if a file of `needed` bytes does not fit on the disk."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RequestError(
            f"The file may need {size(needed)}, but the disk of {folder.resolve()} has {size(free)} free.",
            "Ask for fewer sequences, or choose a folder on another disk.",
        )


def available_memory(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, None if the system does not report it."""
    if device.type == "cuda":
        # Memory that torch has reserved and does not use is free as well.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + idle
    try:
        found = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    except OSError:  # not Linux
        pass
    try:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None


def rounded_down(number: int) -> int:
    """Return a number rounded down to two significant digits, which is as precise as an estimate is."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return number // step * step


def size(number: float) -> str:
    """Return a number of bytes as text: `3.2 GB`."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor:
            return (
                f"{number / factor:,.0f} {unit}"
                if number >= 100 * factor
                else f"{number / factor:.2g} {unit}"
            )
    return f"{number:.0f} bytes"
