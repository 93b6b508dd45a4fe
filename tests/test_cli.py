"""The command line, as a person types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_config_path
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from nbformat.sign import NotebookNotary

from rlplay.agents import AGENT_REGISTRY
from rlplay.cli import lab, library, machine, main
from rlplay.cli import train as train_command
from rlplay.cli.lab import copy_notebooks, trust_notebooks
from rlplay.cli.library import text_frame
from rlplay.config import RunConfig, get_default_config
from rlplay.envs import ENV_REGISTRY, create_env
from rlplay.envs.snake.config import REWARD_VARIABLES
from rlplay.storage import StorageManager
from rlplay.storage.checkpoint import pack

TINY = ["--steps", "2000", "--num-envs", "16", "--network", "8", "--env.grid-size", "4", "--quiet"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Give the models folder and the id of a short run, trained by the command line."""
    folder = tmp_path_factory.mktemp("trained") / "models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLPLAY_MODELS", str(folder))
        assert main(["train", *TINY, "--name", "tiny", "--run-id", "tiny-1"]) == 0
    return SimpleNamespace(folder=folder, run_id="tiny-1")


@pytest.fixture
def asked(monkeypatch):
    """Catch what `rlplay train` would train."""
    caught = []

    def instead(session, **options):
        caught.append((session.config, options))
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "train", instead)

    def ask(*words):
        assert main(["train", *words]) == 130
        return caught[-1][0]

    ask.options = lambda: caught[-1][1]
    return ask


def fails(capsys, *words):
    """Run what must be refused; give the one line that says why."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("rlplay: ")
    return captured.err


# train: flags


def test_help_explains_every_option_of_every_algorithm_from_its_declaration(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    spec = ENV_REGISTRY["snake"]
    parts = [("", agent.hyperparameters) for agent in AGENT_REGISTRY.values()]
    parts += [("env.", spec.config_model), ("reward.", spec.reward_model)]
    for prefix, model in parts:
        for name, field in model.model_fields.items():
            assert f"--{prefix}{name.replace('_', '-')}" in text
            assert " ".join(field.description.split()) in text, name
    for name in RunConfig.model_fields.keys() - {*train_command._SPECIAL}:
        assert f"--{name.replace('_', '-')}" in text


def test_help_shows_range_unit_and_the_default_of_the_chosen_algorithm(capsys):
    assert main(["train", "--algo", "dqn", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    discount = get_default_config("dqn").hyperparams["discount"]
    assert "worth of a reward one step later (0 to 1;" in text
    assert f"default: {discount:g})" in text
    assert "(4 to 64; cells; default: 10)" in text
    assert "eating an apple (-1000 to 1000 or a formula; reward; default: 1)" in text
    assert f"The variables: {', '.join(REWARD_VARIABLES)}." in text
    assert text.index("dqn: learning") < text.index("with --algo ppo: learning")


@pytest.mark.parametrize(
    ("words", "part", "name", "value"),
    [
        (["--seed", "7"], None, "seed", 7),
        (["--steps", "1e6"], None, "total_steps", 1_000_000),
        (["--total-steps", "12_000"], None, "total_steps", 12_000),
        (["--name", "123"], None, "name", "123"),
        (["--num-threads", "none"], None, "num_threads", None),
        (["--num-threads", "2"], None, "num_threads", 2),
        (["--device", "cpu"], None, "device", "cpu"),
        (["--learning-rate", "3e-4"], "hyperparams", "learning_rate", 3e-4),
        (["--learning-rate=3e-4"], "hyperparams", "learning_rate", 3e-4),
        (["--kl-limit", "none"], "hyperparams", "kl_limit", None),
        (["--kl-limit", "0.02"], "hyperparams", "kl_limit", 0.02),
        (["--algo", "dqn", "--no-dueling"], "hyperparams", "dueling", False),
        (["--algo", "dqn", "--dueling"], "hyperparams", "dueling", True),
        (["--env.grid-size", "8"], "env_config", "grid_size", 8),
        (["--env.no-hunger"], "env_config", "hunger", False),
        (["--env.frame", "absolute"], "env_config", "frame", "absolute"),
        (["--env.danger", "binary"], "env_config", "danger", "binary"),
        (["--env.vision", "-1"], "env_config", "vision", -1),
        (["--reward.death-wall", "-2"], "reward_config", "death_wall", -2.0),
        (["--reward.step=-1e-3"], "reward_config", "step", -1e-3),
        (["--reward.closer", "0.1 * hunger"], "reward_config", "closer", "0.1 * hunger"),
        (["--reward.step=-hunger/100"], "reward_config", "step", "-hunger/100"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_flags_reach_the_config(asked, words, part, name, value):
    config = asked(*words)
    found = getattr(config, name) if part is None else getattr(config, part)[name]
    assert found == value
    assert type(found) is type(value)


def test_without_flags_it_is_the_default_config(asked):
    assert asked() == get_default_config("ppo", "snake")
    assert asked.options() == {"seconds": None, "progress": True}
    assert asked("--algo", "dqn", "--seconds", "1.5", "--quiet") == get_default_config("dqn")
    assert asked.options() == {"seconds": 1.5, "progress": False}


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("192,64:tanh", [(192, "relu"), (64, "tanh")]),
        ("none", []),
        ('[{"units": 8, "activation": "sigmoid"}]', [(8, "sigmoid")]),
    ],
)
def test_the_network(asked, text, layers):
    network = asked("--network", text).network_config["layers"]
    assert [(layer["units"], layer["activation"]) for layer in network] == layers


def test_an_option_named_like_a_flag_of_every_run_keeps_its_full_name(asked, monkeypatch):
    from pydantic import Field

    from rlplay.agents import register_agent
    from rlplay.agents.ppo import PPO

    class Options(PPO.Hyperparameters):
        seed: int = Field(3, ge=0, description="a second seed")

    monkeypatch.setitem(AGENT_REGISTRY, "twin", None)  # taken out again afterwards
    del AGENT_REGISTRY["twin"]
    register_agent("twin")(type("Twin", (PPO,), {"Hyperparameters": Options}))
    config = asked("--algo", "twin", "--seed", "1", "--hyperparams.seed", "2")
    assert (config.seed, config.hyperparams["seed"]) == (1, 2)


# train: files


def write(path, values):
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return str(path)


def test_a_file_of_options_lies_between_defaults_and_flags(asked, tmp_path):
    path = write(
        tmp_path / "some.json",
        {"algo": "dqn", "seed": 5, "env_config": {"grid_size": 6, "food": False}},
    )
    config = asked("--config", path, "--env.grid-size", "7")
    expected = get_default_config("dqn").replace(seed=5, env_config={"grid_size": 7, "food": False})
    assert config == expected


def test_the_config_of_a_saved_run_makes_another_one_like_it(asked, trained):
    path = trained.folder / "snake" / trained.run_id / "config.json"
    config = asked("--config", str(path), "--seed", "9")
    saved = StorageManager(trained.folder).load_config("snake", trained.run_id)
    assert config.run_id is None
    assert config == saved.replace(run_id=None, seed=9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], "must hold a JSON object"),
        ('{"seed": ', "is not JSON"),
        ({"sed": 1}, "no option 'sed'"),
        ({"format_version": 1, "seed": -1}, "seed"),
        ({"env_name": "snak"}, "Did you mean 'snake'"),
    ],
    ids=str,
)
def test_a_bad_file_is_one_clear_line(capsys, tmp_path, values, message):
    assert message in fails(capsys, "train", "--config", write(tmp_path / "x.json", values))


# train: wrong input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--algo", "pop"], "Did you mean 'ppo'"),
        (["--env", "snaek"], "Did you mean 'snake'"),
        (["--preset", "nothing"], "No preset 'nothing'"),
        (["--config", "nowhere.json"], "Cannot read nowhere.json"),
        (["--import", "no_such_module"], "No module 'no_such_module'"),
        (["--grid-size", "8"], "Did you mean '--env.grid-size'"),
        (["--clip", "0.1", "--algo", "dqn"], "no option '--clip' with dqn on snake"),
        (["--algo", "sarsa"], "'snake' has no numbered states"),
        (["--reward.closer", "scor * 2"], "no variable 'scor'. Did you mean 'score'?"),
        (["--learning-rate", "7"], "learning_rate = 7.0"),
        (["--learning-rate", "fast"], "learning_rate = 'fast'"),
        (["--seed", "1.5"], "seed = 1.5"),
        (["--env.grid-size", "3"], "grid_size = 3"),
        (["--env.frame", "round"], "frame = 'round'"),
        (["--device", "gpu"], "device = 'gpu'"),
        (["--network", "8,8:rellu"], "Did you mean 'relu'"),
        (["--run-id", "../up"], "../up"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_is_one_clear_line(capsys, words, message):
    assert message in fails(capsys, "train", "--quiet", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--seconds", "0"], "0 is not above 0"),
        (["train", "--seconds"], "expected one argument"),
        (["train", "--resume", "a", "--reproduce", "b"], "not allowed with argument"),
        (["train", "--fork", "a", "--resume", "b"], "not allowed with argument"),
        (["replay", "a", "--list", "--verify"], "not allowed with argument"),
        (["train", "--network", "8,wide"], "'wide' is no layer"),
        (["evaluate", "run", "--seeds", "5-1"], "'5-1' is no seed"),
        (["evaluate"], "RUN"),
        (["runs", "--wat"], "unrecognized arguments: --wat"),
        (["dance"], "invalid choice: 'dance'"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_words_that_cannot_be_read(capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_models_folder_that_cannot_be_written(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "file" / "models"))
    assert "file" in fails(capsys, "train", *TINY)
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "file"))
    assert "is a file, where the models folder" in fails(capsys, "runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env.blocks", '["mine"]'], "No observation block 'mine'"),
        (["--reward.function", "mine"], "No reward function 'mine'"),
        (["--env", "gymnasium:Pendulum-v1"], "Discrete"),
    ],
    ids=["block", "reward", "actions"],
)
def test_a_start_that_is_refused_leaves_no_run(capsys, models_folder, words, message):
    assert message in fails(capsys, "train", "--quiet", "--seconds", "1", *words)
    assert StorageManager(models_folder).list_runs() == []


def test_a_reward_without_a_value_ends_a_training_with_a_word(capsys, models_folder):
    error = fails(capsys, "train", *TINY, "--run-id", "bad", "--reward.step", "1 / (hunger - 3)")
    assert "hunger = 3" in error
    assert "'bad' was stopped there, and is saved" in error
    assert StorageManager(models_folder).weights_exist("snake", "bad")


# a run's life


def test_a_stopped_run_goes_on_and_is_done_again(models_folder, capsys):
    storage = StorageManager(models_folder)
    assert main(["train", *TINY, "--steps", "20000", "--run-id", "one", "--seconds", "0.01"]) == 0
    stopped = storage.checkpoints("snake", "one").entries()[0]
    assert main(["train", "--resume", "one", "--quiet"]) == 0
    ended = storage.checkpoints("snake", "one").entries()[0]
    assert (stopped.is_last, ended.is_last) == (False, True)
    assert ended.step > stopped.step
    capsys.readouterr()
    assert main(["train", "--reproduce", "one", "--quiet"]) == 0
    (again,) = {run["run_id"] for run in storage.list_runs()} - {"one"}
    assert f"rlplay evaluate {again}" in capsys.readouterr().out
    one, other = (storage.load_weights("snake", run_id) for run_id in ("one", again))
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


def test_a_fork_begins_with_the_weights_and_other_options(trained, capsys, monkeypatch, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(trained.folder, models)
    monkeypatch.setenv("RLPLAY_MODELS", str(models))
    storage = StorageManager(models)
    error = fails(capsys, "train", "--resume", trained.run_id)
    assert f"rlplay train --fork {trained.run_id} --steps 2000" in error
    error = fails(capsys, "train", "--resume", trained.run_id, "--name", "my run", "--quiet")
    assert f"rlplay train --fork {trained.run_id} --name 'my run' --quiet" in error
    error = fails(capsys, "train", "--fork", trained.run_id, "--device", "cuda")
    assert "this machine has no" in error
    words = ["--fork", trained.run_id, "--steps", "3200", "--learning-rate", "0.0002", "--quiet"]
    assert main(["train", *words, "--run-id", "fork-1"]) == 0
    capsys.readouterr()
    fork, parent = (storage.load_record("snake", name) for name in ("fork-1", trained.run_id))
    assert fork["parent"] == {"run_id": trained.run_id, "step": 2_000}
    assert fork["name"] == "tiny forked"
    assert fork["total_steps"] == 3_200
    assert fork["hyperparams"] == {**parent["hyperparams"], "learning_rate": 0.0002}
    assert fork["env_config"] == parent["env_config"]
    runs = {run["run_id"]: run["steps"] for run in storage.list_runs()}
    assert runs == {"fork-1": 3_200, trained.run_id: 2_000}

    assert "layer 1 of 2" in fails(capsys, "train", "--fork", trained.run_id, "--network", "16")
    for flag, value in (("--algo", "dqn"), ("--preset", "classic"), ("--config", "x.json")):
        assert f"no {flag}" in fails(capsys, "train", "--fork", trained.run_id, flag, value)
    assert "Did you mean 'tiny-1'" in fails(capsys, "train", "--fork", "tiny-2")
    assert len(storage.list_runs()) == 2


def test_runs_lists_what_was_trained_and_where(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert main(["runs"]) == 0
    first, header, row = capsys.readouterr().out.splitlines()
    assert first == f"Models folder: {trained.folder}"
    assert header.split()[:3] == ["RUN", "NAME", "ALGO"]
    assert row.split()[:4] == [trained.run_id, "tiny", "ppo", "snake"]
    assert main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["run_id"] == trained.run_id
    assert run["steps"] >= 1


def test_no_runs_yet(capsys, models_folder):
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == (
        f"Models folder: {models_folder}\nNo runs yet. `rlplay train` makes one.\n"
    )


def test_a_broken_run_does_not_hide_the_others(trained, capsys, monkeypatch, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(trained.folder, models)
    shutil.copytree(models / "snake" / trained.run_id, models / "snake" / "broken-1")
    (models / "snake" / "broken-1" / "config.json").write_text("{")
    monkeypatch.setenv("RLPLAY_MODELS", str(models))
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    assert trained.run_id in captured.out
    assert captured.err.startswith("broken-1 is broken: ")


def test_runs_says_which_are_in_use_and_which_can_go_on(trained, capsys, monkeypatch, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(trained.folder, models)
    monkeypatch.setenv("RLPLAY_MODELS", str(models))
    storage = StorageManager(models)
    run = "snake", trained.run_id
    total_steps = storage.load_config(*run).total_steps
    for step, last in ((total_steps - 1, "can go on"), (total_steps, "")):
        storage.save_checkpoint(
            *run,
            pack({}),
            step=step,
            items=1,
            metrics_bytes=0,
            events_bytes=0,
            is_last=not last,
        )
        assert main(["runs"]) == 0
        _, header, row = capsys.readouterr().out.splitlines()
        assert header.split()[-1] == ("STATE" if last else "MB")
        assert row.endswith(last)
    storage.claim("snake", trained.run_id, "a session")
    try:
        assert main(["runs"]) == 0
        assert capsys.readouterr().out.endswith("in use\n")
        assert "is being written by a session" in fails(capsys, "delete", trained.run_id)
    finally:
        storage.release("snake", trained.run_id)


def test_delete_restore_and_the_trash(trained, capsys, monkeypatch, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(trained.folder, models)
    monkeypatch.setenv("RLPLAY_MODELS", str(models))
    run = models / "snake" / trained.run_id
    assert main(["trash"]) == 0
    assert capsys.readouterr().out == "The trash is empty.\n"

    assert main(["delete", trained.run_id]) == 0
    assert capsys.readouterr().out == (
        f"Moved to the trash. `rlplay restore {trained.run_id}` brings it back.\n"
    )
    assert not run.exists()
    assert f"No run '{trained.run_id}'" in fails(capsys, "delete", trained.run_id)
    assert main(["trash"]) == 0
    header, row, hint = capsys.readouterr().out.splitlines()
    assert header.split() == ["RUN", "ENV", "DELETED", "SIZE"]
    assert row.split()[:2] == [trained.run_id, "snake"]
    assert hint == "`rlplay restore RUN` brings a run back."

    assert f"Did you mean '{trained.run_id}'" in fails(capsys, "restore", "tiny-2")
    assert main(["restore", trained.run_id]) == 0
    assert capsys.readouterr().out == f"Restored: {run}\n"
    assert run.is_dir()

    assert main(["delete", trained.run_id, "--env", "snake"]) == 0
    capsys.readouterr()
    assert main(["trash", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["trash"]
    assert entry["run_id"] == trained.run_id
    assert main(["trash", "--empty"]) == 0
    assert capsys.readouterr().out == "Removed for good: 1\n"
    assert main(["trash", "--empty", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 0}
    assert "in the trash" in fails(capsys, "restore", trained.run_id)

    piece = StorageManager(models).to_trash("snake", "other", "metrics.jsonl-from-7", content=b"{}")
    assert main(["trash"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"other +metrics\.jsonl-from-7 +snake .* 2 bytes", out)
    assert str(models / ".trash") in out
    assert f"only what was taken out of it: {piece}" in fails(capsys, "restore", "other")


def test_evaluate(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert main(["evaluate", trained.run_id, "--seeds", "1,5-7", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["seeds"] == [1, 5, 6, 7]
    assert len(first["scores"]) == 4
    assert main(["evaluate", trained.run_id, "--episodes", "10"]) == 0
    assert "10 episodes, greedy\nscore   mean " in capsys.readouterr().out
    assert main(["evaluate", trained.run_id, "--episodes", "3", "--sampled", "--env", "snake"]) == 0
    assert "3 episodes, sampled" in capsys.readouterr().out


def test_evaluate_what_is_not_there(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert f"Did you mean '{trained.run_id}'" in fails(capsys, "evaluate", "tiny-2")


def test_replay(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert main(["replay", trained.run_id, "--list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["ID", "EPISODE", "SCORE", "STEPS", "ENDING"]
    assert rows
    chosen = rows[0].split()[0]
    assert main(["replay", trained.run_id, chosen]) == 0
    text = capsys.readouterr().out
    replay = StorageManager(trained.folder).load_replay("snake", trained.run_id, chosen)
    assert text.count(f" of {replay.length:,}\n") == replay.length + 1
    assert f"score {replay.score:g}, {replay.length:,} steps, {replay.ending}." in text


def test_replay_without_an_id_is_the_best_one(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert main(["replay", trained.run_id]) == 0
    replays = StorageManager(trained.folder).list_replays("snake", trained.run_id)
    best = max(replay["score"] for replay in replays)
    assert f"score {best:g}, " in capsys.readouterr().out.splitlines()[-1]


def test_export_and_import(trained, capsys, monkeypatch, models_folder, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    assert main(["export", trained.run_id]) == 0
    assert f"exported to {tmp_path / 'tiny-1.zip'}" in capsys.readouterr().out
    assert main(["export", trained.run_id, "other.zip", "--env", "snake"]) == 0
    capsys.readouterr()
    assert "must end in '.zip'" in fails(capsys, "export", trained.run_id, "thesis.docx")
    assert "No run 'tiny-2'" in fails(capsys, "export", "tiny-2")

    monkeypatch.setenv("RLPLAY_MODELS", str(models_folder))
    assert main(["import", "other.zip"]) == 0
    run_id, _, where = capsys.readouterr().out.strip().partition(": imported to ")
    assert where == str(models_folder / "snake" / run_id)
    assert main(["evaluate", run_id, "--episodes", "2"]) == 0
    assert main(["replay", run_id]) == 0
    capsys.readouterr()
    (tmp_path / "other.zip").write_bytes(b"no zip")
    assert "it is no zip file" in fails(capsys, "import", "other.zip")
    assert "there is no such file" in fails(capsys, "import", "none.zip")


def test_a_terminal_obeys_no_name(trained, capsys, monkeypatch):
    """Whoever named an imported run could write more than a name."""
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    storage = StorageManager(trained.folder)
    storage.rename_run("snake", trained.run_id, "\x1b[2Jgone\x9b")
    try:
        assert main(["runs"]) == 0
        assert "\x1b" not in (output := capsys.readouterr().out)
        assert "[2Jgone" in output
    finally:
        storage.rename_run("snake", trained.run_id, "tiny")


def test_replay_on_a_terminal_draws_in_place(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    waited = []
    monkeypatch.setattr(library, "time", SimpleNamespace(sleep=waited.append))
    assert main(["replay", trained.run_id, "--fps", "20"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("\x1b[2J\x1b[H")
    assert set(waited) == {0.05}
    assert len(waited) == text.count("\x1b[H")


def test_replay_saves_files_instead(trained, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    gif, page = tmp_path / "best.gif", tmp_path / "best.html"
    command = ["replay", trained.run_id, "--gif", str(gif), "--html", str(page), "--every", "2"]
    assert main(command) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"Saved {gif}", f"Saved {page}")
    assert last.startswith("Replay e")
    assert gif.read_bytes().startswith(b"GIF89a")
    assert "<h1>tiny</h1>" in page.read_text("utf-8")  # the run's name
    assert "every = 0" in fails(capsys, "replay", trained.run_id, "--gif", str(gif), "--every", "0")


def test_replay_names_the_extra_of_a_video(trained, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    words = fails(capsys, "replay", trained.run_id, "--mp4", str(tmp_path / "best.mp4"))
    assert "pip install imageio-ffmpeg" in words


def test_replay_verifies_all_or_one(trained, capsys, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(trained.folder))
    storage = StorageManager(trained.folder)
    ids = [shown["replay_id"] for shown in storage.list_replays("snake", trained.run_id)]
    assert main(["replay", trained.run_id, "--verify"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: ok" for name in ids]
    assert main(["replay", trained.run_id, ids[0], "--verify"]) == 0
    assert capsys.readouterr().out == f"{ids[0]}: ok\n"


def test_replay_says_which_replays_are_not_what_they_claim(trained, capsys, monkeypatch, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "models")
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "models"))
    storage = StorageManager(tmp_path / "models")
    ids = [shown["replay_id"] for shown in storage.list_replays("snake", trained.run_id)]
    replay = storage.load_replay("snake", trained.run_id, ids[0])
    path = storage.save_replay(replay.model_copy(update={"score": 99.0}))
    assert main(["replay", trained.run_id, "--verify"]) == 2
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"{ids[0]}: score: {replay.score:g}, not 99"
    assert others == [f"{name}: ok" for name in ids[1:]]
    assert main(["replay", trained.run_id, ids[0]]) == 2
    assert ", not 99." in capsys.readouterr().err
    path.write_text(path.read_text().replace('"score":99.0', '"score":98.0'))
    assert main(["replay", trained.run_id, "--verify"]) == 2
    assert "SHA-256" in capsys.readouterr().out.splitlines()[0]


def test_a_frame_of_snake():
    env = create_env("snake", grid_size=4)
    env.reset(seed=1)
    state = env.render_state()
    lines = text_frame(state).splitlines()
    assert len(lines) == 4 + 3
    (head,) = state["snake_position"]
    assert lines[1 + head["y"]][2 + 2 * head["x"]] == "@"
    food = state["food_position"]
    assert lines[1 + food["y"]][2 + 2 * food["x"]] == "*"


def test_a_frame_of_any_other_environment():
    assert text_frame({"place": [1, 2], "lamp": "on"}) == 'place: [1, 2]\nlamp: "on"'


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_and_saves(models_folder, number):
    words = ["train", "--num-envs", "512", "--network", "8", "--run-id", "long-1", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rlplay", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever started these tests in the background may have had SIGINT ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    try:
        run = models_folder / "snake" / "long-1"
        deadline = time.monotonic() + 120
        while not (run / "metrics.jsonl").is_file():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert errors == ""
    assert process.returncode == 130
    assert output == f"Stopped, and saved: {run}\nTo go on: rlplay train --resume long-1\n"
    assert StorageManager(models_folder).weights_exist("snake", "long-1")


# your own environment


GAME = """
import numpy as np
from gymnasium import spaces
from rlplay import BaseEnvironment, register_env


@register_env("coin")
class Coin(BaseEnvironment):
    '''Call the coin.'''

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.side = int(self.np_random.integers(2))
        return np.array([self.side], np.float32), {"episode_seed": seed}

    def step(self, action):
        reward = float(action == self.side)
        return np.array([self.side], np.float32), reward, True, False, {}

    def render_state(self):
        return {"side": self.side}
"""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "x = 1\nraise ValueError('boo')\n",
            ["ValueError: boo (", "broken_game.py, line 2). Mend it there."],
        ),
        ("def f(:\n", ["SyntaxError: ", "(broken_game.py, line 1)"]),
    ],
)
def test_import_of_code_that_fails_shows_its_lines(capsys, monkeypatch, tmp_path, source, words):
    (tmp_path / "broken_game.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    said = fails(capsys, "train", "--import", "broken_game.py")
    assert "'broken_game' cannot be imported: " in said
    assert all(word in said for word in words)


def test_a_config_nested_without_end(capsys, tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert "nested too deep" in fails(capsys, "train", "--config", str(tmp_path / "deep.json"))


def test_import_makes_your_own_environment_known(asked, tmp_path, monkeypatch):
    (tmp_path / "my_coin_game.py").write_text(GAME)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        config = asked("--import", "my_coin_game.py", "--env", "coin")
    finally:
        ENV_REGISTRY.pop("coin", None)
        sys.modules.pop("my_coin_game", None)
    assert config.env_name == "coin"


def test_advice_for_a_run_imports_what_it_needs(capsys, tmp_path, monkeypatch, models_folder):
    (tmp_path / "my_coin_game.py").write_text(GAME)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = ("--import", "my_coin_game.py")
    words = ("--env", "coin", "--algo", "dqn", "--steps", "300", "--num-envs", "2")
    try:
        assert main(["train", *own, *words, "--run-id", "coin-1", "--quiet"]) == 0
        advised = capsys.readouterr().out.splitlines()[-1]
        assert advised.count("coin-1 --import my_coin_game.py") == advised.count("rlplay ") == 2
        error = fails(capsys, "train", *own, "--resume", "coin-1")
        assert "rlplay train --fork coin-1 --import my_coin_game.py --steps 300" in error
        error = fails(capsys, "train", *own, "--resume", "coin-1", "--seed", "3")
        assert "rlplay train --import my_coin_game.py --fork coin-1 --seed 3" in error
    finally:
        ENV_REGISTRY.pop("coin", None)
        sys.modules.pop("my_coin_game", None)


# this machine


def test_device(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_DEVICE", "cpu")
    assert main(["device"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("device     cpu (")
    assert "chosen by  FORCE_DEVICE" in text
    assert main(["device", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "FORCE_DEVICE"
    monkeypatch.setenv("FORCE_DEVICE", "tpu")
    assert "FORCE_DEVICE='tpu' is no device" in fails(capsys, "device")


def test_doctor_on_a_machine_that_is_ready(capsys, models_folder):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("torch", "jupyterlab", "device cpu", "cores", str(models_folder), "kernel"):
        assert word in text
    assert text.endswith("\nReady.\n")
    assert len(text.splitlines()) <= 24
    assert not models_folder.exists()


def test_doctor_names_what_is_missing(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "file" / "models"))
    monkeypatch.setenv("FORCE_DEVICE", "tpu")
    real = machine.metadata.version
    pretended = {"ipykernel": "7.4.0"}

    def version(name):
        if name == "jupyterlab":
            raise machine.metadata.PackageNotFoundError(name)
        return pretended.get(name) or real(name)

    monkeypatch.setattr(machine.metadata, "version", version)
    monkeypatch.setattr(machine, "cache_is_warm", lambda: False)
    assert main(["doctor"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "MISSING jupyterlab: pip install 'rlplay[lab]'" in text
    assert "MISSING ipykernel!=7.4.0,>=7.2, found 7.4.0" in text
    assert "MISSING FORCE_DEVICE='tpu' is no device" in text
    assert "MISSING models folder" in text
    assert "note snake's rules compile at the first game" in text
    assert "Not ready: 4 missing" in text


def test_warmup(capsys):
    assert main(["warmup"]) == 0
    assert "Ready to play" in capsys.readouterr().out


# lab


@pytest.fixture
def package(tmp_path):
    """Give the notebooks folder of an installation."""
    folder = tmp_path / "site" / "notebooks"
    (folder / "source" / "pictures").mkdir(parents=True)
    (folder / "00_quickstart.ipynb").write_text("first")
    (folder / "01_more.ipynb").write_text("more")
    (folder / "build.py").write_text("pass")
    (folder / "source" / "01_more.py").write_text("# %%")
    (folder / "source" / "pictures" / "snake.png").write_text("png")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "x.ipynb").write_text("no")
    return folder


def test_notebooks_are_copied_and_updated(package, tmp_path):
    mine = tmp_path / "mine"
    assert copy_notebooks(package, mine) == []
    found = sorted(path.name for path in mine.rglob("*") if path.is_file())
    assert found == [".rlplay-notebooks.json", "00_quickstart.ipynb", "01_more.ipynb"]
    (package / "01_more.ipynb").write_text("more and better")
    assert copy_notebooks(package, mine) == []
    assert (mine / "01_more.ipynb").read_text() == "more and better"


def test_only_notebooks_of_text_and_pictures_are_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, kind in (("picture", "image/png"), ("active", "text/html")):
        notebook = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell("Hello"),
                nbformat.v4.new_code_cell(
                    "1", outputs=[nbformat.v4.new_output("display_data", {kind: "00"})]
                ),
            ]
        )
        nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / "torn.ipynb").write_text("{")
    assert trust_notebooks(folder) == ["picture.ipynb"]
    notary = NotebookNotary()
    for name, trusted in (("picture", True), ("active", False)):
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        assert notary.check_signature(notebook) is trusted


def test_edited_notebooks_are_kept(package, tmp_path):
    mine = tmp_path / "mine"
    copy_notebooks(package, mine)
    (mine / "01_more.ipynb").write_text("my answer")
    (package / "01_more.ipynb").write_text("newer")
    for _ in range(2):
        assert copy_notebooks(package, mine) == ["Kept your own 01_more.ipynb."]
    assert (mine / "01_more.ipynb").read_text() == "my answer"
    (mine / "01_more.ipynb").unlink()
    assert copy_notebooks(package, mine) == []
    assert (mine / "01_more.ipynb").read_text() == "newer"


def test_a_file_that_was_there_before_is_kept(package, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "00_quickstart.ipynb").write_text("mine")
    assert copy_notebooks(package, tmp_path / "mine") == ["Kept your own 00_quickstart.ipynb."]


@pytest.fixture
def launched(monkeypatch):
    """Catch the program that would be started."""
    commands = []

    def instead(command):
        commands.append(command)
        return 0

    monkeypatch.setattr(lab, "_become", instead)
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        monkeypatch.setenv(name, "")  # put back afterwards
    return commands


def test_lab_in_a_clone_opens_its_own_notebooks(launched, capsys, monkeypatch, package):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, True))
    assert main(["lab", "--no-browser", "--port", "8889"]) == 0
    ((python, *words),) = launched
    assert python == sys.executable
    first = str(package / "00_quickstart.ipynb")
    assert words == ["-m", "jupyterlab", first, "--no-browser", "--port", "8889"]
    assert f"Notebooks: {package}\n" in capsys.readouterr().out


def test_lab_of_an_installation_copies_the_notebooks_out(launched, monkeypatch, package, tmp_path):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, False))
    monkeypatch.chdir(tmp_path)
    assert main(["lab"]) == 0
    first = tmp_path / "rlplay-notebooks" / "00_quickstart.ipynb"
    assert launched[0][3] == str(first)
    assert first.read_text() == "first"
    assert main(["lab", "--dir", "elsewhere"]) == 0
    assert launched[1][3] == str(tmp_path / "elsewhere" / "00_quickstart.ipynb")


def test_notebooks_and_command_line_share_the_models_folder(
    launched, monkeypatch, package, tmp_path
):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, False))
    monkeypatch.delenv("RLPLAY_MODELS")
    monkeypatch.chdir(tmp_path)
    assert main(["lab"]) == 0
    assert Path(os.environ["RLPLAY_MODELS"]) == tmp_path / "models"
    monkeypatch.delenv("RLPLAY_MODELS")


def test_lab_has_jupyter_start_its_kernel(launched, monkeypatch, package):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, True))
    monkeypatch.setenv("JUPYTER_PATH", str(package))
    assert main(["lab"]) == 0
    assert os.environ["JUPYTER_PATH"].split(os.pathsep)[1:] == [str(package)]
    spec = KernelSpecManager().get_kernel_spec("python3")
    assert Path(spec.resource_dir, spec.argv[2].partition("/")[2]).resolve().name == "kernel.py"


def test_lab_has_jupyter_send_without_delay(launched, monkeypatch, package):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, True))
    assert main(["lab"]) == 0
    (folder,) = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert folder in jupyter_config_path()
    server = ServerApp(log_level="CRITICAL")
    server.load_config_file()
    connection = server.kernel_websocket_connection_class
    assert connection.__name__ == "PromptConnection"
    delays = []
    handler = Mock(spec=KernelWebsocketHandler, set_nodelay=lambda no: delays.append(not no))
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: "connected")
    opened = connection.__new__(connection)  # without a kernel
    opened.websocket_handler = handler
    assert opened.connect() == "connected"
    assert delays == [False]


def test_lab_without_jupyterlab(capsys, monkeypatch):
    monkeypatch.setattr(lab.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'rlplay[lab]'" in fails(capsys, "lab")


def test_a_folder_that_cannot_be_written(capsys, monkeypatch, package, tmp_path):
    monkeypatch.setattr(lab, "_shipped_notebooks", lambda: (package, False))
    (tmp_path / "file").touch()
    assert "--dir FOLDER" in fails(capsys, "lab", "--dir", str(tmp_path / "file" / "x"))
