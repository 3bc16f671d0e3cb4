"""What a simulation without gradient needs of memory, and what the machine has left.

All needs are estimates in bytes, measured on the torch target: they tell what fits from what never will.
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
from rnnspec.runtime.batch import inputs_differ
from rnnspec.runtime.schedule import mean_steps

#: To draw the noise of one unit in one step: the words of the counter, then the numbers.
_NOISE = 64
#: Steps at a time without noise; with noise, large batches are simulated step by step.
_CHUNK = 64
#: A cell of the table of trials, as a number and as text.
_CELL = 80
#: How often recorded arrays are held: in pieces, joined, packed; with drawn durations, moved as well.
_COPIES, _COPIES_RAGGED = 3, 5


def working_memory(program: Program, bytes_per_number: int) -> int:
    """Return what simulating one sequence of one network takes meanwhile."""
    network = program.network
    step = bytes_per_number * (3 * network.units + 4 * network.output_units)
    return _CHUNK * step if network.noise.kind == "none" else step + _NOISE * network.units


def result_memory(program: Program, bytes_per_number: int) -> int:
    """Return what is kept of one sequence of one network: sums, variables, lines in a table."""
    epochs = program.timeline.epochs
    sums = 4 * len({epoch.phase for epoch in epochs}) + 2
    variables = len(program.timeline.draws) + sum(len(epoch.reads) for epoch in epochs)
    return program.timeline.trials * (sums * bytes_per_number + _CELL * (variables + 4))


def recorded_memory(program: Program, networks: int, theta: Fraction, bytes_per_number: int) -> int:
    """Return the size of the activity, outputs and inputs of one sequence of an ensemble."""
    network = program.network
    numbers = networks * (network.units + network.output_units)
    numbers += network.input_units * (networks if inputs_differ(program) else 1)
    return mean_steps(program, theta) * numbers * bytes_per_number


def evaluation_memory(program: Program, networks: int, bytes_per_number: int) -> int:
    """Return what evaluating takes for each sequence, network by network if need be."""
    kept = networks * result_memory(program, bytes_per_number)
    return kept + working_memory(program, bytes_per_number)


def recording_memory(program: Program, networks: int, theta: Fraction, bytes_per_number: int) -> int:
    """Return what recording takes for each sequence."""
    copies = _COPIES_RAGGED if program.timeline.ragged else _COPIES
    each = working_memory(program, bytes_per_number) + result_memory(program, bytes_per_number)
    return copies * recorded_memory(program, networks, theta, bytes_per_number) + networks * each


def require_memory(each: int, sequences: int, device: torch.device) -> None:
    """Raise RequestError if so many sequences of `each` bytes cannot fit, before any work is done."""
    available = available_memory(device)
    if available is None or each * sequences <= available:
        return
    most = available // each
    raise RequestError(
        f"{sequences:,} sequences would take about {size(each * sequences)} of memory, and "
        f"{size(available)} {'is' if device.type == 'cpu' else f'of {device} is'} free.",
        f"Ask for at most {rounded_down(most):,} sequences." if most else "Use a machine with more memory.",
    )


def require_room(folder: Path, needed: int) -> None:
    """Raise RequestError if a file of so many bytes cannot be written, before any work is done."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RequestError(
            f"The file may take {size(needed)}, and the disk of {folder.resolve()} has {size(free)} left.",
            "Ask for fewer sequences, or choose a folder on another disk.",
        )


def available_memory(device: torch.device) -> int | None:
    """Return the bytes that can still be had on a device, None if the system does not tell."""
    if device.type == "cuda":
        # What torch has set aside and does not use is free as well.
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
    """Return a number with two digits and zeros: what an estimate is worth."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return number // step * step


def size(number: float) -> str:
    """Return bytes in words: `3.2 GB`."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor:
            return (
                f"{number / factor:,.0f} {unit}"
                if number >= 100 * factor
                else f"{number / factor:.2g} {unit}"
            )
    return f"{number:.0f} bytes"
