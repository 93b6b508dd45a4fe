"""What is done with saved runs: evaluate, list, delete, restore, replay, export, import."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from rlplay.cli.words import Commands, add_command, add_import, import_modules, positive, printable
from rlplay.errors import ConfigError, DamagedFile, RunNotFound
from rlplay.evaluation import evaluate, load_agent
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage import Replay, StorageManager, get_storage_manager

__all__ = ["add_commands", "text_frame"]

_NAME_WIDTH = 24  # characters


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    evaluating = add_command(
        commands,
        "evaluate",
        _evaluate,
        "Play a saved agent on episodes that it did not train on.",
    )
    _add_run(evaluating)
    evaluating.add_argument(
        "--episodes", type=int, default=100, help="how many (default: %(default)s)"
    )
    evaluating.add_argument(
        "--seeds",
        type=_seeds,
        metavar="SEEDS",
        help="episode seeds instead, such as 7 or 0-99 or 1,5,20-29",
    )
    evaluating.add_argument(
        "--sampled",
        action="store_true",
        help="explore as in training, instead of doing what looks best",
    )
    evaluating.add_argument("--json", action="store_true", help="print JSON, one line")

    listing = add_command(commands, "runs", _runs, "List the saved runs, the newest first.")
    listing.add_argument("--env", help="only the runs of this environment")
    listing.add_argument("--json", action="store_true", help="print JSON, one line")

    deleting = add_command(commands, "delete", _delete, "Move a run to the trash.")
    _add_run_id(deleting)

    restoring = add_command(commands, "restore", _restore, "Bring a run back from the trash.")
    _add_run_id(restoring, listed_by="trash")

    binning = add_command(commands, "trash", _trash, "List what is in the trash, or empty it.")
    binning.add_argument("--empty", action="store_true", help="remove all of it, for good")
    binning.add_argument("--json", action="store_true", help="print JSON, one line")

    replaying = add_command(
        commands, "replay", _replay, "Watch a saved episode as text, or save it as a file."
    )
    _add_run(replaying)
    replaying.add_argument(
        "replay_id", nargs="?", metavar="ID", help="which one; the best one by default"
    )
    instead = replaying.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the run's replays instead")
    replaying.add_argument("--gif", metavar="PATH", help="save it as an animated GIF instead")
    replaying.add_argument(
        "--mp4", metavar="PATH", help="save it as a video; needs pip install 'rlplay[video]'"
    )
    replaying.add_argument(
        "--html", metavar="PATH", help="save it as a page that plays in any browser, offline"
    )
    instead.add_argument(
        "--verify",
        action="store_true",
        help="check instead that it gives what it claims: all replays of the run without an ID",
    )
    replaying.add_argument(
        "--fps",
        type=positive,
        default=10.0,
        help="frames a second on a terminal, in a GIF or a video (default: %(default)g)",
    )
    replaying.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="show each N-th step only in a GIF or a video (default: %(default)s)",
    )

    exporting = add_command(
        commands,
        "export",
        _export,
        "Write a run as one zip, to be handed to somebody else.",
    )
    _add_run(exporting)
    exporting.add_argument(
        "path",
        nargs="?",
        default=".",
        metavar="PATH",
        help="a name that ends in .zip, or a folder (default: the working folder)",
    )

    importing = add_command(
        commands,
        "import",
        _import,
        "Take in a run that somebody exported, without trusting them.",
    )
    importing.add_argument(
        "file", nargs="?", metavar="FILE", help="the zip that `rlplay export` wrote"
    )
    importing.add_argument(
        "--sample",
        choices=list(SAMPLES),
        help="a sample run that came with rlplay, instead of a file",
    )
    add_import(importing)


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_run_id(parser)
    add_import(parser)


def _add_run_id(parser: argparse.ArgumentParser, listed_by: str = "runs") -> None:
    parser.add_argument(
        "run_id", metavar="RUN", help=f"the run's id; `rlplay {listed_by}` lists them"
    )
    parser.add_argument("--env", help="its environment, where several have a run of this id")


def _seeds(text: str) -> list[int]:
    """Read ``1,5,20-29``."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            numbers = range(int(first), int(last or first) + 1)
        except ValueError:
            numbers = range(0)
        if not numbers:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no seed and no range of seeds. Allowed: such as 7, 0-99, 1,5,20-29"
            )
        seeds.extend(numbers)
    return seeds


def _evaluate(arguments: argparse.Namespace) -> int:
    import_modules(arguments.imports)
    agent = load_agent(arguments.run_id, arguments.env)
    result = evaluate(agent, arguments.seeds, arguments.episodes, greedy=not arguments.sampled)
    if arguments.json:
        print(
            json.dumps(
                {
                    "run_id": arguments.run_id,
                    "greedy": not arguments.sampled,
                    "mean_score": result.mean(),
                    "endings": result.ending_counts(),
                    "seeds": result.seeds.tolist(),
                    "scores": result.scores.tolist(),
                    "returns": result.returns.tolist(),
                    "lengths": result.lengths.tolist(),
                }
            )
        )
        return 0
    scores = result.scores
    low, middle, high = np.percentile(scores, [0, 50, 100])
    how = "sampled" if arguments.sampled else "greedy"
    print(f"{arguments.run_id}: {len(scores)} episodes, {how}")
    print(f"score   mean {result.mean():.2f} (standard deviation {scores.std():.2f})")
    print(f"        lowest {low:g}, median {middle:g}, highest {high:g}")
    print(f"return  mean {result.returns.mean():.3f}")
    print(f"length  mean {result.lengths.mean():.1f} steps")
    endings = result.ending_counts()
    print("endings " + ", ".join(f"{name} {count}" for name, count in endings.items()))
    return 0


def _runs(arguments: argparse.Namespace) -> int:
    storage = get_storage_manager()
    runs = storage.list_runs(arguments.env)
    if arguments.json:
        print(json.dumps({"models": str(storage.base_dir), "runs": runs}))
        return 0
    print(f"Models folder: {storage.base_dir}")
    if not runs:
        print("No runs yet. `rlplay train` makes one.")
        return 0
    rows = [
        (
            *("RUN", "NAME", "ALGO", "ENV", "STEPS", "EPISODES", "MEAN", "BEST", "CREATED", "MB"),
            "STATE",
        )
    ]
    for run in runs:
        rows.append(
            (
                run["run_id"],
                _shortened(run["name"] or ""),
                run["algo"] or "?",
                run["env_name"],
                f"{run['steps']:,}",
                f"{run['episodes']:,}",
                "" if run["avg_score"] is None else f"{run['avg_score']:.1f}",
                "" if run["best_score"] is None else f"{run['best_score']:g}",
                (run["created_at"] or "")[:16].replace("T", " "),
                f"{run['size'] / 1e6:.1f}",
                "in use" if run["holder"] else "can go on" if run["resumable"] else "",
            )
        )
    _print_table(rows, right=(4, 5, 6, 7, 9))
    for run in runs:
        if run["broken"]:
            print(f"{run['run_id']} is broken: {run['broken']}", file=sys.stderr)
    return 0


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1].rstrip()}…"


def _print_table(rows: Sequence[tuple[str, ...]], right: Sequence[int] = ()) -> None:
    """Print rows in columns as wide as their widest cell, without empty columns."""
    rows = [tuple(map(printable, row)) for row in rows]
    columns = [index for index in range(len(rows[0])) if any(row[index] for row in rows[1:])]
    widths = {index: max(len(row[index]) for row in rows) for index in columns}
    for row in rows:
        cells = (
            row[index].rjust(widths[index]) if index in right else row[index].ljust(widths[index])
            for index in columns
        )
        print("  ".join(cells).rstrip())


def _delete(arguments: argparse.Namespace) -> int:
    storage = get_storage_manager()
    env_name = arguments.env or storage.find_run(arguments.run_id)
    storage.delete_run(env_name, arguments.run_id)
    print(f"Moved to the trash. `rlplay restore {arguments.run_id}` brings it back.")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    storage = get_storage_manager()
    env_name = arguments.env or storage.find_deleted_run(arguments.run_id)
    print(f"Restored: {storage.restore_run(env_name, arguments.run_id)}")
    return 0


def _trash(arguments: argparse.Namespace) -> int:
    storage = get_storage_manager()
    if arguments.empty:
        removed = storage.empty_trash()
        print(
            json.dumps({"removed": removed}) if arguments.json else f"Removed for good: {removed}"
        )
        return 0
    found = storage.list_trash()
    if arguments.json:
        print(json.dumps({"trash": found}))
        return 0
    if not found:
        print("The trash is empty.")
        return 0
    rows = [("RUN", "PIECE", "ENV", "DELETED", "SIZE")]
    rows += [
        (
            deleted["run_id"],
            deleted["name"] or "",
            deleted["env_name"],
            deleted["deleted_at"][:19].replace("T", " "),
            _size(deleted["size"]),
        )
        for deleted in found
    ]
    _print_table(rows, right=(4,))
    print("`rlplay restore RUN` brings a run back.")
    if any(deleted["name"] for deleted in found):
        print(
            "A piece is what was cut off when a run went on from an older checkpoint; pieces are "
            f"kept in {storage.base_dir / '.trash'}."
        )
    return 0


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 100_000 else f"{num_bytes:,} bytes"


def _replay(arguments: argparse.Namespace) -> int:
    saves = arguments.gif or arguments.mp4 or arguments.html
    if saves and (arguments.list or arguments.verify):
        raise ConfigError(
            f"rlplay replay {'--list' if arguments.list else '--verify'} writes no file. Leave it "
            "out to save the replay, which is checked then too."
        )
    import_modules(arguments.imports)
    storage = get_storage_manager()
    env_name = arguments.env or storage.find_run(arguments.run_id)
    replays = storage.list_replays(env_name, arguments.run_id)
    if not replays:
        raise RunNotFound(
            f"Run {arguments.run_id!r} has no replays yet: none of its episodes has ended."
        )
    if arguments.list:
        rows = [("ID", "EPISODE", "SCORE", "STEPS", "ENDING")]
        rows += [
            (shown["replay_id"], "", "", "", f"broken: {shown['broken']}")
            if shown["broken"]
            else (
                shown["replay_id"],
                f"{shown['episode']:,}",
                f"{shown['score']:g}",
                f"{shown['length']:,}",
                shown["ending"],
            )
            for shown in replays
        ]
        _print_table(rows, right=(1, 2, 3))
        return 0
    if arguments.verify:
        every_id = [shown["replay_id"] for shown in replays]
        chosen = [arguments.replay_id] if arguments.replay_id else every_id
        return _verify(storage, env_name, arguments.run_id, chosen)
    replay_id = arguments.replay_id
    if replay_id is None:
        whole = [shown for shown in replays if not shown["broken"]]
        if not whole:
            raise DamagedFile(f"No replay of run {arguments.run_id!r} can be read.")
        replay_id = max(whole, key=lambda shown: shown["score"])["replay_id"]
    replay = storage.load_replay(env_name, arguments.run_id, replay_id)
    if saves:
        _save(replay, arguments, storage.load_record(env_name, arguments.run_id))
    else:
        _show(replay, arguments.fps)
    check = replay.verify()
    print(
        f"Replay {replay.replay_id} of episode {replay.episode:,}: score {replay.score:g}, "
        f"{replay.length:,} steps, {printable(replay.ending)}."
    )
    if not check:
        print(f"rlplay: Played again: {printable(str(check))}.", file=sys.stderr)
        return 2
    return 0


def _save(replay: Replay, arguments: argparse.Namespace, record: dict[str, Any]) -> None:
    """Save the files that were asked for."""
    if arguments.gif:
        replay.save_gif(arguments.gif, fps=arguments.fps, every=arguments.every)
        print(f"Saved {arguments.gif}")
    if arguments.mp4:
        replay.save_mp4(arguments.mp4, fps=arguments.fps, every=arguments.every)
        print(f"Saved {arguments.mp4}")
    if arguments.html:
        replay.save_html(arguments.html, title=str(record.get("name") or "") or None)
        print(f"Saved {arguments.html}")


def _verify(storage: StorageManager, env_name: str, run_id: str, replay_ids: list[str]) -> int:
    """Play replays again and say of each whether it gives what it claims."""
    failed = 0
    for replay_id in replay_ids:
        try:
            check = storage.load_replay(env_name, run_id, replay_id).verify()
        except DamagedFile as error:
            failed += 1
            print(f"{replay_id}: {error}")
        else:
            failed += not check
            print(f"{replay_id}: {check}")
    return 2 if failed else 0


def _show(replay: Replay, fps: float) -> None:
    """Print the frames; on a terminal each over the one before, at the pace asked for."""
    on_terminal = sys.stdout.isatty()
    frames = replay.frames()
    for index, state in enumerate(frames):
        text = f"step {index:,} of {replay.length:,}\n{text_frame(state)}"
        if not on_terminal:
            print(f"{text}\n")
            continue
        # Home, each line cleared to its end, then everything below.
        begin = "\x1b[2J\x1b[H" if index == 0 else "\x1b[H"
        lines = text.replace("\n", "\x1b[K\n")
        print(f"{begin}{lines}\x1b[K\n\x1b[J", end="", flush=True)
        time.sleep(1 / fps)


def _export(arguments: argparse.Namespace) -> int:
    import_modules(arguments.imports)
    storage = get_storage_manager()
    env_name = arguments.env or storage.find_run(arguments.run_id)
    path = storage.export_run(env_name, arguments.run_id, arguments.path)
    print(f"{arguments.run_id}: exported to {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    import_modules(arguments.imports)
    if (arguments.file is None) == (arguments.sample is None):
        raise ConfigError(
            f"rlplay import takes one thing: a FILE, or --sample with one of {', '.join(SAMPLES)}."
        )
    storage = get_storage_manager()
    run = storage.import_run(arguments.file or sample_path(arguments.sample))
    print(f"{run.run_id}: imported to {storage.get_run_path(*run)}")
    return 0


def text_frame(state: dict[str, Any]) -> str:
    """Draw one frame with characters.

    Args:
        state: What an environment's `render_state` gives.

    Returns:
        For a snake the board: ``@`` the head, ``o`` the body, ``*`` the food; for any other
        environment its fields, one a line.
    """
    if not {"grid_size", "snake_position", "food_position"} <= state.keys():
        return "\n".join(f"{name}: {json.dumps(value)}" for name, value in state.items())
    size = int(state["grid_size"])
    cells = [["."] * size for _ in range(size)]
    if state["food_position"] is not None:
        cells[state["food_position"]["y"]][state["food_position"]["x"]] = "*"
    for index, place in reversed(list(enumerate(state["snake_position"]))):
        if 0 <= place["x"] < size and 0 <= place["y"] < size:
            cells[place["y"]][place["x"]] = "o" if index else "@"
    edge = "+" + "-" * (2 * size + 1) + "+"
    rows = [f"| {' '.join(row)} |" for row in cells]
    last = f"score {state['score']}   hunger {state['hunger']}   steps {state['steps']}"
    if state["game_over"]:
        last += f"   {'won' if state['won'] else state['death_reason'] or 'cut'}"
    return "\n".join([edge, *rows, edge, last])
