"""The program `rnnspec`: all commands, and nothing else."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

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
    sweep,
    train,
    validate,
)
from rnnspec.cli.console import complain
from rnnspec.cli.failures import INTERRUPTED, USAGE, reported

HELP = """Train recurrent neural networks on cognitive tasks, from readable specifications.

A spec is a YAML file that describes a network, a task and its training. Start with

\b
  rnnspec validate specs/                 check specs for errors
  rnnspec train specs/go.yaml             train the networks of a spec
  rnnspec status                          list the runs and their state
  rnnspec evaluate runs/go-1a2b3c4d       measure their performance

\b
Exit codes:
  0    fine
  1    the spec has errors
  2    wrong usage, or a file that cannot be used
  3    a bug in rnnspec
  4    trained, but some networks diverged
  5    units of a sweep failed; the others are trained
  75   stopped by SIGTERM, SIGUSR1 or SIGHUP
  130  stopped by Ctrl-C
  141  ended because the reader of its output did, such as head
"""


class _Command(TyperCommand):
    """A command with plain help, which understands some mistakes.

    These are a file whose name begins with a dash, and a value of the spec given as an option.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return `[OPTIONS] RUN`, without the brackets that typer adds to what is required."""
        return ["[OPTIONS]", *(param.metavar for param in _arguments(self))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List arguments and options, without the Python types that typer adds to arguments."""
        arguments = [(param.metavar, param.help) for param in _arguments(self)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        records = (
            param.get_help_record(ctx) for param in self.get_params(ctx) if isinstance(param, TyperOption)
        )
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record])

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


def _arguments(command: TyperCommand) -> list[Any]:
    """Return the arguments of a command; each has a metavar and a help text."""
    return [param for param in command.params if isinstance(param, TyperArgument)]


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
    # Plain help: it starts faster, wraps at any width, and does not read brackets as markup.
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
    sweep,
    bench,
):
    name = module.__name__.rpartition(".")[2]
    app.command(name, cls=_Command)(reported(module.command))


def main() -> None:
    """Run the command in sys.argv and leave with its exit code."""
    # Read when torch is imported. On a machine with other work, threads that spin while they wait are a
    # hundred times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # The shell closed it (`>&-`).
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        # A character that the terminal cannot show must not end the program.
        getattr(sys, name).reconfigure(errors="replace")
    _unbuffer_stderr()
    try:
        app(prog_name="rnnspec")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _unbuffer_stderr() -> None:
    """Write to stderr without a buffer.

    What a buffer still holds, Python writes when it exits.  That would wait for ever for a reader who has
    paused, and fail if there is none any more.
    """
    raw = io.FileIO(sys.stderr.fileno(), "w", closefd=False)
    sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, errors="replace", write_through=True)


def _version(wanted: bool) -> None:
    if wanted:
        from rnnspec import __version__

        print(f"rnnspec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
