"""What both agents promise."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rlplay.agents import (
    AGENT_REGISTRY,
    create_agent,
    get_agent_spec,
    get_default_config,
    register_agent,
)
from rlplay.agents.dqn import DQN
from rlplay.agents.ppo import PPO, RATIO_BINS, RATIOS_TO
from rlplay.config import RunConfig
from rlplay.envs import create_vector_env
from rlplay.errors import ConfigError, ContractError, DamagedFile, TrainingDiverged
from rlplay.storage.checkpoint import pack
from rlplay.training.loop import Move, TrainingLoop, Update

FAST = {
    "ppo": {
        "num_steps": 16,
        "num_minibatches": 2,
        "num_epochs": 4,
        "learning_rate": 0.01,
        "discount": 0.5,
        "final_learning_rate_fraction": 0.1,
    },
    "dqn": {
        "learning_rate": 0.01,
        "discount": 0.5,
        "batch_size": 64,
        "epsilon_steps": 1_000,
        "learning_starts": 64,
        "target_update_interval": 20,
        "num_step_returns": 1,
        "replay_capacity": 10_000,
    },
}


def config(algo: str, env_name: str, network: dict, **changes) -> RunConfig:
    hyperparams = {**FAST[algo], **changes.pop("hyperparams", {})}
    values = {"total_steps": 4_000, "num_envs": 8, "num_threads": 1, **changes}
    return RunConfig.from_dict(
        {
            "algo": algo,
            "env_name": env_name,
            "network_config": network,
            "hyperparams": hyperparams,
            **values,
        }
    )


def trained(run_config: RunConfig) -> TrainingLoop:
    loop = TrainingLoop(run_config)
    for _ in loop.run():
        pass
    return loop


def assert_same_bytes(*loops: TrainingLoop) -> None:
    """Two trainings have come to the same state, byte for byte."""
    one, other = (pack(loop.state_dict()) for loop in loops)
    assert one.plain == other.plain
    assert one.names == other.names
    for name, array in one.arrays.items():
        assert array.tobytes() == other.arrays[name].tobytes()


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_solves_the_identity_world(algo, small_network):
    loop = trained(config(algo, "identity", small_network))
    flags = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(loop.agent.select_action(flags, training=False), [0, 1, 2])


@pytest.mark.parametrize(
    ("algo", "hyperparams"),
    [("ppo", {}), ("dqn", {"num_step_returns": 1}), ("dqn", {"num_step_returns": 2})],
)
@pytest.mark.parametrize("truncate", [False, True])
def test_truncation_bootstraps_and_termination_does_not(algo, hyperparams, truncate, small_network):
    run_config = config(
        algo,
        "two-step",
        small_network,
        env_config={"truncate": truncate},
        hyperparams=hyperparams,
    )
    agent = trained(run_config).agent
    expected = {False: (1.5, 1.0), True: (2.0, 2.0)}[truncate]  # V(A), V(B) for gamma 0.5
    values = [agent.explain(np.array(o, np.float32))["value"] for o in ([1, 0], [0, 1])]
    np.testing.assert_allclose(values, expected, atol=0.1)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_two_trainings_are_equal_byte_for_byte(algo, small_network):
    run_config = config(algo, "identity", small_network, total_steps=2_000)
    one, other = (trained(run_config).agent.network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    third = trained(run_config.replace(seed=1)).agent.network.state_dict()
    assert not all(torch.equal(one[name], third[name]) for name in one)


@pytest.mark.parametrize("moves", [5, 33, 50])
@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_restored_agent_goes_on_exactly_even_within_an_update_phase(algo, moves, small_network):
    run_config = config(algo, "two-step", small_network, env_config={"truncate": True})
    env = create_vector_env("two-step", 8)
    spaces = env.single_observation_space, env.single_action_space
    agent = create_agent(run_config, *spaces)
    draw = np.random.default_rng(0)

    def steps(agent, draw, count):
        for _ in range(count):
            if agent.updates_due:
                agent.train_step()
                continue
            seen, following = draw.random((2, 8, 2), dtype=np.float32)
            actions = agent.select_action(seen)
            ends = draw.random(8)
            agent.store_transition(
                seen, actions, ends.astype(np.float32), following, ends < 0.2, ends > 0.8
            )

    steps(agent, draw, moves)
    state = copy.deepcopy(agent.state_dict())
    twin, twin_draw = create_agent(run_config.replace(seed=9), *spaces), copy.deepcopy(draw)
    twin.load_state_dict(state)
    steps(agent, draw, 100)
    steps(twin, twin_draw, 100)
    one, other = agent.network.state_dict(), twin.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_weights_go_through_a_file(algo, small_network, tmp_path):
    first = trained(config(algo, "identity", small_network, total_steps=200)).agent
    second = TrainingLoop(config(algo, "identity", small_network, seed=3)).agent
    first.save(tmp_path / "weights.pt")
    second.load(tmp_path / "weights.pt")
    flags = np.eye(3, dtype=np.float32)
    assert first.explain(flags[0]) == second.explain(flags[0])
    (tmp_path / "other.pt").write_bytes(b"no weights")
    with pytest.raises(DamagedFile, match=r"other\.pt"):
        second.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("algo", "hyperparams"), [("ppo", {}), ("dqn", {}), ("dqn", {"dueling": False})]
)
def test_saliency_is_gradient_times_input_of_the_preferred_action(algo, hyperparams, small_network):
    agent = trained(config(algo, "identity", small_network, hyperparams=hyperparams)).agent
    seen = np.array([0.9, 0.3, -0.2], np.float32)
    explained = agent.explain(seen, saliency=True)
    assert "saliency" not in agent.explain(seen)

    def score(observation):
        with torch.no_grad():
            output = agent.network.double()(torch.from_numpy(observation)[None])[0]
            agent.network.float()
        scores = output[:-1] if algo == "ppo" else agent._combine(output)
        return float(scores[preferred])

    preferred = int(np.argmax(explained["probabilities" if algo == "ppo" else "q_values"]))
    step, expected = 1e-5, []
    for place, value in enumerate(seen.tolist()):
        ahead, behind = seen.astype(np.float64), seen.astype(np.float64)
        ahead[place] += step
        behind[place] -= step
        expected.append(value * (score(ahead) - score(behind)) / (2 * step))
    np.testing.assert_allclose(explained["saliency"], expected, rtol=1e-3, atol=1e-4)
    assert seen.tolist() == np.array([0.9, 0.3, -0.2], np.float32).tolist()


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_who_asks_for_explanations_changes_nothing_of_the_training(algo, small_network):
    run_config = config(algo, "identity", small_network, total_steps=2_000)
    quiet, asked = TrainingLoop(run_config), TrainingLoop(run_config)
    for _ in quiet.run():
        pass
    for _ in asked.run():
        gradients = [parameter.grad for parameter in asked.agent.network.parameters()]
        copies = [None if gradient is None else gradient.clone() for gradient in gradients]
        explained = asked.agent.explain(asked.observations[0], saliency=True)
        assert len(explained["saliency"]) == 3
        for parameter, gradient, copy_ in zip(
            asked.agent.network.parameters(), gradients, copies, strict=True
        ):
            assert parameter.grad is gradient
            assert gradient is None or torch.equal(gradient, copy_)
    assert_same_bytes(quiet, asked)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(algo, small_network):
    loop = TrainingLoop(config(algo, "identity", small_network))
    agent = loop.agent
    for item in loop.run():
        if isinstance(item, Update):
            break
    before = copy.deepcopy(agent.network.state_dict())
    bad = np.full(8, np.nan, np.float32)
    seen = np.zeros((8, 3), np.float32)
    never = np.zeros(8, np.bool_)

    def poison() -> None:
        nonlocal before
        for _ in range(200):
            while agent.updates_due:
                agent.train_step()
                before = copy.deepcopy(agent.network.state_dict())
            agent.store_transition(seen, agent.select_action(seen), bad, seen, never, never)

    with pytest.raises(TrainingDiverged, match="not finite"):
        poison()
    after = agent.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_live_options_change_and_fixed_ones_say_so(algo, small_network):
    agent = TrainingLoop(config(algo, "identity", small_network)).agent
    agent.update_hyperparams(learning_rate=0.002)
    assert agent.hyperparams.learning_rate == 0.002
    fixed = {"ppo": "num_steps", "dqn": "dueling"}[algo]
    with pytest.raises(ConfigError, match=f"'{fixed}' cannot change"):
        agent.update_hyperparams(**{fixed: 1})
    with pytest.raises(ConfigError, match="learning_rate"):
        agent.update_hyperparams(learning_rate=-1)
    assert agent.hyperparams.learning_rate == 0.002


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_actions_do_not_depend_on_the_process_wide_generators(algo, small_network):
    run_config = config(algo, "identity", small_network, total_steps=400)
    one = trained(run_config).agent.network.state_dict()
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 (on purpose: nothing may depend on it)
    other = trained(run_config).agent.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_observations_that_are_no_vector_are_refused(small_network):
    from gymnasium import spaces

    run_config = config("ppo", "identity", small_network)
    with pytest.raises(ContractError, match="flat vectors"):
        create_agent(run_config, spaces.Box(0, 1, (4, 4), np.float32), spaces.Discrete(2))
    with pytest.raises(ContractError, match="Discrete"):
        create_agent(
            run_config,
            spaces.Box(0, 1, (4,), np.float32),
            spaces.Box(0, 1, (4,), np.float32),
        )


@pytest.mark.parametrize("thing", [42, int, lambda config: None])
def test_only_an_agent_can_be_registered(thing):
    with pytest.raises(ContractError, match=r"no.* a subclass of rlplay\.Agent"):
        register_agent("thing")(thing)


def test_what_rlplay_brings_is_not_replaced():
    class Mine(PPO):
        pass

    before = dict(AGENT_REGISTRY)
    with pytest.raises(ConfigError, match="is an algorithm of rlplay's own"):
        register_agent("ppo")(Mine)
    with pytest.raises(ContractError, match=r'write @register_agent\("mine"\) above class Mine'):
        register_agent(Mine)
    assert before == AGENT_REGISTRY


# PPO alone ---------------------------------------------------------------------------------------


def ppo_with_a_full_rollout(small_network, **hyperparams) -> PPO:
    loop = TrainingLoop(config("ppo", "identity", small_network, hyperparams=hyperparams))
    items = loop.run()
    while not loop.agent.updates_due:
        next(items)
    assert isinstance(loop.agent, PPO)
    return loop.agent


def test_ppo_does_one_minibatch_a_call(small_network):
    agent = ppo_with_a_full_rollout(small_network)
    for left in range(2 * 4, 0, -1):
        assert agent.updates_due == left
        assert agent.train_step()
    assert agent.updates_due == 0
    assert agent.train_step() == {}


def test_ppo_stops_the_whole_update_at_the_kl_limit(small_network):
    agent = ppo_with_a_full_rollout(small_network, kl_limit=1e-9, learning_rate=0.5)
    calls = 0
    while agent.updates_due:
        agent.train_step()
        calls += 1
    assert calls == 2  # the first minibatch sees no change yet, the second one is over the limit


def test_ppo_cuts_the_rollout_into_as_many_parts_as_it_says(small_network):
    for parts in (1, 3, 5, 7):
        agent = ppo_with_a_full_rollout(small_network, num_minibatches=parts, num_epochs=1)
        assert agent.updates_due == parts


def test_ppo_takes_no_step_beyond_the_kl_limit(small_network):
    agent = ppo_with_a_full_rollout(small_network, kl_limit=1e-9, learning_rate=0.5)
    agent.train_step()
    before = copy.deepcopy(agent.network.state_dict())
    assert set(agent.train_step()) == {"kl", "clip_fraction"}
    after = agent.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_ppo_ends_a_phase_whose_last_epoch_is_over(small_network):
    agent = ppo_with_a_full_rollout(small_network)
    for _ in range(3):
        agent.train_step()
    agent.update_hyperparams(num_epochs=1)
    assert agent.updates_due == 0


def test_ppo_first_minibatch_has_ratio_one(small_network):
    metrics = ppo_with_a_full_rollout(small_network).train_step()
    assert metrics["kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["clip_fraction"] == 0.0


def ends_a_phase(agent: PPO) -> list[dict[str, float]]:
    metrics = []
    while agent.updates_due:
        metrics.append(agent.train_step())
    return metrics


def test_ppo_tells_the_ratios_of_the_last_minibatch_to_whoever_watches(small_network):
    agent = ppo_with_a_full_rollout(small_network, learning_rate=0.05, clip=0.1)
    agent.is_watched = True
    agent.train_step()
    assert agent.describe_update() == {}  # the phase goes on
    last = ends_a_phase(agent)[-1]
    told = agent.describe_update()
    assert sum(told["ratios"]) == 16 * 8 / 2
    assert len(told["ratios"]) == RATIO_BINS
    assert {name: told[name] for name in ("clip_fraction", "entropy", "kl")} == {
        name: last[name] for name in ("clip_fraction", "entropy", "kl")
    }
    # What lies outside of the band, to the bin in which its edge lies.
    middles = (np.arange(RATIO_BINS) + 0.5) * RATIOS_TO / RATIO_BINS
    counts = np.array(told["ratios"]) / sum(told["ratios"])
    width = RATIOS_TO / RATIO_BINS / 2 + 1e-6
    far = counts[np.abs(middles - 1) > told["clip"] + width].sum()
    not_near = counts[np.abs(middles - 1) > told["clip"] - width].sum()
    assert 0 < far <= told["clip_fraction"] <= not_near


def test_ppo_tells_nothing_when_nobody_watches(small_network):
    agent = ppo_with_a_full_rollout(small_network)
    ends_a_phase(agent)
    assert agent.describe_update() == {}


@pytest.mark.parametrize("threads", [1, 2])
def test_who_watches_the_updates_changes_nothing_of_the_training(threads, small_network):
    def run(watched: bool) -> TrainingLoop:
        # So many boards that a minibatch is shared out among the threads.
        loop = TrainingLoop(
            config("ppo", "identity", small_network, num_envs=64, num_threads=threads,
                   hyperparams={"num_minibatches": 1})
        )  # fmt: skip
        loop.agent.is_watched = watched
        for _ in loop.run():
            pass
        return loop

    seen, unseen = run(True), run(False)
    assert sum(seen.agent.describe_update()["ratios"]) == 16 * 64
    assert unseen.agent.describe_update() == {}
    assert_same_bytes(seen, unseen)


def test_ppo_uses_every_sample_once_an_epoch(small_network):
    agent = ppo_with_a_full_rollout(small_network, num_minibatches=5)
    seen = []
    size = agent._minibatch_size
    while agent._epoch == 0:
        place = agent._minibatch * size
        agent.train_step()
        seen += agent._order[place : place + size].tolist() if agent._epoch == 0 else []
    seen += agent._order[len(seen) :].tolist()
    assert sorted(seen) == list(range(16 * 8))


def test_ppo_learning_rate_falls_in_a_line(small_network):
    loop = TrainingLoop(config("ppo", "identity", small_network, total_steps=1_280))
    rates = [
        (item.total_steps, item.metrics["learning_rate"])
        for item in loop.run()
        if isinstance(item, Update)
    ]
    for steps, rate in rates:
        assert rate == pytest.approx(0.01 * (1 - 0.9 * steps / 1_280))
    assert rates[-1][1] == pytest.approx(0.001)


# DQN alone ---------------------------------------------------------------------------------------


def dqn(small_network, **hyperparams) -> DQN:
    agent = TrainingLoop(config("dqn", "identity", small_network, hyperparams=hyperparams)).agent
    assert isinstance(agent, DQN)
    return agent


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("use_target_network", [False, True])
def test_dqn_targets_equal_hand_computed_numbers(double, use_target_network, small_network):
    agent = dqn(small_network, double=double, use_target_network=use_target_network, dueling=False)
    # Online Q(s') = (1, 3, 2), target Q(s') = (10, 20, 40), whatever s' is.
    for network, q_values in ((agent.network, [1, 3, 2]), (agent.target_network, [10, 20, 40])):
        last = network[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor(q_values, dtype=torch.float32)
    targets = agent._targets(torch.tensor([0.5, 0.5]), torch.zeros(2, 3), torch.tensor([0.25, 0.0]))
    following = {
        (False, False): 3,  # the online network judges its own best
        (True, False): 3,
        (False, True): 40,  # the target network's best
        (True, True): 20,  # the online network's best, judged by the target network
    }[double, use_target_network]
    assert targets.tolist() == [0.5 + 0.25 * following, 0.5]


def test_dqn_dueling_is_value_plus_centred_advantages(small_network):
    agent = dqn(small_network)
    assert agent.network[-1].out_features == 4
    combined = agent._combine(torch.tensor([[1.0, 2.0, 6.0, 10.0]]))
    assert combined.tolist() == [[8.0, 9.0, 13.0]]


def test_dqn_epsilon_is_a_function_of_environment_steps(small_network):
    agent = dqn(small_network, epsilon=1.0, final_epsilon=0.1, epsilon_steps=90)
    seen = []
    for agent.steps in (0, 45, 90, 1_000_000):
        seen.append(agent.epsilon)
    assert seen == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_dqn_explores_at_the_rate_of_epsilon(small_network):
    agent = dqn(small_network, epsilon=0.3, final_epsilon=0.3)
    flags = np.zeros((20_000, 3), np.float32)
    greedy = agent.select_action(flags[:1], training=False)[0]
    share = (agent.select_action(flags) != greedy).mean()
    assert share == pytest.approx(0.3 * 2 / 3, abs=0.015)


def test_dqn_refuses_a_buffer_in_which_no_return_fits(small_network):
    with pytest.raises(ConfigError, match="too few for 3-step returns"):
        dqn(small_network, replay_capacity=8, num_step_returns=3)


def test_dqn_loads_the_target_network_too(small_network, tmp_path):
    trained(config("dqn", "identity", small_network, total_steps=200)).agent.save(tmp_path / "w")
    agent = dqn(small_network)
    agent.load(tmp_path / "w")
    one, other = agent.network.state_dict(), agent.target_network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_dqn_copies_the_target_network_at_its_interval(small_network):
    loop = TrainingLoop(
        config("dqn", "identity", small_network, hyperparams={"target_update_interval": 3})
    )
    agent = loop.agent
    updates = 0
    for item in loop.run():
        if isinstance(item, Move):
            continue
        updates += 1
        one, other = agent.network.state_dict(), agent.target_network.state_dict()
        assert all(torch.equal(one[name], other[name]) for name in one) == (updates % 3 == 0)
        if updates == 9:
            break


def test_dqn_replay_and_target_network_can_be_switched_while_it_runs(small_network):
    loop = TrainingLoop(config("dqn", "identity", small_network))
    items = loop.run()
    for _ in range(200):
        next(items)
    loop.agent.update_hyperparams(use_replay=False, use_target_network=False)
    newest = loop.agent.replay.latest(64, 1, 0.5)
    assert len(newest.returns) == 64
    for _ in range(50):
        next(items)
    assert not loop.agent.hyperparams.use_replay


@pytest.mark.parametrize(
    ("algo", "hyperparams", "outputs"),
    [
        ("ppo", {}, {"action logits": 3, "value": 1}),
        ("dqn", {"dueling": True}, {"action advantages": 3, "value": 1}),
        ("dqn", {"dueling": False}, {"Q-values": 3}),
    ],
)
def test_outputs_are_told_in_words_and_counted(algo, hyperparams, outputs):
    config = get_default_config(algo).replace(hyperparams=hyperparams)
    agent = get_agent_spec(algo).agent
    assert agent.describe_outputs(config, 3) == outputs
    assert agent.count_outputs(config, 3) == sum(outputs.values())
