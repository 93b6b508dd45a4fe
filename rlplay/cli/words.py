"""What several commands share of the words on the command line."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TypeAlias

from rlplay.errors import ConfigError

__all__ = [
    "Commands",
    "add_command",
    "add_import",
    "import_modules",
    "positive",
    "printable",
    "with_imports",
]

#: A command for a saved run, as messages advise it.
_ADVICE = re.compile(r"rlplay (?:train --(?:fork|resume|reproduce)|evaluate|replay) [a-z0-9_-]+")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command that is run with its parsed words, and gives the exit code."""
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def add_import(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flag for modules that register something of the person's own."""
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this module first, which registers an environment or algorithm of yours",
    )


def import_modules(modules: Sequence[str]) -> None:
    """Import the modules that a person named, the working folder's among them."""
    if modules and "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        name = module.removesuffix(".py")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ConfigError(
                f"No module {name!r} to import. Looked in {os.getcwd()} and among the installed "
                "packages. Give its name as in a Python import, or its file in this folder."
            ) from None
        except Exception as error:  # of a person's own code
            stack = traceback.extract_tb(error.__traceback__)
            own = [
                frame
                for frame in stack
                if "importlib" not in frame.filename and frame.filename != __file__
            ]
            where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
            raise ConfigError(
                f"{name!r} cannot be imported: {type(error).__name__}: {error}{where}. "
                "Mend it there."
            ) from error


def with_imports(text: str, words: Sequence[str]) -> str:
    """Have the commands that a text advises import what this one imported.

    Args:
        text: A message, such as an error's.
        words: The words of this command.
    """
    if " --import" in text:  # it repeats all words of the command
        return text
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_import(parser)
    try:
        modules = parser.parse_known_args(list(words))[0].imports
    except argparse.ArgumentError:  # a flag without its module: the command itself says so
        return text
    flags = "".join(f" --import {shlex.quote(module)}" for module in modules)
    return _ADVICE.sub(lambda found: found[0] + flags, text)


def positive(text: str) -> float:
    """Read a number above 0."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def printable(text: str) -> str:
    """Let a text pass that anybody may have written, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)
