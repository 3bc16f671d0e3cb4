"""The program `rnnspec`: all commands, and nothing else."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from rnnspec.cli import (
    bench,
    compile,
    evaluate,
    extend,
    resolve,
    resume,
    rule,
    schema,
    simulate,
    status,
    train,
    validate,
)
from rnnspec.cli.console import complain
from rnnspec.cli.failures import INTERRUPTED, USAGE, reported

HELP = """Recurrent neural networks and their tasks from specifications that people can read.

A spec is a YAML file that states a network, a task and its training. Start with

\b
  rnnspec validate specs/                 is everything right?
  rnnspec train specs/go.yaml             train its networks
  rnnspec status                          how do the runs stand?
  rnnspec evaluate runs/go-1a2b3c4d       how good are the networks?

\b
Exit codes: 0 fine, 1 the spec has errors, 2 wrong usage or a file that cannot be
used, 3 a bug in rnnspec, 4 some networks diverged, 75 stopped by SIGTERM,
SIGUSR1 or SIGHUP, 130 stopped by Ctrl-C.
"""


class _Command(TyperCommand):
    """A command that knows what is meant by a file with a dash, and by a value of the spec as an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = list(args)
        _name_new_command(ctx.command.name, words)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            files = [
                w for w in words if w.startswith("-") and (w.endswith(validate.SUFFIXES) or os.path.exists(w))
            ]
            text = str(getattr(error, "format_message", lambda: "")()).rstrip(".")
            # Looked up by name: typer brings its own copy of the class.
            unknown = type(error).__name__ == "NoSuchOption"
            if files and unknown:
                ctx.fail(f"{files[0]} is no option. If it is a file, write ./{files[0]}.")
            if (unknown or "extra argument" in text) and any(p.name == "settings" for p in self.params):
                ctx.fail(f"{text}. A value of the spec is set like this: --set training.networks=10.")
            raise


#: What 'train' once did by an option, and the command that does it now.
_MOVED = {
    "--extend": "rnnspec extend RUN ITERATIONS",
    "--resume": "rnnspec resume RUN",
    "--allow-drift": "rnnspec resume RUN",
    "--break-lock": "rnnspec resume RUN",
}


def _name_new_command(command: str | None, words: list[str]) -> None:
    """Refuse `train --resume RUN` and the like, and name the command that is meant."""
    given = {word.partition("=")[0] for word in words}
    for option, meant in _MOVED.items():
        if command == "train" and option in given:
            complain(f"'rnnspec train' has no {option}: it trains a spec. Use: {meant}")
            raise typer.Exit(USAGE)


app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    # Plain help: it starts faster, wraps at any width, and takes no bracket for markup.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for module in (
    validate,
    rule,
    schema,
    resolve,
    compile,
    train,
    resume,
    extend,
    status,
    evaluate,
    simulate,
    bench,
):
    name = module.__name__.rpartition(".")[2]
    app.command(name, cls=_Command)(reported(module.command))


def main() -> None:
    """Run the command in sys.argv and leave with its exit code."""
    # Read when torch is imported. Threads that spin while they wait slow a machine with other work, and
    # themselves, down a hundredfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # The shell closed it (`>&-`).
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        # What a terminal cannot show must not stop the program.
        getattr(sys, name).reconfigure(errors="replace")
    try:
        app(prog_name="rnnspec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _version(wanted: bool) -> None:
    if wanted:
        from rnnspec import __version__

        print(f"rnnspec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass
