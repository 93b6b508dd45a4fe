from __future__ import annotations

import pytest

import rlplay
from rlplay_widgets.code import code_for


def config_of(code: str) -> rlplay.RunConfig:
    """Run the code, all but the training."""
    lines = [line for line in code.splitlines() if not line.startswith("run = ")]
    assert len(lines) == len(code.splitlines()) - 1
    names: dict = {}
    exec("\n".join(lines), names)
    return names["config"]


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_what_stands_at_its_default_is_not_written(algo) -> None:
    for preset in rlplay.list_presets(algo):
        config = rlplay.get_default_config(algo, preset=preset)
        code = code_for(config)
        assert config_of(code) == config
        assert "replace" not in code


def test_every_kind_of_change_is_reproduced() -> None:
    layers = [{"type": "dense", "units": units} for units in (512, 256, 128, 64, 32)]
    config = rlplay.get_default_config("ppo").replace(
        run_id="r1",
        name="a 'quoted' \"name\" \\ with a\nline and \U0001f40d",
        seed=20_240_501,
        total_steps=1_234_567,
        env_config={"grid_size": 7, "max_steps": 500},
        reward_config={"apple": "1 + score / 10", "step": -0.01},
        network_config={"layers": layers},
        hyperparams={"learning_rate": 3e-4},
        device="cpu",
        num_threads=1,
    )
    code = code_for(config, seconds=90)
    assert config_of(code) == config.replace(run_id=None)
    assert "total_steps=1_234_567" in code
    assert "rlplay.train(config, seconds=90)" in code
    assert max(map(len, code.splitlines())) <= 100


def test_the_code_trains(tmp_path, monkeypatch) -> None:
    config = rlplay.get_default_config("dqn").replace(
        num_envs=2, total_steps=200, env_config={"grid_size": 5}
    )
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path))
    names: dict = {}
    exec(code_for(config), names)
    assert names["run"].snapshot().total_steps >= 200
