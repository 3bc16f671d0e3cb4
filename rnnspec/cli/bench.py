"""`rnnspec bench`: time a training iteration on this machine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import count, is_terminal, note, show_diagnostics
from rnnspec.cli.options import Device, Json, Set, SpecFile, Threads, With, one_of
from rnnspec.runtime.targets import TARGETS

if TYPE_CHECKING:
    from rnnspec.check.examine import Specification
    from rnnspec.training.bench import Comparison


def command(
    spec: SpecFile,
    overlays: With = None,
    settings: Set = None,
    networks: Annotated[
        int | None,
        typer.Option(
            "--networks",
            metavar="K",
            min=1,
            help="Number of networks; default: as in the spec.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option("--repeats", metavar="N", min=1, help="Number of iterations to time with each target."),
    ] = 3,
    threads: Threads = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="Time this target; default: all that train on this device. May be repeated.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Time a training iteration of a spec with each target.

    An iteration simulates a batch of new trials, computes the gradient and updates all networks. The targets
    take turns; the table shows the median, the fastest and the slowest iteration. The matrix rate is the
    speed of large float32 matrix products on this device, with the same number of threads. Operations are
    counted as in 'rnnspec compile': 2 for each multiply-add of every matrix product.

    \b
    Example:
      rnnspec bench specs/delayed_go.yaml --networks 10
    """
    from rnnspec.check.examine import load

    chosen = () if networks is None else (f"training.networks={networks}",)
    specification = load(spec, overlays or (), (*(settings or ()), *chosen))
    show_diagnostics(specification.warnings, sys.stderr)

    import torch

    from rnnspec.training.bench import compare

    targets = tuple(dict.fromkeys(one_of("--target", name, TARGETS) for name in target)) if target else None
    if threads is not None:
        torch.set_num_threads(threads)
    with _progress() as progress:
        comparison = compare(specification, targets, repeats, progress, device)
    for name, reason in comparison.left_out.items():
        note(f"{name} is left out: {reason}")
    if json:
        _print_json(specification, comparison)
    else:
        _print_table(specification, comparison)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being timed."""
    if not is_terminal(sys.stderr):
        yield lambda text: None
        return
    from rich.console import Console

    with Console(file=sys.stderr, highlight=False).status("") as status:
        yield status.update


def _print_json(specification: Specification, comparison: Comparison) -> None:
    from rnnspec.files import to_json

    program = specification.program
    rows = [
        {
            "target": timing.target,
            "first": timing.first,
            "seconds": list(timing.seconds),
            "median": timing.median,
            "ratio": comparison.ratio(timing),
            "share": comparison.share(timing),
        }
        for timing in comparison.timings
    ]
    whole = {
        "name": program.name,
        "networks": program.training.networks,
        "device": comparison.device,
        "threads": comparison.threads,
        "operations": comparison.operations,
        "matrix_rate": comparison.matrix_rate,
        "targets": rows,
        "left_out": dict(comparison.left_out),
    }
    print(to_json(whole, indent=2))


def _print_table(specification: Specification, comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    from rnnspec.cli.display.build_report import scaled
    from rnnspec.runtime.schedule import mean_steps
    from rnnspec.runtime.stages import stage_at

    program = specification.program
    theta = stage_at(program, 0).stage.theta
    sizes = [
        count(program.training.networks, "network"),
        count(program.training.batch, "sequence"),
        count(mean_steps(program, theta), "step"),
    ]
    print(f"{program.name}: {', '.join(sizes)}: {scaled(comparison.operations, 'FLOP')} an iteration")
    speed = f"{scaled(comparison.matrix_rate, 'FLOP')}/s"
    on = f"{comparison.device}, {count(comparison.threads, 'thread')}"
    print(f"{on}; large matrix products reach {speed}")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("target", no_wrap=True)
    columns = ("s per iteration", "from", "to", "ratio", "of matrix rate", "first, s")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for timing in comparison.timings:
        table.add_row(
            timing.target,
            f"{timing.median:.3g}",
            f"{min(timing.seconds):.3g}",
            f"{max(timing.seconds):.3g}",
            f"{comparison.ratio(timing):.2f}",
            f"{100 * comparison.share(timing):.2g} %",
            f"{timing.first:.3g}",
        )
    if comparison.timings:
        print()
        Console(file=sys.stdout, highlight=False).print(table)
