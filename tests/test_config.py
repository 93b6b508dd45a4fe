import dataclasses
import json

import pytest

import rlplay
from rlplay.agents import AGENT_REGISTRY
from rlplay.config import RunConfig, get_default_config, list_presets
from rlplay.errors import ConfigError, UnknownAlgorithm, UnknownEnvironment, UnknownPreset
from rlplay.training.loop import TrainingLoop, Update


def test_a_config_holds_every_option_and_goes_through_json():
    config = get_default_config("ppo")
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert config.env_config["grid_size"] == 10
    assert config.reward_config["apple"] == 1.0
    assert config.hyperparams["clip"] > 0
    assert config.network_config["layers"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"algo": "pppo"}, UnknownAlgorithm, ["'pppo'", "'ppo'", "dqn"]),
        ({"env_name": "snak"}, UnknownEnvironment, ["'snak'", "'snake'"]),
        ({"hyperparam": {}}, ConfigError, ["'hyperparam'", "'hyperparams'"]),
        ({"hyperparams": {"learning_rat": 1}}, ConfigError, ["'learning_rat'", "'learning_rate'"]),
        ({"hyperparams": {"learning_rate": 2}}, ConfigError, ["learning_rate", "2", "<= 1"]),
        ({"hyperparams": {"learning_rate": float("nan")}}, ConfigError, ["learning_rate", "nan"]),
        ({"env_config": {"grid_size": 3}}, ConfigError, ["grid_size", "3", ">= 4"]),
        ({"reward_config": {"appel": 1}}, ConfigError, ["'appel'", "'apple'"]),
        ({"network_config": {"layers": [{"units": 0}]}}, ConfigError, ["layer 1 of 1", "units"]),
        ({"num_envs": 0}, ConfigError, ["num_envs", "0", ">= 1"]),
        ({"num_envs": 2.5}, ConfigError, ["num_envs", "2.5"]),
        ({"seed": -1}, ConfigError, ["seed", "-1"]),
        ({"device": "gpu"}, ConfigError, ["device", "gpu", "cuda"]),
        ({"hyperparams": "fast"}, ConfigError, ["JSON object", "str"]),
    ],
)
def test_bad_input_says_what_came_and_what_is_allowed(changes, error, words):
    with pytest.raises(error) as caught:
        RunConfig.from_dict({"algo": "ppo", "env_name": "snake", **changes})
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"total_steps": 0},
            "A run's config: total_steps = 0 is not allowed. Allowed: >= 1 and <= 1000000000000.",
        ),
        (
            {"num_envs": "many"},
            "A run's config: num_envs = 'many' is not allowed. Needed is a whole number. "
            "Allowed: >= 1 and <= 16384.",
        ),
        (
            {"name": "x" * 300},
            f"A run's config: name = '{'x' * 59}… is not allowed. "
            "Needed is at most 200 characters.",
        ),
        (
            {"device": "gpu"},
            "A run's config: device = 'gpu' is not allowed. Needed is 'auto', 'cpu', 'cuda' or "
            "'mps'.",
        ),
    ],
)
def test_a_message_is_in_plain_words_and_short(changes, message):
    with pytest.raises(ConfigError) as caught:
        get_default_config().replace(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("  my\n best\trun ", "my best run"),
        ("   ", ""),
        ("a\x00b\x1bc\u202egnp.exe\u2066", "abcgnp.exe"),
        ("\u200b \ufeff", ""),
        (
            "\N{WOMAN}\u200d\N{WOMAN} \u0645\u06cc\u200c",
            "\N{WOMAN}\u200d\N{WOMAN} \u0645\u06cc\u200c",
        ),
    ],
)
def test_a_name_is_one_line_that_changes_nothing_around_it(name, title):
    assert get_default_config().replace(name=name).name == title


@pytest.mark.parametrize("value", [[], "snake", 3, None])
def test_a_config_that_is_no_json_object(value):
    with pytest.raises(ConfigError, match="must be a JSON object"):
        RunConfig.from_dict(value)


def test_replace_merges_the_parts_and_drops_those_of_another_algorithm():
    config = get_default_config("ppo").replace(hyperparams={"clip": 0.1})
    changed = config.replace(hyperparams={"discount": 0.5}, env_config={"grid_size": 6})
    assert changed.hyperparams["clip"] == 0.1
    assert changed.hyperparams["discount"] == 0.5
    assert changed.env_config["grid_size"] == 6
    assert "clip" not in config.replace(algo="dqn").hyperparams
    with pytest.raises(ConfigError, match="clip"):
        config.replace(hyperparams={"clip": -1})


@pytest.mark.parametrize("algo", rlplay.list_algorithms())
def test_every_preset_is_a_whole_config(algo):
    for world in ("snake", "gridworld"):
        presets = list_presets(algo, world)
        assert presets[0] == "default"
        for preset in presets:
            assert get_default_config(algo, world, preset).algo == algo
        with pytest.raises(UnknownPreset, match=r"'defalt'.*Available: default"):
            get_default_config(algo, world, "defalt")


@pytest.mark.parametrize("preset", ["default", "fast", "stable", "best", "classic"])
@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_every_preset_for_snake_trains_and_says_what_it_is_for(algo, preset):
    config = get_default_config(algo, "snake", preset)
    sentence = rlplay.describe_preset(algo, "snake", preset)
    assert sentence.endswith(".")
    assert sentence.count(".") == 1
    assert (config == get_default_config(algo, "snake")) == (preset == "default")
    loop = TrainingLoop(config.replace(num_threads=1, hyperparams=SMALL[algo]))
    updates = 0
    for item in loop.run():
        updates += isinstance(item, Update)
        if updates == 2:
            break
    assert loop.total_steps >= 256
    assert item.metrics["loss"] == pytest.approx(item.metrics["loss"])


#: What makes the first update come soon.
SMALL = {"ppo": {"num_steps": 4}, "dqn": {"learning_starts": 256, "batch_size": 64}}


def test_fast_is_light_and_best_is_long():
    for algo in ("ppo", "dqn"):
        default, fast, best = (
            get_default_config(algo, "snake", name) for name in ("default", "fast", "best")
        )
        assert fast.num_envs < default.num_envs
        assert fast.total_steps < default.total_steps < best.total_steps
    assert best.hyperparams["final_epsilon"] < default.hyperparams["final_epsilon"]
    assert get_default_config("ppo", "snake", "best").hyperparams["num_minibatches"] == 32


def test_a_preset_that_says_nothing_and_one_that_is_not_there():
    spec = dataclasses.replace(
        AGENT_REGISTRY["ppo"], name="mute", presets={"snake": {"odd": {"num_envs": 3}}}
    )
    AGENT_REGISTRY["mute"] = spec
    try:
        assert rlplay.describe_preset("mute", "snake", "odd") == ""
        assert rlplay.describe_preset("mute", "snake", "default") == ""
        assert get_default_config("mute", "snake", "odd").num_envs == 3
    finally:
        del AGENT_REGISTRY["mute"]
    assert rlplay.describe_preset("ppo", "elsewhere", "default").startswith("Works for")
    with pytest.raises(UnknownPreset, match=r"'fasst'.*'fast'"):
        rlplay.describe_preset("ppo", "snake", "fasst")


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_classic_sees_fifteen_numbers(algo):
    config = get_default_config(algo, "snake", "classic")
    env = rlplay.create_env("snake", config.reward_config, **config.env_config)
    assert env.observation_space.shape == (15,)


def test_every_hyperparameter_is_described_with_a_range():
    for name in rlplay.list_algorithms():
        for option, field in rlplay.AGENT_REGISTRY[name].hyperparameters.model_fields.items():
            assert field.description, option
            assert field.json_schema_extra["group"], option
            if field.annotation in (int, float):
                assert {type(bound).__name__ for bound in field.metadata} & {"Ge", "Gt"}, option
                assert {type(bound).__name__ for bound in field.metadata} & {"Le", "Lt"}, option
