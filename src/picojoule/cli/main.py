"""The command line: one verb per job and per look, each thin.

Exit codes: 0 done; 1 engines differ (`verify`); 2 something the user gave cannot be used (one line says what); 3 a
floor is out of reach (the best found is saved and shown); 130 stopped by Ctrl-C or SIGTERM (the journal is intact, the
best so far saved).
"""

import sys
from collections.abc import Mapping
from itertools import takewhile
from typing import Annotated

import typer

import picojoule
from picojoule.cli import jobs, looks, screen, ship
from picojoule.cli.explore import explore
from picojoule.cli.train import cluster, train
from picojoule.errors import PicojouleError

app = typer.Typer(
    name="picojoule",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        screen.plain(f"picojoule {picojoule.__version__}\n")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accuracy floor in, minimum energy out: the fewest bits a neural network needs on a small device."""


VERBS = (
    jobs.demo, jobs.search, train, cluster, explore, ship.verify, ship.export,
    looks.inspect, looks.energy, looks.report, looks.formats, looks.platforms,
)  # fmt: skip
for verb in VERBS:
    app.command()(verb)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        app(spread(sys.argv[1:] if arguments is None else arguments))
    except PicojouleError as error:
        screen.remark(f"picojoule: {_one_line(str(error))}")
        sys.exit(2)
    except OSError as error:
        screen.remark(f"picojoule: cannot write the output: {error.strerror or error}")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == 130:
            screen.remark("picojoule: stopped; the same command goes on from here")
        raise


def _one_line(text: str) -> str:
    """The text with line breaks and terminal codes written out: names in it may be a stranger's."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


LISTED: Mapping[str, tuple[str, ...]] = {
    "cluster": (),
    "explore": ("--bits", "--width", "--depth", "--seed"),
    "formats": ("--compare",),
    "": ("--keep",),
}
"""The options of a verb that take several values."""


def spread(arguments: list[str]) -> list[str]:
    """Repeat an option that takes several values before each, so that `--keep 1.0 0.99` may be written as one says it.

    >>> spread(["search", "--keep", "1.0", "0.99", "--json"])
    ['search', '--keep', '1.0', '--keep', '0.99', '--json']
    """
    verb = arguments[0] if arguments and arguments[0] in LISTED else ""
    several, belongs = LISTED[verb], _is_word if verb == "formats" else _is_number
    result: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        option, equals, first = argument.partition("=")
        values = list(takewhile(belongs, rest)) if option in several else []
        del rest[: len(values)]
        values = [first, *values] if option in several and equals else values
        result += [part for value in values for part in (option, value)] or [argument]
    return result


def _is_number(text: str) -> bool:
    return all(part.replace(".", "", 1).isdigit() for part in text.split(","))


def _is_word(text: str) -> bool:
    return not text.startswith("-")


if __name__ == "__main__":
    run()
