"""Agent: the contract of one algorithm. Batch first: N environments, one call."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from rlplay.agents.networks import describe_network
from rlplay.agents.workers import Workers
from rlplay.config import RunConfig, validated
from rlplay.device import choose_precision, explain_out_of_memory, get_device
from rlplay.errors import (
    ConfigError,
    ContractError,
    DamagedFile,
    TrainingDiverged,
    WeightsMismatch,
    nearest,
)
from rlplay.seeding import split_seed

__all__ = ["Agent", "Hyperparameters", "TorchAgent", "network_sizes", "read_weights"]

Observations = npt.NDArray[np.float32]  # (N, D)
Actions = npt.NDArray[np.int64]  # (N,)
Rewards = npt.NDArray[np.float32]  # (N,)
Flags = npt.NDArray[np.bool_]  # (N,)


class Hyperparameters(BaseModel):
    """Base of an algorithm's options.

    A field whose ``json_schema_extra`` says ``{"live": True}`` may change while training runs.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @classmethod
    def live_names(cls) -> list[str]:
        """Name the options that may change while training runs."""
        return [
            name
            for name, field in cls.model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("live")
        ]

    @classmethod
    def check_live(cls, algo: str, changes: dict[str, Any]) -> None:
        """Refuse changes of options that are fixed while training runs.

        Raises:
            ConfigError: For the first such option.
        """
        live = cls.live_names()
        for name in changes:
            if name in cls.model_fields and name not in live:
                raise ConfigError(
                    f"Algorithm {algo!r}: {name!r} cannot change while training runs; start a "
                    f"new run for it. Live options: {', '.join(live)}."
                )


class Agent(abc.ABC):
    """One learning algorithm.

    The training loop calls, for each vector step, `select_action`, then `store_transition`, and
    then `train_step` as long as `updates_due` is above zero.

    Attributes:
        config: The run's config.
        observation_space: Space of one observation, a flat float32 box of D numbers.
        action_space: Space of one action, ``Discrete``.
        num_envs: N, the environments played side by side.
        hyperparams: The algorithm's options; change them through `update_hyperparams`.
        steps: Environment steps stored so far.
    """

    #: The model that declares the algorithm's options.
    Hyperparameters: ClassVar[type[Hyperparameters]] = Hyperparameters
    #: Whether the algorithm shares its batches out among ``config.num_threads`` threads by itself;
    #: PyTorch's operations then have one thread each.
    shares_threads: ClassVar[bool] = False
    #: Whether somebody looks at the updates, so that `describe_update` is worth its while.
    is_watched: bool = False

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Create the agent from a run's config and the spaces of one environment."""
        self.config = config
        self.observation_space = observation_space
        self.action_space = action_space
        self.num_envs = config.num_envs
        self.steps = 0
        self.hyperparams: Any = validated(
            self.Hyperparameters, config.hyperparams, f"Algorithm {config.algo!r}"
        )

    @property
    @abc.abstractmethod
    def updates_due(self) -> int:
        """How many calls of `train_step` are due before the next vector step, 0 or more."""

    @abc.abstractmethod
    def select_action(self, observations: Observations, training: bool = True) -> Actions:
        """Choose one action for each environment.

        Args:
            observations: (N, D) float32.
            training: Explore as in training; otherwise choose what looks best.

        Returns:
            (N,) int64.
        """

    @abc.abstractmethod
    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Take in one vector step.

        Args:
            observations: (N, D) float32, what `select_action` saw.
            actions: (N,) int64, what was done.
            rewards: (N,) float32.
            next_observations: (N, D) float32; where an episode ended its last observation, not
                the first one of the next episode.
            terminated: (N,) bool, the world ended: nothing follows, do not bootstrap.
            truncated: (N,) bool, the episode was cut: bootstrap from the last observation.
        """

    @abc.abstractmethod
    def train_step(self) -> dict[str, float]:
        """Do at most one update.

        Returns:
            Metrics by name; empty when no update is due.

        Raises:
            TrainingDiverged: When the loss is not finite; the weights are left as they were.
        """

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that training needs to go on exactly: tensors, arrays and plain values."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""

    @abc.abstractmethod
    def get_weights(self) -> dict[str, Any]:
        """Give the weights alone, by name: tensors or arrays, the agent's own and not copies."""

    @abc.abstractmethod
    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over weights that `get_weights` gave.

        Args:
            weights: Tensors or arrays by name.

        Raises:
            WeightsMismatch: When they are of another network; the own weights are as they were.
        """

    def set_rewards(self, reward_config: dict[str, Any]) -> None:  # noqa: B027 - most only learn
        """Take note of what events pay from the next step on; for agents that know the rules.

        Args:
            reward_config: Fields of the environment's reward model; those left out keep theirs.
        """

    @classmethod  # noqa: B027 - an algorithm without needs of its own fits every world
    def check_fit(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Refuse a world that the algorithm cannot learn; see `rlplay.agents.explain_misfit`.

        Args:
            config: The run's config.
            observation_space: Space of one environment's observation.
            action_space: Space of one environment's action.

        Raises:
            ContractError: Says what the algorithm needs and what the world has.
        """

    @classmethod
    def describe_weights(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> dict[str, torch.Tensor]:
        """Say which weights `save` writes for a config, at the cost of none of them.

        What somebody else's archive brings is compared with this before anything is built.

        Args:
            config: The run's config.
            observation_space: Space of one environment's observation.
            action_space: Space of one environment's action.

        Returns:
            Tensors by name, of which shape and dtype count; on the "meta" device they have no
            content.

        Raises:
            ContractError: When the algorithm does not say.
        """
        raise ContractError(
            f"{cls.__name__} does not say which weights it saves. Write describe_weights to let "
            "its runs be exported and imported."
        )

    def save(self, file: str | Path | IO[bytes]) -> None:
        """Write the weights as a PyTorch state dict.

        Args:
            file: A path, or a file that is open for writing.
        """
        weights = {name: torch.as_tensor(value) for name, value in self.get_weights().items()}
        torch.save(weights, file)

    def load(self, path: str | Path) -> None:
        """Read the weights that `save` wrote; no code in the file is ever run.

        Raises:
            DamagedFile: When the file does not hold weights.
            WeightsMismatch: When it holds those of another network.
        """
        self.set_weights(read_weights(path))

    def explain(self, observation: Observations, saliency: bool = False) -> dict[str, Any]:
        """Say what the agent thinks of one observation.

        Nothing of it changes the agent: training goes on as if nobody had asked.

        Args:
            observation: (D,) float32.
            saliency: Also say what the preferred action hangs on.

        Returns:
            What the algorithm knows of ``q_values``, ``probabilities``, ``value`` and
            ``activations`` (one list a layer); and of ``saliency``, if asked for: D numbers, how
            much each number of the observation adds to the preferred action's score.
        """
        return {}

    def describe_update(self) -> dict[str, Any]:
        """Say of the newest update what its metrics do not tell, for whoever looks at it.

        What costs anything is found out only while `is_watched`, and changes nothing of the agent.

        Returns:
            Plain values by name, never changed afterwards; empty where there is nothing to tell.
        """
        return {}

    def update_hyperparams(self, **changes: Any) -> None:
        """Change live options between two updates.

        Args:
            **changes: Options by name.

        Raises:
            ConfigError: For an unknown option, one that is not live, or a value out of range;
                nothing is changed then.
        """
        self.Hyperparameters.check_live(self.config.algo, changes)
        self.hyperparams = validated(
            self.Hyperparameters,
            {**self.hyperparams.model_dump(), **changes},
            f"Algorithm {self.config.algo!r}",
        )


class TorchAgent(Agent):
    """What the agents with a PyTorch network share: device, precision, generator, files.

    Attributes:
        network: The network that acts.
        device: Where it computes.
        precision: "float32" or "bfloat16".
        generator: The agent's own generator, on the CPU, for sampling and shuffling.
        workers: Threads that share a batch out, where the algorithm says `shares_threads`.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Resolve the device and the generators; the subclass builds its network."""
        super().__init__(config, observation_space, action_space)
        self.observation_size, self.num_actions = network_sizes(
            config, observation_space, action_space
        )
        self.num_outputs = self.count_outputs(config, self.num_actions)
        self.device = get_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        on_cpu = self.device.type == "cpu"
        self.workers = Workers(config.num_threads or 1 if on_cpu else 1)
        seeds = split_seed(config.seed)
        self.weights_generator = torch.Generator().manual_seed(seeds.torch)
        self.generator = torch.Generator().manual_seed(seeds.agent)

    @classmethod
    def describe_outputs(cls, config: RunConfig, num_actions: int) -> dict[str, int]:
        """Say what the network gives for one observation, in its order: one for each action.

        Args:
            config: The run's config.
            num_actions: Actions of the environment.

        Returns:
            How many numbers there are of each kind, by the kind's name in the plural.
        """
        return {"outputs": num_actions}

    @classmethod
    def count_outputs(cls, config: RunConfig, num_actions: int) -> int:
        """Say how many numbers the network gives for one observation.

        Args:
            config: The run's config.
            num_actions: Actions of the environment.
        """
        return sum(cls.describe_outputs(config, num_actions).values())

    @classmethod
    def check_fit(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Refuse observations that are no flat vector."""
        network_sizes(config, observation_space, action_space)

    @classmethod
    def describe_weights(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> dict[str, torch.Tensor]:
        """Say it of a network that `build_network` gives; see `Agent.describe_weights`."""
        observation_size, num_actions = network_sizes(config, observation_space, action_space)
        return describe_network(
            observation_size, cls.count_outputs(config, num_actions), config.network_config
        )

    def _autocast(self) -> torch.autocast:
        """Matrix products in the run's precision; what is computed outside stays in float32."""
        return torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.precision == "bfloat16",
            cache_enabled=False,
        )

    def _to_device(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def _descend(self, loss: torch.Tensor, max_gradient_norm: float) -> float:
        """Take one optimizer step down a loss.

        Args:
            loss: A scalar.
            max_gradient_norm: Where the gradient is clipped.

        Returns:
            The gradient's norm before clipping.

        Raises:
            TrainingDiverged: When loss or gradient is not finite; the weights stay as they were.
        """
        with explain_out_of_memory(self.config):
            gradients = torch.autograd.grad(loss, self._parameters)
        return self._step(gradients, float(loss.detach()), max_gradient_norm)

    def _step(
        self, gradients: Sequence[torch.Tensor], loss: float, max_gradient_norm: float
    ) -> float:
        """Take one optimizer step against gradients; see `_descend`."""
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = float(nn.utils.clip_grad_norm_(self._parameters, max_gradient_norm))
        if not np.isfinite(norm) or not np.isfinite(loss):
            raise TrainingDiverged(
                f"The loss is {loss} and its gradient's norm {norm} after {self.steps} steps: "
                "not finite. What was saved before stays as it is. Lower the learning rate, or "
                "look at the rewards: are they huge or NaN?"
            )
        self.optimizer.step()
        return norm

    @property
    def _parameters(self) -> list[nn.Parameter]:
        """The network's parameters, in its order; the network itself takes long to list them."""
        parameters: list[nn.Parameter] = self.optimizer.param_groups[0]["params"]
        return parameters

    def _set_learning_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def _activations(self, observation: Observations) -> tuple[torch.Tensor, list[list[float]]]:
        """Run one observation through the network, layer by layer."""
        activations: list[list[float]] = []
        hidden = self._to_device(np.asarray(observation, np.float32)[None])
        with torch.no_grad():
            for module in self.network.children():
                hidden = module(hidden)
                if not isinstance(module, nn.Linear):
                    activations.append(hidden[0].tolist())
        return hidden[0].float().cpu(), activations

    def _saliency(
        self, observation: Observations, score: Callable[[torch.Tensor], torch.Tensor]
    ) -> list[float]:
        """Give gradient times input of a score, in float32.

        The gradient of a score says which numbers it hangs on (Simonyan, Vedaldi and Zisserman
        2014, "Deep inside convolutional networks", arXiv:1312.6034); times the number itself, how
        much that adds (Shrikumar et al. 2016, "Not just a black box", arXiv:1605.01713).

        Args:
            observation: (D,) float32.
            score: Takes the network's output (outputs,) and gives one number, such as the largest
                Q-value.

        Returns:
            D numbers.
        """
        seen = self._to_device(np.array(observation, np.float32)[None]).requires_grad_()
        with torch.enable_grad():
            # Of the input alone: the parameters' own gradients stay as they are.
            (gradient,) = torch.autograd.grad(score(self.network(seen)[0].float()), seen)
        saliency: list[float] = (gradient * seen.detach())[0].tolist()
        return saliency

    def get_weights(self) -> dict[str, Any]:
        """Give the network's weights by name."""
        return dict(self.network.state_dict())

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over the network's weights; an error names the layer that does not fit."""
        own = self.network.state_dict()
        check_weights(weights, own, self.network)
        self.network.load_state_dict({name: torch.as_tensor(weights[name]) for name in own})


def read_weights(path: str | Path) -> dict[str, Any]:
    """Read weights that `Agent.save` wrote to the CPU; no code in the file is ever run.

    Args:
        path: The file.

    Returns:
        Tensors by name.

    Raises:
        FileNotFoundError: When there is none.
        DamagedFile: When it does not hold weights.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise DamagedFile(
            f"{path} does not hold weights: {error}. Put back a copy of it, or train again."
        ) from error
    if not isinstance(weights, dict):
        raise DamagedFile(
            f"{path} does not hold weights but {type(weights).__name__}. Put back a copy of "
            "it, or train again."
        )
    return weights


def check_weights(
    weights: Mapping[str, Any], own: Mapping[str, torch.Tensor], network: nn.Module
) -> None:
    """Refuse weights of another network.

    Args:
        weights: What came, by name.
        own: What this network has, by name.
        network: The network, which knows the order of its layers.

    Raises:
        WeightsMismatch: Names the first layer that does not fit, counted from the input side.
    """
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    for name, tensor in own.items():
        layer, _, part = name.rpartition(".")
        place = repr(layer)
        if layer in layers:
            place = f"layer {layers.index(layer) + 1} of {len(layers)}"
        if layers and layer == layers[-1]:
            place += " (the output)"
        shape = tuple(np.shape(weights[name])) if name in weights else None
        if shape != tuple(tensor.shape):
            came = "are not there" if shape is None else f"have the shape {shape}"
            raise WeightsMismatch(
                f"These weights do not fit this network: those of {place}, {part!r}, {came}, and "
                f"the network needs {tuple(tensor.shape)}. Take the observation, the layers and "
                "the algorithm of the run that they come from, or begin without them."
            )
    if unknown := [name for name in weights if name not in own]:
        raise WeightsMismatch(
            f"These weights do not fit this network: it has no {unknown[0]!r}, and "
            f"{len(layers)} layers with the output. Take the layers of the run that they come from."
        )


def network_sizes(
    config: RunConfig,
    observation_space: gymnasium.Space[Any],
    action_space: gymnasium.Space[Any],
) -> tuple[int, int]:
    """Give the length of an observation and the number of actions.

    Args:
        config: The run's config.
        observation_space: Space of one environment's observation.
        action_space: Space of one environment's action.

    Raises:
        ContractError: For spaces that a network of dense layers cannot take.
    """
    if not isinstance(observation_space, gymnasium.spaces.Box) or len(observation_space.shape) != 1:
        raise ContractError(
            f"{config.algo!r} needs observations that are flat vectors (a Box of one "
            f"dimension), not {observation_space}. Flatten them in the environment."
        )
    if not isinstance(action_space, gymnasium.spaces.Discrete):
        raise ContractError(f"{config.algo!r} needs a Discrete action space, not {action_space}.")
    return int(observation_space.shape[0]), int(action_space.n)


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """Word the error for a name that nobody registered."""
    return f"No {kind} {name!r}.{nearest(name, known)} Available: {', '.join(sorted(known))}."
