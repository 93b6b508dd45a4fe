import numpy as np
import pytest

from rlplay.agents.buffers import (
    ReplayBuffer,
    RolloutBuffer,
    generalized_advantage_estimation,
)
from rlplay.errors import ConfigError


def brute_force_advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    """Equation 16 as it stands: for each step the whole sum of discounted TD errors."""
    steps, envs = rewards.shape
    advantages = np.zeros((steps, envs))
    for env in range(envs):
        for start in range(steps):
            weight = 1.0
            for step in range(start, steps):
                bootstrap = 0.0 if terminated[step, env] else next_values[step, env]
                delta = rewards[step, env] + gamma * bootstrap - values[step, env]
                advantages[start, env] += weight * delta
                weight *= gamma * lam
                if terminated[step, env] or truncated[step, env]:
                    break
    return advantages


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0), (0.0, 0.5)])
def test_gae_equals_the_brute_force_sum(gamma, lam):
    draw = np.random.default_rng(0)
    shape = (23, 6)
    rewards, values, next_values = draw.normal(size=(3, *shape)).astype(np.float32)
    ends = draw.random(shape)
    terminated, truncated = ends < 0.1, (ends >= 0.1) & (ends < 0.2)
    assert terminated.any()
    assert truncated.any()
    arguments = (rewards, values, next_values, terminated, truncated, gamma, lam)
    np.testing.assert_allclose(
        generalized_advantage_estimation(*arguments),
        brute_force_advantages(*arguments),
        rtol=1e-4,
        atol=1e-5,
    )


def test_next_values_follow_their_own_episode():
    rollout = RolloutBuffer(3, 2, 1)
    rollout.values[:] = [[1, 2], [3, 4], [5, 6]]
    rollout.truncated[1, 0] = True
    rollout.final_values[1, 0] = 9
    expected = [[3, 4], [9, 6], [7, 8]]
    np.testing.assert_array_equal(rollout.next_values(np.array([7, 8], np.float32)), expected)


def fill(buffer: ReplayBuffer, steps: int, terminated_at=(), truncated_at=()) -> None:
    """Observation 10 t + env, reward t + 1; the end of an episode shows as -t."""
    for t in range(steps):
        envs = np.arange(buffer.num_envs)
        now = (10 * t + envs)[:, None].astype(np.float32)
        following = (10 * (t + 1) + envs)[:, None].astype(np.float32)
        terminated = np.full(buffer.num_envs, t in terminated_at)
        truncated = np.full(buffer.num_envs, t in truncated_at)
        following[terminated | truncated] = -t
        rewards = np.full(buffer.num_envs, t + 1, np.float32)
        buffer.append(now, envs, rewards, following, terminated, truncated)


def test_n_step_targets_equal_hand_computed_numbers():
    buffer = ReplayBuffer(100, 1, 1)
    fill(buffer, 8, terminated_at=[3], truncated_at=[5])
    batch = buffer.latest(100, 3, 0.5)
    # Starts 0 to 4 have three steps and what follows them.
    np.testing.assert_array_equal(batch.observations[:, 0], [0, 10, 20, 30, 40])
    expected_returns = [
        1 + 0.5 * 2 + 0.25 * 3,  # steps 0, 1, 2
        2 + 0.5 * 3 + 0.25 * 4,  # 1, 2, 3: terminated at its end
        3 + 0.5 * 4,  # 2, 3: terminated
        4,  # 3: terminated at once
        5 + 0.5 * 6,  # 4, 5: truncated
    ]
    np.testing.assert_allclose(batch.returns, expected_returns)
    np.testing.assert_allclose(batch.discounts, [0.125, 0, 0, 0, 0.25])
    assert batch.next_observations[0, 0] == 30
    assert batch.next_observations[4, 0] == -5  # its own last observation, not the next episode


def test_terminated_wins_over_truncated():
    buffer = ReplayBuffer(10, 1, 1)
    fill(buffer, 3, terminated_at=[0], truncated_at=[0])
    assert buffer.latest(10, 1, 0.9).discounts[0] == 0


def test_the_ring_forgets_the_oldest_and_keeps_rows_together():
    buffer = ReplayBuffer(capacity=8, num_envs=2, observation_size=1)
    fill(buffer, 50)
    batch = buffer.latest(100, 1, 0.9)
    oldest = 50 - buffer.num_rows
    assert batch.observations[0, 0] == 10 * oldest
    np.testing.assert_array_equal(batch.next_observations - batch.observations, 10)
    np.testing.assert_array_equal(batch.actions, np.tile([0, 1], buffer.num_rows - 1))


def test_forgotten_last_observations_are_never_drawn():
    buffer = ReplayBuffer(capacity=32_000, num_envs=32, observation_size=1)
    fill(buffer, 900, truncated_at=range(900))
    batch = buffer.latest(10**6, 1, 0.9)
    assert 0 < len(batch.returns) < 900 * 32 / 4
    moves = (batch.observations[:, 0] - batch.actions) / 10
    np.testing.assert_array_equal(batch.next_observations[:, 0], -moves)


@pytest.mark.parametrize(("envs", "size"), [(1, 3), (128, 364), (512, 1_203), (1_024, 12_291)])
def test_the_default_limit_of_128_mb_holds_for_every_shape(envs, size):
    buffer = ReplayBuffer(10**9, envs, size)
    assert buffer.nbytes <= 128e6


def test_a_buffer_that_holds_nothing_is_refused():
    with pytest.raises(ConfigError, match="holds no two moves of 512 boards"):
        ReplayBuffer(10**6, 512, 100_000, memory_mb=10)


def test_memory_stays_within_its_limit_and_observations_are_stored_once():
    buffer = ReplayBuffer(10**9, 8, 100, memory_mb=5)
    assert 4.5e6 < buffer.nbytes <= 5e6
    per_transition = buffer.nbytes / (buffer.num_rows * buffer.num_envs)
    assert per_transition < 1.2 * 100 * 4


def test_sampling_is_uniform_over_what_is_stored():
    buffer = ReplayBuffer(100, 2, 1)
    fill(buffer, 11)
    batch = buffer.sample(20_000, 1, 0.9, np.random.default_rng(0))
    counts = np.unique(batch.observations, return_counts=True)[1]
    assert len(counts) == 20
    assert counts.min() > 850
    assert counts.max() < 1_150


def test_a_restored_buffer_gives_the_same_batches():
    first, second = (ReplayBuffer(30, 2, 1) for _ in range(2))
    fill(first, 40, truncated_at=[33])
    second.load_state_dict(first.state_dict())
    for one, other in zip(first.latest(99, 3, 0.9), second.latest(99, 3, 0.9), strict=True):
        np.testing.assert_array_equal(one, other)
