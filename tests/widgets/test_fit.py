from rlplay.config import get_default_config
from rlplay_widgets.draft import Draft


def test_another_world_brings_an_algorithm_that_fits_and_says_so():
    draft = Draft(get_default_config("q-learning", "gridworld"))
    assert draft.set("env_name", "bandit")
    assert (draft.config.algo, draft.notice) == ("q-learning", "")
    assert draft.set("env_name", "snake")
    assert (draft.config.algo, draft.config.env_name) == ("ppo", "snake")
    assert "'q-learning' keeps a table" in draft.notice
    assert draft.notice.endswith("'ppo' learns here instead.")
    assert draft.set("algo", "dqn")
    assert draft.notice == ""


def test_an_algorithm_that_does_not_fit_is_refused_with_the_reason():
    draft = Draft(get_default_config("ppo", "snake"))
    assert not draft.set("algo", "sarsa")
    assert draft.config.algo == "ppo"
    assert "'snake' has no numbered states" in draft.problems[("algo",)]
