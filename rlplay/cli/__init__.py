"""The command line, ``rlplay``.

Commands: train, evaluate, runs, delete, restore, trash, replay, export, import, device, doctor,
warmup, lab.

The flags of ``rlplay train`` are not written here: they are read off the declarations of the
options, so that each option with its range, unit and meaning stands in one place.

Exit codes: 0, all is well. 1, ``doctor`` misses something, or a failure that is nobody's input
(with its traceback). 2, a wrong option or anything else that one line explains. 130, ended by
Ctrl-C; a training is saved by then.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

import rlplay
from rlplay.cli import lab, library, machine
from rlplay.cli.train import INTERRUPTED, run_train
from rlplay.cli.words import with_imports
from rlplay.errors import RlplayError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``rlplay``; those of the process by default.

    Returns:
        The exit code; see above.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["train"]:
            return run_train(words[1:])
        parser = _parser()
        arguments, others = parser.parse_known_args(words)
        if others and arguments.command != "lab":
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        arguments.others = others
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except RlplayError as error:
        print(f"rlplay: {with_imports(str(error), words)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as in `rlplay runs | head`; Python must not flush into the void.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rlplay",
        description="Train agents that play, and see what they learned.",
        epilog="`rlplay COMMAND --help` says more about a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rlplay {rlplay.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # Parsed by a parser of its own, whose flags depend on algorithm and environment.
    commands.add_parser("train", help="Train an agent and save the run.")
    library.add_commands(commands)
    machine.add_commands(commands)
    lab.add_commands(commands)
    return parser
