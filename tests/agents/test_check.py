"""What `check_agent` says of typical mistakes in somebody's own algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import rlplay
from rlplay.agents import AGENT_REGISTRY
from rlplay.agents.base import Agent
from rlplay.errors import TrainingDiverged


class Linear(Agent):
    """Q-learning with a linear function, as it should be."""

    def __init__(self, config, observation_space, action_space):
        super().__init__(config, observation_space, action_space)
        self.generator = np.random.default_rng(config.seed)
        self.num_actions = int(action_space.n)
        size = observation_space.shape[0]
        self.matrix = self.generator.normal(size=(size, self.num_actions)) / size
        self.waiting = []

    @property
    def updates_due(self):
        return len(self.waiting) // 4

    def q(self, observations):
        return observations @ self.matrix  # (N, actions)

    def select_action(self, observations, training=True):
        # Row by row: the sum of a product may depend on how many rows there are.
        best = np.array([int((row @ self.matrix).argmax()) for row in observations])
        if not training:
            return best
        explore = self.generator.random(len(best)) < 0.3
        return np.where(explore, self.generator.integers(self.num_actions, size=len(best)), best)

    def store_transition(
        self, observations, actions, rewards, next_observations, terminated, truncated
    ):
        step = (observations, actions, rewards, next_observations, terminated, truncated)
        self.waiting.append([array.copy() for array in step])
        self.steps += self.num_envs

    def train_step(self):
        if not self.updates_due:
            return {}
        error = 0.0
        for step in self.waiting[:4]:
            error += self.learn(*step)
        del self.waiting[:4]
        return {"loss": float(error)}

    def learn(self, observations, actions, rewards, following, terminated, truncated):
        target = rewards + 0.9 * self.worth(following, terminated, truncated)
        rows = np.arange(len(actions))
        error = target - self.q(observations)[rows, actions]
        for row, action, wrong in zip(observations, actions, error, strict=True):
            self.matrix[:, action] += 0.001 * wrong * row
        return (error**2).mean()

    def worth(self, following, terminated, truncated):
        return self.q(following).max(axis=1) * ~terminated

    def state_dict(self):
        return {
            "matrix": self.matrix,
            "generator": self.generator.bit_generator.state,
            "waiting": self.waiting,
            "steps": self.steps,
        }

    def load_state_dict(self, state):
        self.matrix = state["matrix"].copy()
        self.generator.bit_generator.state = state["generator"]
        self.waiting, self.steps = list(state["waiting"]), state["steps"]

    def get_weights(self):
        return {"matrix": self.matrix}

    def set_weights(self, weights):
        self.matrix = np.array(weights["matrix"])


class OneAction(Linear):
    def select_action(self, observations, training=True):
        return super().select_action(observations, training)[0]


class FloatActions(Linear):
    def select_action(self, observations, training=True):
        return super().select_action(observations, training).astype(np.float32)


class Outside(Linear):
    def select_action(self, observations, training=True):
        return super().select_action(observations, training) + 1


class TensorActions(Linear):
    def select_action(self, observations, training=True):
        return torch.as_tensor(super().select_action(observations, training))


class AlwaysExplores(Linear):
    def select_action(self, observations, training=True):
        return super().select_action(observations, True)


class OverTheBatch(Linear):
    def select_action(self, observations, training=True):
        return super().select_action(observations - observations.mean(axis=0), training)


class ChangesObservations(Linear):
    def select_action(self, observations, training=True):
        observations *= 2
        return super().select_action(observations, training)


class NoBootstrap(Linear):
    def worth(self, following, terminated, truncated):
        return self.q(following).max(axis=1) * ~(terminated | truncated)


class PastTheEnd(Linear):
    def worth(self, following, terminated, truncated):
        return self.q(following).max(axis=1)


class GlobalChance(Linear):
    def select_action(self, observations, training=True):
        best = super().select_action(observations, False)
        if training and np.random.rand() < 0.5:  # noqa: NPY002
            best[0] = 0
        return best


class KeepsArrays(Linear):
    def store_transition(self, *step):
        self.waiting.append(step)
        self.steps += self.num_envs


class ForgetsGenerator(Linear):
    def state_dict(self):
        state = super().state_dict()
        del state["generator"]
        return state

    def load_state_dict(self, state):
        super().load_state_dict(state | {"generator": self.generator.bit_generator.state})


class ForgetsBuffer(Linear):
    def state_dict(self):
        return super().state_dict() | {"waiting": []}


class ObjectInState(Linear):
    def state_dict(self):
        return super().state_dict() | {"config": self.config}


class NeverLearns(Linear):
    def learn(self, *step):
        return 0.0


class Explodes(Linear):
    def learn(self, observations, *step):
        self.matrix /= 0.0
        return 1.0


class NanLoss(Linear):
    def learn(self, *step):
        super().learn(*step)
        return float("nan")


class TensorLoss(Linear):
    def train_step(self):
        return {name: torch.tensor(value) for name, value in super().train_step().items()}


class NoMetrics(Linear):
    def train_step(self):
        super().train_step()


class NeverDone(Linear):
    updates_due = property(lambda self: int(bool(self.waiting)))

    def train_step(self):
        return {"loss": 0.0}


class ForgotProperty(Linear):
    def updates_due(self):
        return 0


class Unfinished(Agent):
    def select_action(self, observations, training=True):
        return np.zeros(len(observations), np.int64)


class Crashes(Linear):
    def learn(self, observations, *step):
        return self.optimiser


class HalfTheWeights(Linear):
    def set_weights(self, weights):
        self.matrix[:3] = weights["matrix"][:3]


MISTAKES = [
    (OneAction, "an array of shape () for 32 boards; it must give one action for each: (32,)"),
    (FloatActions, "actions that are float32, not whole numbers: write .astype(np.int64)"),
    (Outside, "there are 3, from 0 to 2"),
    (TensorActions, "select_action gave a torch tensor, not a NumPy array"),
    (AlwaysExplores, "it explores also where training is False"),
    (OverTheBatch, "select_action depends on the batch that an observation is in"),
    (ChangesObservations, "select_action changed the observations that it was given"),
    (NoBootstrap, "It forgot to bootstrap at truncation"),
    (PastTheEnd, "What is seen after terminated changed what is learned"),
    (GlobalChance, "it draws from random, np.random or torch's own generator"),
    (KeepsArrays, "keep copies, such as observations.copy()"),
    (ForgetsGenerator, "Likely missing: the generator"),
    (ForgetsBuffer, "state_dict does not bring everything back"),
    (ObjectInState, "The state cannot be saved: config is RunConfig"),
    (NeverLearns, "updates changed no weight"),
    (Explodes, "The weights 'matrix' hold NaN or infinity"),
    (NanLoss, "train_step gave loss = nan"),
    (TensorLoss, "train_step gave loss as Tensor, not a number: write float(...) around it"),
    (NoMetrics, "train_step gave NoneType, not a dict of metrics"),
    (NeverDone, "updates_due was still 1 after"),
    (ForgotProperty, "write it as a @property"),
    (
        Unfinished,
        "It lacks get_weights, load_state_dict, set_weights, state_dict, store_transition,",
    ),
    (Crashes, "train_step failed: AttributeError: 'Crashes' object has no attribute 'optimiser'"),
    (HalfTheWeights, "get_weights does not give all that decides on an action"),
]


@pytest.fixture(autouse=True)
def clean() -> Any:
    before = dict(AGENT_REGISTRY)
    yield
    AGENT_REGISTRY.clear()
    AGENT_REGISTRY.update(before)


@pytest.mark.parametrize(
    ("agent", "words"), MISTAKES, ids=[agent.__name__ for agent, _ in MISTAKES]
)
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_mistake_is_named(agent, words):
    rlplay.register_agent("mine")(agent)
    report = rlplay.check_agent("mine", num_steps=60)
    assert not report
    assert words in str(report)
    assert len(report.problems) == 1, report
    assert str(report).startswith("Agent 'mine' has 1 problem:\n1. ")


def test_a_good_agent_prints_one_line():
    rlplay.register_agent("linear")(Linear)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    report = rlplay.check_agent(Linear, num_steps=60)
    assert str(report) == "Agent Linear keeps its contract."
    assert len(report.kept) > 12
    # The kernel's generators are as they were.
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_a_training_with_a_loss_that_is_no_number_ends_and_says_so(tmp_path):
    rlplay.register_agent("mine")(NanLoss)
    config = rlplay.get_default_config("mine").replace(num_envs=4)
    storage = rlplay.StorageManager(tmp_path)
    with pytest.raises(TrainingDiverged, match=r"The loss is nan after 16 steps.*check_agent"):
        rlplay.train(config, storage=storage, progress=False)


class Returns(Linear):
    """Learns from rewards alone, without a value to go on with."""

    def worth(self, following, terminated, truncated):
        return 0.0


def test_who_never_bootstraps_is_told_so_and_not_blamed():
    rlplay.register_agent("returns")(Returns)
    report = rlplay.check_agent("returns", num_steps=60)
    assert report.ok
    assert "Note: it never looks at next_observations" in str(report)
    assert "Note: the ends of episodes change nothing of what it learns" in str(report)


@pytest.mark.parametrize(
    ("algo", "hyperparams"),
    [
        ("ppo", {"num_steps": 16, "num_minibatches": 2}),
        ("dqn", {"learning_starts": 64, "batch_size": 32}),
    ],
)
def test_the_built_in_ones_keep_it(algo, hyperparams):
    report = rlplay.check_agent(algo, hyperparams=hyperparams, num_steps=60)
    assert report.ok, report
    assert not report.remarks, report


def test_an_agent_that_begins_to_learn_late_is_told_so():
    class Late(Linear):
        updates_due = 0

    rlplay.register_agent("late")(Late)
    report = rlplay.check_agent("late", num_steps=30)
    assert report.ok
    assert "Note: no update came within 600 vector steps" in str(report)


def test_what_is_no_agent_is_no_exception():
    assert "It does not derive from rlplay.Agent" in str(rlplay.check_agent(int))
    assert "It does not derive from rlplay.Agent" in str(rlplay.check_agent(None))
    assert "It is not registered" in str(rlplay.check_agent(Linear))
    assert "It is not registered" in str(rlplay.check_agent("nobody"))
