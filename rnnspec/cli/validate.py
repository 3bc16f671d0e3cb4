"""`rnnspec validate`: check specs and sweeps for errors."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import complain, count, note
from rnnspec.cli.failures import USAGE, code_of
from rnnspec.cli.formats.report import FORMATS, CheckedSpec, Report, show
from rnnspec.cli.options import Set, With, one_of

if TYPE_CHECKING:
    from rnnspec.diagnostics import Diagnostic, Problems

SUFFIXES = (".yaml", ".yml")


def command(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Specs and sweeps, or folders of them.", show_default=False),
    ],
    overlays: With = None,
    settings: Set = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"{', '.join(FORMATS)}; default: text, and in GitHub Actions annotations and a summary too.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
) -> None:
    """Check specs and sweeps, and report every problem.

    Each problem is printed with its position, what was expected, and how to fix it; a summary goes to
    stderr. In a folder, the files *.yaml and *.yml that say 'rnnspec:' are checked, at any depth, but for
    those in run and build folders; a file that is given by its path is always checked. Files without a
    'name', such as overlays, are checked as far as possible. Of a sweep, all units are checked; a problem is
    reported once, with the units that have it. --with and --set apply to a single spec, --set to a single
    sweep too.

    \b
    Example:
      rnnspec validate specs/ --strict
      rnnspec validate specs/go.yaml --with dasc40
      rnnspec validate specs/paper/table1.yaml
    """
    form = None if format is None else one_of("--format", format, FORMATS)
    if (overlays or settings) and (len(paths) > 1 or Path(paths[0]).is_dir()):
        complain("--with and --set change one document.", "Give the path of a single file.")
        raise typer.Exit(USAGE)
    found_files = dict.fromkeys(file for path in paths for file in _files(path))
    files = [file for file in found_files if file in paths or _is_spec(file)]
    others = len(found_files) - len(files)
    if not files:
        complain(
            f"There are no specs in {' '.join(paths)}.",
            "A spec is a file *.yaml or *.yml that says 'rnnspec: 1'. Run and build folders are left out.",
        )
        raise typer.Exit(USAGE)

    from rnnspec.check.examine import examine, is_fragment
    from rnnspec.diagnostics import MAX_DIAGNOSTICS, Problems
    from rnnspec.sweeps.plan import examine_sweep, is_sweep_file
    from rnnspec.syntax.compose import compose

    sweeps = [file for file in files if is_sweep_file(file)]
    if sweeps and overlays:
        complain("--with changes specs, not sweeps.", "The overlays of a sweep stand in its 'methods'.")
        raise typer.Exit(USAGE)
    found: dict[str, Problems] = {file: Problems() for file in files}
    units = fragments = 0
    for file in files:
        if file not in sweeps:
            document = compose(file, overlays or (), settings or (), problems=found[file])
            if document is not None:
                examine(document, found[file])
                fragments += is_fragment(document)
    of_specs: set[Diagnostic] = {problem for problems in found.values() for problem in problems.found}
    for file in sweeps:
        sweep = examine_sweep(file, settings or (), found[file], known=of_specs)
        units += len(sweep.units) if sweep else 0
    checked = [CheckedSpec(file, _judged(problems, strict)) for file, problems in found.items()]
    more = sum(problems.more for problems in found.values())
    report = Report(tuple(checked))
    wrong = sum(spec.failed for spec in checked)
    errors = sum(problem.severity == "error" for problem in report.found)
    what = _documents(len(files) - len(sweeps), len(sweeps))
    fine = _fine(what, len(files), fragments, units)
    summary = _summary(fine, what, wrong, errors, len(report.found) - errors)
    show(report, form, summary)
    note(summary)
    if others:
        note(f"{count(others, 'YAML file')} without the key 'rnnspec' left out")
    if more:
        note(f"and {count(more, 'problem')} more, not shown: {MAX_DIAGNOSTICS} of a spec are enough at once")
    raise typer.Exit(code_of(report.found))


#: A key `rnnspec` at the margin; or anywhere in a document that begins with a brace.
_VERSION = re.compile(
    rb"""^(---[ ]*)?["']?rnnspec["']?[ ]*: | \A (\s|\#.*\n)* (---\s*)? \{ [^}]*? ["']?\brnnspec["']?\s*:""",
    re.MULTILINE | re.VERBOSE,
)


def _files(path: str) -> list[str]:
    """Return a file as it is; of a folder the YAML files at any depth, in order.

    Hidden folders, and those that 'train' and 'compile' wrote, are left out.
    """
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, below, files in os.walk(path):
        if {"spec.yaml", "manifest.json"} <= set(files):
            below.clear()
            continue
        below[:] = [name for name in below if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in files if name.endswith(SUFFIXES) and name[0] != "."]
    return sorted(found)


def _is_spec(file: str) -> bool:
    """Return whether a file says that it is a spec, or cannot be read, which is reported later."""
    from rnnspec.syntax.source import MAX_BYTES

    try:
        # A named pipe without a writer would wait for ever.
        if not os.path.isfile(file):
            return False
        with open(file, "rb") as stream:
            text = stream.read(MAX_BYTES)
    except OSError:
        return True
    # Also in UTF-16, or behind a byte order mark: that the encoding is wrong is reported.
    text = re.sub(b"\\A(\xef\xbb\xbf|\xff\xfe|\xfe\xff)|\\0", b"", text).replace(b"\r", b"\n")
    return _VERSION.search(text) is not None


def _judged(problems: Problems, strict: bool) -> tuple[Diagnostic, ...]:
    """Return problems sorted by place; in strict mode, all are errors."""
    if not strict:
        return problems.sorted()
    return tuple(replace(problem, severity="error") for problem in problems.sorted())


def _documents(specs: int, sweeps: int) -> str:
    """Return `16 specs and 1 sweep`."""
    parts = [count(specs, "spec")] if specs or not sweeps else []
    return " and ".join(parts + ([count(sweeps, "sweep")] if sweeps else []))


def _fine(what: str, files: int, fragments: int, units: int) -> str:
    """Return the sentence for documents without errors."""
    if fragments == files == 1:
        return "this fragment is fine"
    parts = []
    if fragments:
        parts.append(f"{fragments} of them {'a fragment' if fragments == 1 else 'fragments'} without a name")
    if units:
        parts.append(f"{count(units, 'unit')} of sweeps" if files > 1 else f"with {count(units, 'unit')}")
    return ", ".join([f"{what} {'is' if files == 1 else 'are'} fine", *parts])


def _summary(fine: str, what: str, wrong: int, errors: int, warnings: int) -> str:
    notes = f", with {count(warnings, 'warning')}" if warnings else ""
    if wrong:
        return f"{count(errors, 'error')} in {wrong} of {what}{notes}"
    alone = "; it has no name, so it was not checked as a whole spec" if fine.startswith("this") else ""
    return f"{fine}{notes}{alone}"
