"""``rlplay train``: a flag for every option, read off its declaration."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rlplay.agents import get_agent_spec, list_algorithms
from rlplay.cli.words import add_import, import_modules, positive, with_imports
from rlplay.config import RunConfig, describe_preset, get_default_config, list_presets
from rlplay.device import get_device
from rlplay.envs import ENV_REGISTRY, get_env_spec
from rlplay.envs.rewards import NumberOrFormula, reward_variables
from rlplay.errors import ConfigError, StorageError, nearest
from rlplay.storage import StorageManager, get_storage_manager
from rlplay.training.run import train
from rlplay.training.session import CHECKPOINT_EVERY, TrainingSession

__all__ = ["INTERRUPTED", "run_train"]

#: Exit code of a training that Ctrl-C ended, as shells count it.
INTERRUPTED: Final = 130

#: The part of a config, and what its flags begin with. An algorithm's options stand alone.
_PREFIXES: Final = {"hyperparams": "", "env_config": "env.", "reward_config": "reward."}

#: Fields of `RunConfig` that have a flag of another kind, or whose flags are those of a part.
_SPECIAL: Final = ("algo", "env_name", "network_config", *_PREFIXES)

_TRAIN_TEXT: Final = """\
Train an agent, and save the run in the models folder. Every option that is left out has the value
that works well for this algorithm on this environment; a preset or a file changes several at once,
and a flag has the last word.
"""
_FORMULA_TEXT: Final = (
    "A formula has numbers, variables, + - * / **, comparisons, and, or, not, ... if ... else ..., "
    "min, max, abs, clip. One that begins with a minus needs the equals sign: "
    "--reward.step=-hunger/100. The variables:"
)
_TRAIN_EXAMPLES: Final = """\
examples:
  rlplay train --seconds 60
  rlplay train --algo dqn --learning-rate 0.0003 --env.grid-size 8 --reward.apple 2
  rlplay train --preset classic --network 128,64:tanh --name "small eyes"
  rlplay train --config models/snake/RUN/config.json --seed 1     (that run again, another seed)

  rlplay train --resume RUN                                       (go on where it stopped)
  rlplay train --fork RUN --steps 5e6 --learning-rate 0.0001      (a new run from its weights)

Ctrl-C ends the training, saves it, and leaves with exit code 130.
"""


def run_train(words: Sequence[str]) -> int:
    """Train as the words after ``rlplay train`` say.

    Args:
        words: The words.

    Returns:
        The exit code.

    Raises:
        RlplayError: For anything that one line explains.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_choice(first)
    _add_saved(first)
    choice, _ = first.parse_known_args(words)
    import_modules(choice.imports)
    if choice.resume is not None or choice.reproduce is not None:
        return _run_saved(words)
    forked = None if choice.fork is None else _find_forked(choice)
    base = _base_config(choice) if forked is None else forked
    parser = _train_parser(base)
    arguments, others = parser.parse_known_args(words)
    if arguments.help:
        print(parser.format_help() + _other_algorithms(base) + "\n" + _TRAIN_EXAMPLES, end="")
        return 0
    if others:
        raise ConfigError(_no_option(others[0], parser, base))
    changes, every = _changes(vars(arguments)), arguments.checkpoint_every
    if forked is None:
        session = TrainingSession(base.replace(**changes), checkpoint_every=every)
    else:
        storage = get_storage_manager()
        changes.setdefault("name", f"{base.name or base.run_id} forked"[:200])
        get_device(changes.get("device", "auto"))  # before there is a run
        run_id = storage.fork_run(base.env_name, str(base.run_id), **changes)
        session = TrainingSession.resume_run(
            base.env_name,
            run_id,
            storage,
            device=changes.get("device"),
            checkpoint_every=every,
        )
    return _train(session, arguments)


def _find_forked(choice: argparse.Namespace) -> RunConfig:
    """Give the config of the run whose weights a new one begins with.

    Raises:
        ConfigError: For flags that a fork has from that run.
    """
    for flag in ("algo", "preset", "config"):
        if getattr(choice, flag) is not None:
            raise ConfigError(
                f"--fork takes the options of its run, and no --{flag}. Single options can differ, "
                "such as --learning-rate 0.0001."
            )
    storage = get_storage_manager()
    env_name = choice.env_name or storage.find_run(choice.fork)
    return storage.load_config(env_name, choice.fork)


def _run_saved(words: Sequence[str]) -> int:
    """Go on with a saved run, or do it again, with its own options."""
    parser = argparse.ArgumentParser(
        prog="rlplay train",
        usage="rlplay train (--resume RUN | --reproduce RUN) [OPTIONS]",
        allow_abbrev=False,
    )
    _add_saved(parser)
    parser.add_argument("--env", help="the run's environment, where several have such a run")
    add_import(parser)
    device = RunConfig.model_fields["device"]
    parser.add_argument(
        "--device",
        choices=get_args(device.annotation),
        help=f"{device.description}; another than the run's own is no longer bit-exact",
    )
    parser.add_argument(
        "--num-threads",
        type=int,
        metavar="N",
        help="CPU threads; another number than the run's own is no longer bit-exact",
    )
    _add_pace(parser)
    arguments, others = parser.parse_known_args(words)
    if others:
        raise ConfigError(
            f"A saved run goes on with its own options, not with {others[0]!r}. Begin a new run "
            f"with its weights, and change that: rlplay train {_as_fork(words)}"
            if arguments.resume
            else f"A saved run is done again with its own options, not with {others[0]!r}."
        )
    storage = get_storage_manager()
    run_id = arguments.resume or arguments.reproduce
    env_name = arguments.env or storage.find_run(run_id)
    every = arguments.checkpoint_every
    if arguments.reproduce is not None:
        session = TrainingSession.reproduce_run(env_name, run_id, storage, checkpoint_every=every)
    else:
        session = TrainingSession.resume_run(
            env_name,
            run_id,
            storage,
            device=arguments.device,
            num_threads=arguments.num_threads,
            checkpoint_every=every,
        )
    return _train(session, arguments)


def _as_fork(words: Sequence[str]) -> str:
    """Give the words that ask for a fork in place of going on, as a shell takes them."""
    forked = [re.sub(r"^--resume(?==|$)", "--fork", word) for word in words]
    return shlex.join(forked)


def _train(session: TrainingSession, arguments: argparse.Namespace) -> int:
    """Train to the end, and say what came of it."""
    # A batch system ends a job this way; it is saved like one that a person ends.
    if os.name == "posix":
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    imports = [f"--import={module}" for module in arguments.imports]
    try:
        train(session, seconds=arguments.seconds, progress=not arguments.quiet)
    except KeyboardInterrupt:
        if session.run_id is not None:
            print("Stopped, and saved:", _place(session.storage, session.config))
            print(with_imports(f"To go on: rlplay train --resume {session.run_id}", imports))
        return INTERRUPTED
    snapshot = session.snapshot()
    score = "no episode ended"
    if snapshot.avg_score is not None:
        score = f"mean score of the last 100 {snapshot.avg_score:.1f}, best {snapshot.best_score:g}"
    print(
        f"{snapshot.total_steps:,} steps in {snapshot.elapsed:.0f} s, "
        f"{snapshot.episode:,} episodes, {score}."
    )
    if snapshot.message != "saved":
        print(snapshot.message)
    print("Saved:", _place(session.storage, session.config))
    advice = f"Next: rlplay evaluate {session.run_id}   or   rlplay replay {session.run_id}"
    print(with_imports(advice, imports))
    return 0


def _no_option(word: str, parser: argparse.ArgumentParser, base: RunConfig) -> str:
    flags = (flag for action in parser._actions for flag in action.option_strings)
    return (
        f"rlplay train has no option {word!r} with {base.algo} on {base.env_name}."
        f"{nearest(word.partition('=')[0], flags)} All of them: rlplay train --algo {base.algo} "
        f"--env {base.env_name} --help"
    )


def _place(storage: StorageManager, config: RunConfig) -> Path:
    return storage.get_run_path(config.env_name, str(config.run_id))


def _add_choice(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, presets: str = ""
) -> None:
    """The flags that decide which other flags there are."""
    parser.add_argument(
        "--algo", help=f"the algorithm: {', '.join(list_algorithms())} (default: ppo)"
    )
    parser.add_argument(
        "--env",
        dest="env_name",
        metavar="ENV",
        help=f"the environment: {', '.join(sorted(ENV_REGISTRY))} (default: snake)",
    )
    parser.add_argument("--preset", help=f"begin with this preset of the algorithm: {presets}")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="begin with the options in this JSON file, such as a run's config.json",
    )
    add_import(parser)


def _add_saved(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The flags for a run that is there already; one of them at most."""
    saved = parser.add_mutually_exclusive_group()
    saved.add_argument(
        "--resume", metavar="RUN", help="go on with this saved run from its last checkpoint"
    )
    saved.add_argument(
        "--reproduce",
        metavar="RUN",
        help="do this saved run again, with all that was changed while it ran",
    )
    saved.add_argument(
        "--fork",
        metavar="RUN",
        help="begin a new run with the weights and options of this saved one; other flags change "
        "options",
    )


def _add_pace(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The flags of every training."""
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="SECONDS",
        help="stop after so long, compilation not counted; schedules still follow --total-steps",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=positive,
        default=CHECKPOINT_EVERY,
        metavar="SECONDS",
        help="seconds between two checkpoints (default: %(default)g)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _base_config(choice: argparse.Namespace) -> RunConfig:
    """The config before the flags: default, preset, file."""
    values = {} if choice.config is None else _read_config(choice.config)
    algo = choice.algo or values.get("algo", "ppo")
    env_name = choice.env_name or values.get("env_name", "snake")
    base = get_default_config(algo, env_name, choice.preset)
    return base.replace(**{**values, "algo": algo, "env_name": env_name})


def _read_config(path: Path) -> dict[str, Any]:
    """Read options from a JSON file; of a saved run, only what makes a new one like it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} is not JSON: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep for a config.") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} must hold a JSON object of options, as a run's config.json does, not a "
            f"{type(values).__name__}."
        )
    if "format_version" in values:
        values = {key: value for key, value in values.items() if key in RunConfig.model_fields}
        values["run_id"] = None
    return values


def _train_parser(base: RunConfig) -> argparse.ArgumentParser:
    """A parser with a flag for every option that this algorithm and environment have."""
    parser = argparse.ArgumentParser(
        prog="rlplay train",
        usage="rlplay train [--algo ALGO] [--env ENV] [--seconds SECONDS] [OPTIONS]",
        description=_TRAIN_TEXT,
        formatter_class=_Formatter,
        add_help=False,
        allow_abbrev=False,
    )
    what = parser.add_argument_group("what to train")
    _add_choice(what, _explain_presets(base))
    _add_saved(what)
    what.add_argument(
        "--network",
        dest="network_config.layers",
        type=_layers,
        default=argparse.SUPPRESS,
        metavar="LAYERS",
        help="units of the hidden layers, such as 192,192 or 128,64:tanh, or a JSON list of layers "
        f"(default: {_network_text(base.network_config)})",
    )
    run = parser.add_argument_group("the run")
    for name, field in RunConfig.model_fields.items():
        if name not in _SPECIAL:
            also = ("--steps",) if name == "total_steps" else ()
            _add_option(run, name, name, field, getattr(base, name), also)
    _add_pace(run)
    run.add_argument("-h", "--help", action="store_true", help="show this text and leave")
    agent, env = get_agent_spec(base.algo), get_env_spec(base.env_name)
    _add_part(parser, agent.name, "hyperparams", agent.hyperparameters, base)
    _add_part(parser, env.name, "env_config", env.config_model, base)
    variables = ", ".join(reward_variables(env.reward_model))
    about = f"{_FORMULA_TEXT} {variables}." if variables else None
    _add_part(parser, f"rewards of {env.name}", "reward_config", env.reward_model, base, about)
    return parser


def _explain_presets(base: RunConfig) -> str:
    """Name the presets, each with its sentence."""
    sentences = (
        (name, describe_preset(base.algo, base.env_name, name))
        for name in list_presets(base.algo, base.env_name)
    )
    return " ".join(f"{name}: {sentence}" for name, sentence in sentences)


def _other_algorithms(base: RunConfig) -> str:
    """The options of the algorithms that were not chosen, as a text."""
    text = ""
    for name in list_algorithms():
        if name == base.algo:
            continue
        parser = argparse.ArgumentParser(
            usage=argparse.SUPPRESS, formatter_class=_Formatter, add_help=False
        )
        config = get_default_config(name, base.env_name)
        title = f"with --algo {name}"
        _add_part(parser, title, "hyperparams", get_agent_spec(name).hyperparameters, config)
        text += "\n" + parser.format_help().lstrip("\n")
    return text


def _add_part(
    parser: argparse.ArgumentParser,
    title: str,
    part: str,
    model: type[BaseModel],
    base: RunConfig,
    about: str | None = None,
) -> None:
    """Add the flags of one model, in the groups that its fields name; `about` heads the first."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    values = getattr(base, part)
    for name, field in model.model_fields.items():
        group = str(_extra(field).get("group", ""))
        if group not in groups:
            groups[group] = parser.add_argument_group(
                f"{title}: {group}" if group else title, None if groups else about
            )
        _add_option(groups[group], f"{part}.{name}", _PREFIXES[part] + name, field, values[name])


def _add_option(
    group: argparse._ArgumentGroup,
    dest: str,
    name: str,
    field: FieldInfo,
    value: Any,
    also: Sequence[str] = (),
) -> None:
    """Add the flag of one option; its value comes out under `dest`, where it was given."""
    flag = "--" + name.replace("_", "-")
    settings: dict[str, Any] = {
        "dest": dest,
        "default": argparse.SUPPRESS,
        "help": _explain(field, value).replace("%", "%%"),
    }
    if field.annotation is bool:
        settings |= {"action": _Switch, "nargs": 0}
    else:
        settings |= {"type": _reader(field.annotation), "metavar": _metavar(field.annotation)}
    try:
        group.add_argument(flag, *also, **settings)
    except argparse.ArgumentError:  # an option of the algorithm, named like a flag of every run
        group.add_argument(f"--hyperparams.{flag[2:]}", **settings)


class _Switch(argparse.Action):
    """``--env.food`` and ``--env.no-food``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **others: Any) -> None:
        flag = option_strings[0]
        head, dot, tail = flag.rpartition(".")
        off = f"{head}.no-{tail}" if dot else f"--no-{flag[2:]}"
        super().__init__([flag, off], dest, **others)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, option_string == self.option_strings[0])


class _Formatter(argparse.HelpFormatter):
    """Wide enough for the longest flags."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=_width())


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size().columns - 2))


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _explain(field: FieldInfo, value: Any) -> str:
    """Meaning, range, unit and default of an option, off its declaration."""
    facts = [_range(field), str(_extra(field).get("unit") or "")]
    if any(isinstance(constraint, NumberOrFormula) for constraint in field.metadata):
        facts[0] += " or a formula"
    if _extra(field).get("live"):
        facts.append("can change while it trains")
    facts.append(f"default: {_shown(value)}")
    return f"{field.description or ''} ({'; '.join(fact for fact in facts if fact)})".strip()


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(field: FieldInfo) -> str:
    """Say what a number may be: "0 to 1", "above 0", "at least 1"."""
    found = {
        sign: getattr(constraint, sign)
        for constraint in field.metadata
        for sign in ("ge", "gt", "le", "lt")
        if getattr(constraint, sign, None) is not None
    }
    if "ge" in found and "le" in found:
        return f"{_shown(found['ge'])} to {_shown(found['le'])}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[sign]} {_shown(value)}" for sign, value in found.items())


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, and of anything else itself; `Annotated` is looked through."""
    if hasattr(annotation, "__metadata__"):
        return _kinds(annotation.__origin__)
    if get_origin(annotation) in (None, Literal) or isinstance(annotation, type):
        return (annotation,)
    if get_origin(annotation) in (tuple, list, dict):
        return (get_origin(annotation),)
    return tuple(kind for part in get_args(annotation) for kind in _kinds(part))


def _metavar(annotation: Any) -> str:
    kinds = [kind for kind in _kinds(annotation) if kind is not type(None)]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return "{" + ",".join(str(word) for word in get_args(kinds[0])) + "}"
    names = {int: "INT", float: "NUMBER", str: "TEXT"}
    return "|".join(dict.fromkeys(names.get(kind, "JSON") for kind in kinds))


def _reader(annotation: Any) -> Callable[[str], Any]:
    """A function that reads a value of this type; what it cannot read, the model will refuse."""
    kinds = _kinds(annotation)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]

    def read(text: str) -> Any:
        if text in words:
            return text
        if type(None) in kinds and text.lower() in ("none", "null", ""):
            return None
        if int in kinds or float in kinds:
            try:
                number = float(text)
                whole = int(number) if number.is_integer() else None
                return whole if int in kinds and whole is not None else number
            except (ValueError, OverflowError):
                return text
        if str in kinds or words:
            return text
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text

    return read


def _layers(text: str) -> Any:
    """Read ``128,64:tanh`` or a JSON list of layers."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise argparse.ArgumentTypeError(f"this list of layers is not JSON: {error}") from None
    layers: list[dict[str, Any]] = []
    for part in text.split(",") if text.strip() not in ("", "none") else ():
        units, colon, activation = part.strip().partition(":")
        if not units.isdecimal():
            raise argparse.ArgumentTypeError(
                f"{part!r} is no layer. Allowed: such as 192,192 or 128,64:tanh"
            )
        layers.append({"units": int(units)} | ({"activation": activation} if colon else {}))
    return layers


def _network_text(network_config: dict[str, Any]) -> str:
    layers = network_config["layers"]
    return ",".join(f"{layer['units']}:{layer['activation']}" for layer in layers) or "none"


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """The changes of a config that the flags ask for."""
    changes: dict[str, Any] = {}
    for dest, value in given.items():
        part, dot, name = dest.partition(".")
        if dot:
            changes.setdefault(part, {})[name] = value
        elif dest in RunConfig.model_fields and dest not in _SPECIAL:
            changes[dest] = value
    return changes
