"""The application ``freeda``: its groups, its global options, and the one place that handles errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from freeda.version import __version__
from freeda_cli import bank, console, demo, errors, evaluate, explain, ingest, learn, models, segment, serve
from freeda_cli.defaults import apply_defaults
from freeda_cli.options import help_of
from freeda_cli.quiet import set_up_logging


class FreedaGroup(TyperGroup):
    """Turns every error of every command into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors end in :class:`typer.Exit`."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            console.note("interrupted.")
            raise typer.Exit(errors.INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - the one place that may
            raise typer.Exit(errors.report(error, debug=bool(ctx.params.get("debug")))) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Parse and run; what ``Typer.__call__`` and tests enter. Names that are not UTF-8 are escaped."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        try:
            code = run()
            sys.stdout.flush()
        except typer.TyperException as error:
            code = errors.report(error)
        except BrokenPipeError:
            _drop_output()
            code = errors.FAILURE
        sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    """The reader of our output has gone: let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="freeda",
    cls=FreedaGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Segment any class in any picture without training, from a bank of visual prototypes "
    "that you can see and correct.",
    epilog="Example: freeda ingest captions.jsonl --preset sd21 && "
    'freeda segment photo.jpg -c "red car,tree"',
)
for command, epilog in (
    (ingest.ingest, ingest.EPILOG),
    (learn.learn, learn.EPILOG),
    (segment.segment, segment.EPILOG),
    (explain.explain, explain.EPILOG),
    (evaluate.evaluate, evaluate.EPILOG),
    (serve.serve, serve.EPILOG),
    (demo.demo, demo.EPILOG),
):
    app.command(command.__name__, help=help_of(command), epilog=epilog)(command)
app.add_typer(bank.app, name="bank")
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    console.say(f"freeda {__version__}")
    raise typer.Exit


@app.callback()
def start(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the log of every stage and all that libraries say.")
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Set up what all commands share."""
    set_up_logging(verbose=verbose)
    defaults = apply_defaults(ctx)
    if defaults.origins and ctx.invoked_subcommand is not None:
        console.note(f"defaults: {', '.join(defaults.values)} from {' and '.join(defaults.origins)}")
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> NoReturn:
    """The console script ``freeda``."""
    app(prog_name="freeda")
    sys.exit(0)
