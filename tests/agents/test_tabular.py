from __future__ import annotations

import numpy as np
import pytest
import torch

import rlplay
from rlplay.agents import create_agent
from rlplay.envs.onehot import OneHot
from rlplay.errors import ContractError, TrainingDiverged, WeightsMismatch
from rlplay.training.loop import TrainingLoop

TABLES = ("q-learning", "sarsa", "monte-carlo", "value-iteration", "policy-iteration")


def agent(algo: str, states: int = 3, actions: int = 2, **hyperparams):
    from gymnasium.spaces import Discrete

    config = rlplay.get_default_config(algo, "bandit").replace(
        hyperparams={"learning_rate": 0.5, "discount": 0.9, **hyperparams}
    )
    return create_agent(config, OneHot(states), Discrete(actions))


def see(*states: int, count: int = 3):
    return np.eye(count, dtype=np.float32)[list(states)]


def store(agent, state, action, reward, following, terminated=False, truncated=False):
    agent.store_transition(
        see(state),
        np.array([action]),
        np.array([reward], np.float32),
        see(following),
        np.array([terminated]),
        np.array([truncated]),
    )


def learn(agent):
    while agent.updates_due:
        agent.train_step()


def test_q_learning_by_hand():
    learner = agent("q-learning")
    learner.q[1] = (2.0, 4.0)
    store(learner, 0, 1, 1.0, 1)
    assert learner.updates_due == 1
    metrics = learner.train_step()
    # 0 + 0.5 (1 + 0.9 * 4 - 0) = 2.3
    assert learner.q[0].tolist() == [0.0, 2.3]
    assert metrics["loss"] == pytest.approx(4.6**2)
    assert learner.updates_due == 0
    assert learner.train_step() == {}


@pytest.mark.parametrize("algo", ["q-learning", "sarsa", "monte-carlo"])
def test_nothing_follows_a_terminated_step_and_something_a_truncated_one(algo):
    ended, cut = (
        agent(algo, epsilon=0.0, final_epsilon=0.0),
        agent(algo, epsilon=0.0, final_epsilon=0.0),
    )
    for learner in (ended, cut):
        learner.q[2] = (10.0, 6.0)
    store(ended, 0, 0, 1.0, 2, terminated=True)
    store(cut, 0, 0, 1.0, 2, truncated=True)
    learn(ended)
    learn(cut)
    assert ended.q[0, 0] == 0.5
    assert cut.q[0, 0] == pytest.approx(0.5 * (1 + 0.9 * 10))


def test_sarsa_waits_for_the_action_that_is_taken():
    learner = agent("sarsa")
    learner.q[1] = (2.0, 4.0)
    store(learner, 0, 1, 1.0, 1)
    assert learner.updates_due == 0
    store(learner, 1, 0, 0.0, 2)  # takes the worse one
    learn(learner)
    assert learner.q[0, 1] == pytest.approx(0.5 * (1 + 0.9 * 2))


def test_sarsa_goes_on_with_the_mean_where_an_episode_was_cut():
    learner = agent("sarsa", epsilon=0.5, final_epsilon=0.5)
    learner.q[2] = (10.0, 6.0)
    store(learner, 0, 0, 0.0, 2, truncated=True)
    learn(learner)
    assert learner.q[0, 0] == pytest.approx(0.5 * 0.9 * (0.75 * 10 + 0.25 * 6))


def test_monte_carlo_learns_from_returns():
    learner = agent("monte-carlo")
    store(learner, 0, 0, 1.0, 1)
    store(learner, 1, 1, 2.0, 0)
    assert learner.updates_due == 0
    store(learner, 0, 1, 4.0, 2, terminated=True)
    learn(learner)
    # G: 4, 2 + 0.9 * 4, 1 + 0.9 (2 + 0.9 * 4); each is gone half of the way.
    assert learner.q[0, 1] == pytest.approx(2.0)
    assert learner.q[1, 1] == pytest.approx(0.5 * 5.6)
    assert learner.q[0, 0] == pytest.approx(0.5 * 6.04)


def test_ties_are_broken_at_random_and_greed_takes_the_first():
    learner = agent("q-learning", epsilon=0.0, final_epsilon=0.0, actions=2)
    chosen = learner.select_action(see(*[0] * 400))
    assert 140 < chosen.sum() < 260
    assert not learner.select_action(see(*[0] * 9), training=False).any()
    assert learner.policy(0).tolist() == [0.5, 0.5]


def test_epsilon_explores_and_follows_its_schedule():
    learner = agent("q-learning", epsilon=1.0, final_epsilon=0.0, epsilon_steps=100)
    learner.q[0] = (1.0, 0.0)
    assert 140 < learner.select_action(see(*[0] * 400)).sum() < 260
    learner.steps = 50
    assert learner.epsilon == 0.5
    learner.steps = 100
    assert not learner.select_action(see(*[0] * 50)).any()


@pytest.mark.parametrize("algo", TABLES)
def test_the_best_way_is_learned(algo):
    planner = "iteration" in algo
    # Whole episodes are noisy: Monte Carlo gets the smaller world and the smaller steps.
    world, shortest = ("classic", 5) if algo == "monte-carlo" else ("maze", 10)
    learning_rate = 0.05 if algo == "monte-carlo" else 0.5
    hyperparams = {} if planner else {"initial_value": 1.0, "learning_rate": learning_rate}
    config = rlplay.get_default_config(algo, "gridworld").replace(
        env_config={"map": world},
        reward_config={"step": -0.01},
        total_steps=500 if planner else 8_000,
        hyperparams={"discount": 0.95, **hyperparams},
    )
    loop = TrainingLoop(config)
    for _ in loop.run():
        pass
    env = rlplay.create_env("gridworld", config.reward_config, map=world)
    observation, _ = env.reset(seed=0)
    steps, terminated = 0, False
    while not terminated and steps < 40:
        steps += 1
        action = int(loop.agent.select_action(observation[None], training=False)[0])
        observation, _, terminated, _, _ = env.step(action)
    assert terminated
    assert steps == shortest


@pytest.mark.parametrize("algo", [*TABLES, "reinforce"])
@pytest.mark.parametrize("split", [1, 7, 150, 333])
def test_going_on_gives_the_same_bytes(algo, split):
    config = rlplay.get_default_config(algo, "gridworld").replace(
        env_config={"slip": 0.2, "max_steps": 30},
        num_envs=3,
        total_steps=1_500,
        hyperparams={"num_episodes": 4} if algo == "reinforce" else {},
    )
    whole, first, second = (TrainingLoop(config) for _ in range(3))
    items = first.run()
    for _ in range(split):
        next(items)
    second.load_state_dict(first.state_dict())
    for loop in (whole, second):
        for _ in loop.run():
            pass
    assert second.items == whole.items
    for name, value in whole.agent.get_weights().items():
        theirs = torch.as_tensor(second.agent.get_weights()[name])
        assert torch.equal(torch.as_tensor(value), theirs), name


@pytest.mark.parametrize("algo", TABLES)
def test_a_run_is_saved_and_loaded_and_handed_on(algo, tmp_path):
    storage = rlplay.StorageManager(tmp_path / "models")
    config = rlplay.get_default_config(algo, "gridworld").replace(total_steps=300)
    run = rlplay.train(config, progress=False, storage=storage)
    loaded = rlplay.load_agent(run.run_id, "gridworld", storage)
    assert loaded.q.any() or algo == "monte-carlo"
    path = storage.export_run("gridworld", run.run_id, tmp_path)
    imported = storage.import_run(path)
    again = rlplay.load_agent(imported.run_id, "gridworld", storage)
    assert (again.q == loaded.q).all()
    result = rlplay.evaluate(run.run_id, episodes=5, storage=storage)
    assert len(result.scores) == 5


def test_a_world_without_numbered_states_is_refused():
    with pytest.raises(ContractError, match="table with a row for each state"):
        TrainingLoop(rlplay.get_default_config("sarsa", "snake"))
    with pytest.raises(ContractError, match="get_model"):
        TrainingLoop(rlplay.get_default_config("value-iteration", "bandit"))


def test_weights_of_another_world_are_refused_and_huge_rewards_too():
    learner = agent("q-learning")
    with pytest.raises(WeightsMismatch, match=r"shape \(3, 2\)"):
        learner.set_weights({"q": np.zeros((2, 2))})
    store(learner, 0, 0, float("inf"), 1)
    with pytest.raises(TrainingDiverged):
        learner.train_step()
    assert not learner.q.any()


def test_planning_follows_gamma_live():
    config = rlplay.get_default_config("value-iteration", "gridworld").replace(
        env_config={"map": "bridge"}, reward_config={"pit": -10.0}, total_steps=100
    )
    loop = TrainingLoop(config)
    for _ in loop.run():
        pass
    start = loop.agent.model.start
    assert int(loop.agent.q[start].argmax()) == 1  # over the bridge to the treasure
    loop.agent.update_hyperparams(discount=0.2)
    for _ in range(60):
        loop.agent._due = 1
        loop.agent.train_step()
    assert int(loop.agent.q[start].argmax()) == 3  # back to the goal beside it


def planned(loop):
    """Plan until nothing changes any more: a policy that falls for ever takes long to judge."""
    for _ in range(3_000):
        loop.agent._due = 1
        loop.agent.train_step()
    return loop.agent


@pytest.mark.parametrize("algo", ["value-iteration", "policy-iteration"])
def test_planning_follows_the_rewards_live(algo):
    config = rlplay.get_default_config(algo, "gridworld").replace(total_steps=400)
    loop, other = (
        TrainingLoop(config),
        TrainingLoop(config.replace(reward_config={"cells": {"1,0": -5.0}})),
    )
    for _ in loop.run():
        pass
    corner = loop.env.envs[0].cells.index((0, 0))
    assert int(planned(loop).q[corner].argmax()) == 1  # along the upper row
    before = loop.agent.values.copy()
    loop.set_rewards({"cells": {"1,0": -5.0}})
    assert (loop.agent.values == before).all()  # it plans on from there
    np.testing.assert_allclose(planned(loop).values, planned(other).values, atol=1e-8)
    assert int(loop.agent.q[corner].argmax()) == 2  # around by the lower row
    loop.set_rewards({"cells": {}})
    np.testing.assert_allclose(planned(loop).values, before, atol=1e-8)


@pytest.mark.parametrize("algo", ["value-iteration", "policy-iteration"])
def test_planning_goes_on_exactly_after_a_reward_was_changed(algo):
    config = rlplay.get_default_config(algo, "gridworld").replace(
        env_config={"slip": 0.2}, num_envs=2, total_steps=100
    )
    whole, first, second = (TrainingLoop(config) for _ in range(3))
    cells = {"cells": {"2,0": -3.0}}
    for loop, length in ((whole, None), (first, 40)):
        items = loop.run()
        for _ in range(21):
            next(items)
        loop.set_rewards(cells)
        for _ in items if length is None else range(length - 21):
            if length is not None:
                next(items)
    second.load_state_dict(first.state_dict())
    second.set_rewards(cells)
    for _ in second.run():
        pass
    assert second.items == whole.items
    for name, value in whole.agent.state_dict().items():
        assert np.array_equal(value, second.agent.state_dict()[name]), name


# REINFORCE ---------------------------------------------------------------------------------------


def test_returns_by_hand():
    config = rlplay.get_default_config("reinforce", "gridworld").replace(
        hyperparams={"discount": 0.5}
    )
    learner = TrainingLoop(config).agent
    assert learner._returns(np.array([1.0, 2.0, 4.0]), None).tolist() == [3.0, 4.0, 4.0]
    last = np.eye(11, dtype=np.float32)[3]
    with torch.no_grad():
        value = float(learner.network(torch.from_numpy(last[None]))[0, -1])
    assert learner._returns(np.array([1.0]), last)[0] == pytest.approx(1 + 0.5 * value)


def test_the_gradient_is_reinforces():
    """One step of plain gradients equals the sum that the paper writes."""
    config = rlplay.get_default_config("reinforce", "gridworld").replace(
        num_envs=1,
        hyperparams={
            "num_episodes": 1,
            "use_baseline": False,
            "normalize_advantages": False,
            "value_coefficient": 0.0,
            "entropy_coefficient": 0.0,
            "max_gradient_norm": 1e6,
            "discount": 0.5,
        },
    )
    learner = TrainingLoop(config).agent
    states, actions, paid = [0, 1, 2], [1, 0, 3], [1.0, 0.0, 2.0]
    for step in range(3):
        learner.store_transition(
            see(states[step], count=11),
            np.array([actions[step]]),
            np.array([paid[step]], np.float32),
            see(3, count=11),
            np.array([step == 2]),
            np.array([False]),
        )
    parameters = tuple(learner.network.parameters())
    earned = [1.0 + 0.25 * 2.0, 1.0, 2.0]
    objective = sum(
        gain * torch.log_softmax(learner.network(torch.from_numpy(see(s, count=11)))[0, :-1], 0)[a]
        for gain, s, a in zip(earned, states, actions, strict=True)
    )
    expected = torch.autograd.grad(-objective / 3, parameters)
    learner.train_step()
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_reinforce_solves_a_small_world():
    config = rlplay.get_default_config("reinforce", "gridworld").replace(
        env_config={"map": "empty"}, reward_config={"step": -0.02}, total_steps=30_000
    )
    loop = TrainingLoop(config)
    for _ in loop.run():
        pass
    env = rlplay.create_env("gridworld", map="empty")
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, _, terminated, _, _ = env.step(
            int(loop.agent.select_action(observation[None], training=False)[0])
        )
    assert terminated
