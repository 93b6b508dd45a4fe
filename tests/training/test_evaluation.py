import numpy as np
import pytest

import rlplay
from rlplay.errors import ConfigError, FormulaError, RunNotFound


@pytest.fixture
def session(make_session):
    session = make_session(total_steps=20_000)
    session.start(max_speed=True)
    session.wait(60)
    return session


def test_a_run_is_evaluated_in_environments_of_its_own(session):
    result = rlplay.evaluate(session.run_id, episodes=30, storage=session.storage)
    assert result.scores.shape == (30,)
    assert sum(result.ending_counts().values()) == 30
    assert result.mean() == result.scores.mean()
    again = rlplay.evaluate(session.run_id, episodes=30, storage=session.storage)
    np.testing.assert_array_equal(result.scores, again.scores)


def test_each_seed_is_played_alone(session):
    """What a seed gives does not depend on its neighbours: it is the single board's episode."""
    seeds = [7, 8, 9, 7]
    result = rlplay.evaluate(session.run_id, seeds, storage=session.storage)
    assert result.seeds.tolist() == seeds
    assert result.scores[0] == result.scores[3]
    agent = rlplay.load_agent(session.run_id, storage=session.storage)
    config = agent.config
    for seed, score, length, paid, ending in zip(
        seeds, result.scores, result.lengths, result.returns, result.endings, strict=True
    ):
        env = rlplay.create_env("snake", config.reward_config, **config.env_config)
        seen, info = env.reset(seed=seed)
        over, total = False, 0.0
        while not over:
            action = agent.select_action(seen[None], training=False)[0]
            seen, reward, terminated, truncated, info = env.step(int(action))
            total += reward
            over = terminated or truncated
        assert (info["score"], info["steps"]) == (score, length)
        assert total == pytest.approx(paid, abs=1e-4)
        assert ending == info["death_reason"]


def test_an_agent_in_training_is_left_alone(make_config):
    from rlplay.training.loop import TrainingLoop

    def run(disturb: bool) -> bytes:
        loop = TrainingLoop(make_config("ppo", total_steps=4_000))
        for count, _ in enumerate(loop.run()):
            if disturb and count % 300 == 150:
                rlplay.evaluate(loop.agent, episodes=4, greedy=False)
        return b"".join(v.numpy().tobytes() for v in loop.agent.network.state_dict().values())

    assert run(False) == run(True)


def test_sampling_explores_and_greedy_does_not(session):
    greedy = rlplay.evaluate(session.run_id, episodes=60, storage=session.storage)
    sampled = rlplay.evaluate(session.run_id, episodes=60, greedy=False, storage=session.storage)
    assert not np.array_equal(greedy.lengths, sampled.lengths)


def test_sampling_explores_as_much_as_training_did_in_the_end(make_session):
    options = {"epsilon": 1.0, "final_epsilon": 0.0, "epsilon_steps": 1_000}
    session = make_session("dqn", hyperparams=options, total_steps=2_000)
    session.start(max_speed=True)
    session.wait(60)
    greedy = rlplay.evaluate(session.run_id, episodes=20, storage=session.storage)
    sampled = rlplay.evaluate(session.run_id, episodes=20, greedy=False, storage=session.storage)
    np.testing.assert_array_equal(greedy.lengths, sampled.lengths)


def test_an_endless_episode_is_given_up(session):
    result = rlplay.evaluate(session.run_id, [3], max_steps=1, storage=session.storage)
    assert result.lengths.tolist() == [1]


def test_bad_arguments(session):
    with pytest.raises(ConfigError, match="episodes = 0"):
        rlplay.evaluate(session.run_id, episodes=0, storage=session.storage)
    for thing in (None, 5):
        with pytest.raises(ConfigError, match=r"cannot play. Give a run's id, or an agent"):
            rlplay.evaluate(thing)
    for thing in ("ppo", None, {"algo": "ppo"}):
        with pytest.raises(ConfigError, match=r"cannot be trained. Give a RunConfig"):
            rlplay.train(thing, steps=300)
    with pytest.raises(ConfigError, match="seeds"):
        rlplay.evaluate(session.run_id, [-1], storage=session.storage)
    with pytest.raises(RunNotFound):
        rlplay.evaluate("no-such-run", storage=session.storage)


def test_train_ends_a_run_whose_reward_has_no_value(storage, make_config):
    config = make_config(total_steps=10**9, reward_config={"step": "1 / (hunger - 3)"})
    with pytest.raises(FormulaError, match=r"hunger = 3.* was stopped there, and is saved"):
        rlplay.train(config, progress=False, storage=storage)
    (run,) = storage.list_runs()
    assert run["resumable"]
    assert storage.weights_exist("snake", run["run_id"])
    with pytest.raises(FormulaError, match="hunger = 3"):
        rlplay.train(
            rlplay.TrainingSession.resume_run("snake", run["run_id"], storage), progress=False
        )


def test_train_is_one_call(storage, make_config):
    session = rlplay.train(make_config(), steps=1_000, progress=False, storage=storage)
    assert session.state == "finished"
    assert session.snapshot().total_steps == 1_000
    session = rlplay.train(
        make_config(total_steps=10**9), seconds=0.3, progress=False, storage=storage
    )
    assert session.state == "finished"
    with pytest.raises(ConfigError, match="seconds = 0"):
        rlplay.train(make_config(), seconds=0, storage=storage)
