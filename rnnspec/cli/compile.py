"""`rnnspec compile`: describe what a spec means and costs, and write the generated sources."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from rnnspec.cli.console import show_diagnostics
from rnnspec.cli.options import Set, SpecFile, TargetName, With, one_of, target_of
from rnnspec.runtime.targets import SOURCES

FORMS = ("program", "trial", *(source.form for source in SOURCES))
FILES = ", ".join(source.file for source in SOURCES)


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
            help=f"Write spec.yaml, program.txt, {FILES} and manifest.json into this folder.",
            show_default=False,
        ),
    ] = None,
    target: TargetName = None,
    emit: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="|".join(FORMS),
            help="Print only the program, the first trial of training, "
            f"{' or '.join(source.meaning for source in SOURCES)}.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show how the kernels were compiled, and where they are.")
    ] = False,
) -> None:
    """Compile a spec and describe the result.

    Prints the network, the trial, the skips, the shortest path of the gradient with and without skips, the
    operations in an iteration (2 for each multiply-add of every matrix product), and what guessing scores:
    untrained networks, the best constant outputs, and the answers of other trials. With -o, writes the
    resolved spec, the program, a torch module that needs only torch (graph.py), and kernels in C++
    (kernel.cpp) and CUDA (kernel.cu). The same spec gives the same files on every machine. The kernels are
    compiled and cached, so that training does not wait for them; with --target gpu also without a GPU, and
    -o writes them (kernel.cubin).

    --emit trial shows what is taught: the draws of the first sequence of training and, for each epoch, its
    inputs, targets, weight in the loss and `correct`. --set training.seed=1 gives another one.

    \b
    Example:
      rnnspec compile specs/delayed_go.yaml --with dasc40 -o build/
    """
    from rnnspec.check.examine import load
    from rnnspec.program.printer import print_program

    form = None if emit is None else one_of("--emit", emit, FORMS)
    if form is not None and output is not None:
        raise typer.BadParameter("--emit prints, and -o writes a folder: give only one of them.")
    specification = load(spec, overlays or (), settings or ())
    show_diagnostics(specification.warnings, sys.stderr)
    if form == "trial":
        from rnnspec.analysis.preview import preview
        from rnnspec.cli.display.trial import describe_trial

        recording = preview(specification.program)
        for line in describe_trial(specification.program, recording, sys.stdout.encoding):
            print(line)
        return
    if form is not None:
        write = {"program": print_program} | {source.form: source.emit for source in SOURCES}
        print(write[form](specification.program), end="")
        return

    from rnnspec.cli.display.build_report import describe_build, describe_kernel
    from rnnspec.runtime.build import write_build
    from rnnspec.runtime.targets import choose_target, usual_device

    width = shutil.get_terminal_size().columns
    named = target_of(target)
    # Kernels can be compiled for a device that this machine does not have.
    chosen = choose_target(specification.program, named, usual_device(named))
    lines = [*describe_build(specification.program, chosen, given=target is not None)]
    lines += describe_kernel(chosen) if verbose else []
    for label, text in lines:
        print(textwrap.fill(f"{label:<10} {text}", width, subsequent_indent=" " * 11))
    if output is not None:
        more = chosen.kernel.files() if chosen.kernel is not None else {}
        names = write_build(specification, Path(output), more)
        print(f"{'wrote':<10} {', '.join(names)} in {output}")
