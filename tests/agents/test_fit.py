import pytest

from rlplay.agents import create_agent, explain_misfit, list_algorithms
from rlplay.config import get_default_config
from rlplay.envs import get_env_spec
from rlplay.errors import ContractError

TABLES = {"q-learning", "sarsa", "monte-carlo"}
PLANNERS = {"value-iteration", "policy-iteration"}
NETWORKS = {"dqn", "ppo", "reinforce"}


@pytest.mark.parametrize(
    ("world", "fitting"),
    [
        ("snake", NETWORKS),
        ("bandit", NETWORKS | TABLES),
        ("gridworld", NETWORKS | TABLES | PLANNERS),
        ("gymnasium:CartPole-v1", NETWORKS),
        ("gymnasium:FrozenLake-v1", NETWORKS | TABLES),
    ],
)
def test_which_algorithms_fit_a_world(world, fitting):
    builtin = NETWORKS | TABLES | PLANNERS
    assert builtin <= set(list_algorithms())
    reasons = {algo: explain_misfit(get_default_config(algo, world)) for algo in builtin}
    assert {algo for algo, reason in reasons.items() if reason is None} == fitting
    for algo in builtin - fitting:
        assert repr(algo) in reasons[algo]
        assert repr(world) in reasons[algo]
        assert "Choose" in reasons[algo]


def test_an_agent_that_does_not_fit_is_refused_in_the_same_words():
    config = get_default_config("q-learning", "snake")
    world = get_env_spec("snake")
    spaces = world.env.get_spaces(world.config_model.model_validate(config.env_config))
    with pytest.raises(ContractError) as caught:
        create_agent(config, *spaces)
    assert str(caught.value) == explain_misfit(config)
