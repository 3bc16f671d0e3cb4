"""`rnnspec compile`: what a spec means, and what it costs."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from rnnspec.cli.console import show_diagnostics
from rnnspec.cli.options import Set, SpecFile, TargetName, With, one_of, target_of

FORMS = ("program", "graph")


def command(
    spec: SpecFile,
    overlays: With = None,
    settings: Set = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write spec.yaml, program.txt, graph.py and manifest.json into this folder.",
            show_default=False,
        ),
    ] = None,
    target: TargetName = None,
    emit: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="program|graph",
            help="Print only the program, or the source of the torch module.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compile a spec and say what was built.

    Prints the network, the trial, the skips, the shortest gradient path with and without them, and what an
    iteration costs: 2 operations for each multiply-add of every matrix product. The build folder holds
    the resolved spec, the program that it means, and a torch module that needs nothing but torch
    (graph.py). The same spec gives the same bytes everywhere.

    \b
    Example:
      rnnspec compile specs/delayed_go.yaml --with dasc40 -o build/
    """
    from rnnspec.check.examine import load
    from rnnspec.codegen.torch import emit as emit_graph
    from rnnspec.program.printer import print_program

    form = None if emit is None else one_of("--emit", emit, FORMS)
    if form is not None and output is not None:
        raise typer.BadParameter("--emit prints, and -o writes a folder: give one of them.")
    specification = load(spec, overlays or (), settings or ())
    show_diagnostics(specification.warnings, sys.stderr)
    if form == "program":
        print(print_program(specification.program), end="")
        return
    if form == "graph":
        print(emit_graph(specification.program), end="")
        return

    from rnnspec.cli.blueprint import blueprint
    from rnnspec.runtime.build import write_build

    width = shutil.get_terminal_size().columns
    chosen = target_of(target)
    for label, text in blueprint(specification.program, chosen, given=target is not None):
        print(textwrap.fill(f"{label:<10} {text}", width, subsequent_indent=" " * 11))
    if output is not None:
        names = write_build(specification, Path(output), chosen)
        print(f"{'wrote':<10} {', '.join(names)} in {output}")
