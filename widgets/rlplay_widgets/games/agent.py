"""An agent plays: with the weights of a session that runs, of a saved run, or of an age."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from rlplay.agents import Agent, create_agent
from rlplay.agents.tabular import TabularAgent
from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import ContractError
from rlplay.storage import Replay, StorageManager, get_storage_manager
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession
from rlplay_widgets.games.episode import Episode, Seeds, Step, make_env
from rlplay_widgets.library import short_title
from rlplay_widgets.painter import FRAME
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.theme import count

__all__ = [
    "AgentGame",
    "LiveWeights",
    "SavedWeights",
    "SnapshotWeights",
    "Thinker",
    "Weights",
    "WeightsSource",
    "make_agent",
]

#: Seconds that the last board of an episode stays.
_HOLD = 1.0
#: Seconds between two looks for the first weights.
_WAIT = 0.2
#: Seconds after which nobody looks any more.
_INTEREST = 1.0


@dataclass(frozen=True)
class Weights:
    """What an agent plays with.

    Attributes:
        values: Arrays or tensors by name.
        steps: Environment steps that they were trained for.
        hyperparams: The algorithm's options by then; None leaves those of the config.
    """

    values: dict[str, Any]
    steps: int
    hyperparams: dict[str, Any] | None = None


class WeightsSource(Protocol):
    """Where an agent's weights come from. Only the player's thread calls it."""

    def config(self) -> RunConfig:
        """Give the config of the run that they belong to."""
        ...

    def take(self) -> Weights | None:
        """Give weights that are newer than those given last; None where there are none."""
        ...

    def words(self, steps: int) -> str:
        """Say what plays, for people: "as it played at 10 000 steps"."""
        ...


class LiveWeights:
    """The newest weights of a session, whether it runs or has ended.

    Args:
        session: The session.
    """

    def __init__(self, session: TrainingSession) -> None:
        self.session = session
        self._taken: tuple[str | None, int] | None = None  # run and steps of the last ones

    def config(self) -> RunConfig:
        """Give the session's config."""
        return self.session.config

    def take(self) -> Weights | None:
        """Ask for the next copy, and give the newest one."""
        session = self.session
        session.monitor.want_weights()
        snapshot, found = session.snapshot(), session.monitor.weights()
        if snapshot.state == "finished" and snapshot.run_id is not None:
            # The disk has what it ended with, also where nobody asked before.
            steps = snapshot.total_steps
        elif found is not None:
            steps = found.total_steps
        else:
            return None
        if self._taken == (snapshot.run_id, steps):
            return None
        if found is not None and found.total_steps == steps:
            values = found.weights
        else:
            values = session.storage.load_weights(snapshot.env_name, snapshot.run_id)
        self._taken = (snapshot.run_id, steps)
        return Weights(values, steps, session.hyperparams)

    def words(self, steps: int) -> str:
        """Say how old they are."""
        return f"the weights at {count(steps)} steps"


class SavedWeights:
    """The weights that a saved run ended with.

    Args:
        storage: The library of runs.
        env_name: The run's environment.
        run_id: The run.
    """

    def __init__(self, storage: StorageManager, env_name: str, run_id: str) -> None:
        self.storage, self.env_name, self.run_id = storage, env_name, run_id
        self._title = run_id
        self._taken = False

    def config(self) -> RunConfig:
        """Read the run's config."""
        config = self.storage.load_config(self.env_name, self.run_id)
        self._title = short_title(config.name, config.algo, self.run_id)
        return config

    def take(self) -> Weights | None:
        """Read the weights, once."""
        if self._taken:
            return None
        self._taken = True
        values = self.storage.load_weights(self.env_name, self.run_id)
        lines = self.storage.load_metrics(self.env_name, self.run_id, limit=1)
        return Weights(values, int(lines[-1]["steps"]) if lines else 0)

    def words(self, steps: int) -> str:
        """Name the run."""
        return f"{self._title} at {count(steps)} steps"


class SnapshotWeights:
    """The weights that a run had at an age.

    Args:
        storage: The library of runs.
        env_name: The run's environment.
        run_id: The run.
        age: One of `StorageManager.list_snapshots`, in environment steps.
    """

    def __init__(self, storage: StorageManager, env_name: str, run_id: str, age: int) -> None:
        self.storage, self.env_name, self.run_id, self.age = storage, env_name, run_id, age
        self._taken = False

    def config(self) -> RunConfig:
        """Read the run's config."""
        return self.storage.load_config(self.env_name, self.run_id)

    def take(self) -> Weights | None:
        """Read the weights, once."""
        if self._taken:
            return None
        self._taken = True
        values = self.storage.load_snapshot(self.env_name, self.run_id, self.age)
        return Weights(values, self.age)

    def words(self, steps: int) -> str:
        """Name the age."""
        return f"as it played at {count(steps)} steps"


def make_agent(config: RunConfig, seed: int | None = None) -> Agent:
    """Make an agent that plays one board, on one thread of the CPU.

    Args:
        config: The run's config.
        seed: Seeds its choices, where it samples; by default the run's seed.
    """
    spec = get_env_spec(config.env_name)
    options = validated(spec.config_model, config.env_config, f"Environment {spec.name!r}")
    small = config.replace(
        num_envs=1,
        num_threads=1,
        device="cpu",
        precision="float32",
        seed=config.seed if seed is None else seed,
    )
    return create_agent(small, *spec.get_spaces(options))


class _Mind:
    """An agent of its own that follows a source of weights."""

    def __init__(self, source: WeightsSource, config: RunConfig, seed: int | None = None) -> None:
        self._source, self._config, self._seed = source, config, seed
        self.agent: Agent | None = None
        self.steps = 0
        self.version = 0

    def follow(self) -> None:
        """Take over newer weights, where there are any."""
        weights = self._source.take()
        if weights is None:
            return
        agent = self.agent or make_agent(self._config, self._seed)
        agent.set_weights(weights.values)
        # Schedules, such as epsilon, stand where training left them.
        agent.steps = self.steps = weights.steps
        if weights.hyperparams is not None:
            agent.hyperparams = validated(
                agent.Hyperparameters, weights.hyperparams, f"Algorithm {self._config.algo!r}"
            )
        self.agent = agent
        self.version += 1


class AgentGame(Game):
    """An agent plays one episode after the other, on a board of its own.

    Attributes:
        source: Where its weights come from.
        greedy: Whether it does what looks best; otherwise it chooses as in training. Anybody may
            set it.

    Args:
        source: Where its weights come from.
        config: The run's config; without one, the source's.
        seed: Seed of the first episode; the same one gives the same games.
        actions: What somebody else did in the first episode, before the agent takes over.
        greedy: Whether it does what looks best.
        pace: Moves a second.
        words: What this is, for people; without them, the source's.
    """

    def __init__(
        self,
        source: WeightsSource,
        config: RunConfig | None = None,
        *,
        seed: int | None = None,
        actions: Sequence[int] = (),
        greedy: bool = True,
        pace: float = 10.0,
        words: str | None = None,
    ) -> None:
        super().__init__(pace)
        self.source = source
        self._greedy = greedy
        self._config = config
        self._seeds = Seeds(seed)
        self._before = tuple(actions)
        self._words = words
        self._mind: _Mind | None = None
        self._episode: Episode | None = None
        self._env: Any = None
        self._new = False

    @classmethod
    def of_session(cls, session: TrainingSession, **options: Any) -> Self:
        """Play with the newest weights of a session."""
        return cls(LiveWeights(session), **options)

    @classmethod
    def of_run(
        cls,
        env_name: str,
        run_id: str,
        storage: StorageManager | None = None,
        *,
        age: int | None = None,
        **options: Any,
    ) -> Self:
        """Play with the weights of a saved run.

        Args:
            env_name: The run's environment.
            run_id: The run.
            storage: The library of runs; without one, the models folder of this place.
            age: One of the ages at which weights were kept; without one, those of its end.
            **options: Those of `AgentGame`.
        """
        storage = storage or get_storage_manager()
        if age is None:
            return cls(SavedWeights(storage, env_name, run_id), **options)
        return cls(SnapshotWeights(storage, env_name, run_id, age), **options)

    @property
    def seed(self) -> int:
        """Seed of the episode that is played."""
        return self._seeds.seed

    @property
    def greedy(self) -> bool:
        """Whether it does what looks best."""
        return self._greedy

    @greedy.setter
    def greedy(self, greedy: bool) -> None:
        self._greedy = greedy
        self.stale = True

    @property
    def trajectory(self) -> tuple[Step, ...]:
        """The steps of the episode that is played."""
        episode = self._episode
        return () if episode is None else tuple(episode.steps)

    def replay(self) -> Replay:
        """Make a replay of the episode that is played, as far as it was played.

        Raises:
            ContractError: When nothing was played yet.
        """
        episode = self._episode
        if episode is None:
            raise ContractError("Nothing was played yet. Wait for the first move.")
        return episode.replay()

    def new(self) -> None:
        """Begin the next episode; any thread. Wake the player afterwards."""
        self._new = True
        self.playing = True
        self.step()

    # The player's thread -------------------------------------------------------------------------

    def open(self) -> None:
        """Make the board, and compile its rules where they are not yet."""
        config = self._config or self.source.config()
        get_env_spec(config.env_name).env.prepare(
            lambda words: self.show(Shown(env_name=config.env_name, words=words))
        )
        self._config = config
        self._env = make_env(config)
        self._mind = _Mind(self.source, config, self._seeds.seed)

    def move(self) -> bool:
        """Do what the agent chooses; after an end, begin the next episode."""
        assert self._mind is not None
        assert self._config is not None
        self._mind.follow()
        agent, episode = self._mind.agent, self._episode
        if agent is None:
            self.show(Shown(env_name=self._config.env_name, words="waiting for the first weights"))
            return True
        if episode is None or episode.ending is not None or self._new:
            self._new = False
            first = episode is None
            seed = self._seeds.seed if first else self._seeds.next()
            if not first and self._before:
                # Taking over was the first episode; from here on it plays as any agent does.
                self._before, self._words = (), None
            self._episode = Episode(self._config, self._env, seed, self._before)
        else:
            observations = episode.observation[None]
            episode.step(int(agent.select_action(observations, training=not self._greedy)[0]))
        self.refresh()
        return True

    def refresh(self) -> None:
        """Show the board and what the agent thinks of it."""
        if self._episode is None or self._mind is None or self._mind.agent is None:
            return
        thoughts = None
        if self.thinking:
            thoughts = self._mind.agent.explain(self._episode.observation, saliency=True)
        words = self._words or self.source.words(self._mind.steps)
        how = "greedy" if self._greedy else "sampled"
        agent = self._mind.agent
        table = agent.q if isinstance(agent, TabularAgent) else None
        self.show(replace(self._episode.shown(f"{words}, {how}", thoughts), table=table))

    def rest(self) -> float:
        """Hold the last board of an episode."""
        if self._mind is not None and self._mind.agent is None:
            return _WAIT
        episode = self._episode
        over = episode is not None and episode.ending is not None
        return max(_HOLD, 1 / self.pace) if over else 1 / self.pace

    def close(self) -> None:
        """Close the board."""
        if self._env is not None:
            self._env.close()


class Thinker(Game):
    """Thinks about the training board, for whoever looks inside.

    Args:
        session: The session.
    """

    keys = ""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__()
        self.session = session
        self._mind = _Mind(LiveWeights(session), session.config)
        self._thought: tuple[Snapshot, dict[str, Any]] | None = None
        self._about: tuple[int, int] | None = None  # versions of the board and of the weights
        self._looked_at = time.monotonic()

    def look(self) -> tuple[Snapshot, dict[str, Any]] | None:
        """Give the newest snapshot with the thoughts about its board, and ask for more.

        Picture and thoughts belong together. None before the first.
        """
        self._looked_at = time.monotonic()
        return self._thought

    def move(self) -> bool:
        """Think about the newest board, where it is new and somebody looks."""
        if time.monotonic() - self._looked_at > _INTEREST:
            return True
        self._mind.follow()
        snapshot = self.session.snapshot()
        about = (snapshot.board_version, self._mind.version)
        if self._mind.agent is None or snapshot.observation is None or about == self._about:
            return True
        self._about = about
        self._thought = snapshot, self._mind.agent.explain(snapshot.observation, saliency=True)
        self.on_move()
        return True

    def rest(self) -> float:
        """Think about every board that an eye can follow, and few of a training at full speed."""
        return 1 / self.pace if self.session.snapshot().is_max_speed else FRAME
