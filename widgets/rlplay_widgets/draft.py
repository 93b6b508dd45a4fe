"""The config on the desk: what Start will train, while a person edits it."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from rlplay.agents import AGENT_REGISTRY, explain_misfit, list_algorithms
from rlplay.config import RunConfig, get_default_config, list_presets
from rlplay.envs import ENV_REGISTRY
from rlplay.errors import ConfigError, ContractError, RlplayError

__all__ = ["Draft", "Place", "default_config", "look_up", "rebuilt"]

#: Where an option stands in a config: ("hyperparams", "learning_rate").
Place = tuple[str | int, ...]


def look_up(values: Any, place: Place) -> Any:
    """Give what stands at a place of nested dicts and lists."""
    for key in place:
        values = values[key]
    return values


def _replaced(values: Any, place: Place, value: Any) -> Any:
    """Give a copy of nested dicts and lists with another value at a place."""
    if not place:
        return value
    copy = values.copy()
    copy[place[0]] = _replaced(values[place[0]], place[1:], value)
    return copy


def default_config(env_name: str, algo: str | None = None) -> RunConfig:
    """Give the default config of a world, with an algorithm that fits it.

    Args:
        env_name: The world.
        algo: The algorithm; without one, PPO if it fits, else the first that does.

    Raises:
        ContractError: When the algorithm, or every one, does not fit.
    """
    if algo is not None:
        config = get_default_config(algo, env_name)
        reason = explain_misfit(config)
        if reason is not None:
            raise ContractError(reason)
        return config
    for name in ("ppo", *list_algorithms()):
        config = get_default_config(name, env_name)
        if explain_misfit(config) is None:
            return config
    raise ContractError(f"No algorithm fits {env_name!r}. Register one that does.")


def _specs(config: RunConfig) -> tuple[Any, ...]:
    """Give names and registrations of what a config is made of; None where there is none."""
    env_name, algo = config.env_name, config.algo
    return env_name, algo, ENV_REGISTRY.get(env_name), AGENT_REGISTRY.get(algo)


def rebuilt(config: RunConfig) -> RunConfig:
    """Give a config the options that its environment and its algorithm declare by now.

    What they still declare, and still allow, stays as it is.
    """
    values = config.to_dict()
    result = get_default_config(config.algo, config.env_name)
    for part in ("env_config", "reward_config", "hyperparams"):
        for name, value in values.pop(part).items():
            with suppress(RlplayError):
                result = result.replace(**{part: {name: value}})
    return result.replace(**values)


def _is_within(place: Place, places: frozenset[Place]) -> bool:
    """Whether a place, or one that it stands below, is among some."""
    return any(place[:length] in places for length in range(1, len(place) + 1))


class Draft:
    """A config under edit; always whole and valid, with the wrong values kept beside it.

    A value that is not allowed stays where a person put it, with the reason, and the config keeps
    the last good one. Any thread may call.

    Attributes:
        version: Grows with every change.
        notice: Which algorithm the last change of world brought along, and why; empty when none.

    Args:
        config: What to begin with.
    """

    def __init__(self, config: RunConfig) -> None:
        self._lock = threading.RLock()
        self._config = config
        self._wrong: dict[Place, tuple[Any, RlplayError]] = {}
        self._unread: set[Place] = set()  # of those, what could not even be read
        self._locked: frozenset[Place] = frozenset()
        self._knobs: frozenset[Place] = frozenset()
        self._specs = _specs(config)
        self.version = 0
        self.notice = ""

    @property
    def config(self) -> RunConfig:
        """The config, without the values that are not allowed.

        Where its environment or algorithm was registered anew, also a moment ago in a notebook's
        cell, it has the options that the new one declares.
        """
        if _specs(self._config) != self._specs:
            with self._lock:
                self._follow()
        return self._config

    def _follow(self) -> None:
        """Take the options that the environment and the algorithm declare by now."""
        old, now = self._specs, _specs(self._config)
        self._specs = now
        if None in now or old[:2] != now[:2]:
            return  # it is another one, whose options the config has already; or it is gone
        self._config = rebuilt(self._config)
        self._forget_all()
        self.version += 1

    @property
    def problems(self) -> dict[Place, str]:
        """Why values are not allowed, by place."""
        with self._lock:
            return {place: str(error) for place, (_, error) in self._wrong.items()}

    def error(self, *place: str | int) -> RlplayError | None:
        """Give the error of the value at a place; None where it is allowed."""
        with self._lock:
            return self._wrong[place][1] if place in self._wrong else None

    def get(self, *place: str | int) -> Any:
        """Give the value at a place, also one that is not allowed."""
        with self._lock:
            if place in self._wrong:
                return self._wrong[place][0]
            return look_up(self.config.to_dict(), place)

    def default(self, *place: str | int) -> Any:
        """Give the value that the algorithm's default config for this environment has there."""
        config = self._config
        return look_up(get_default_config(config.algo, config.env_name).to_dict(), place)

    def refuse(self, *place_and_text_and_error: Any) -> None:
        """Keep what a person wrote at a place and nobody can read: ``refuse("seed", "x", error)``.

        The config keeps its own value; `forget` or another value there ends it.
        """
        *keys, text, error = place_and_text_and_error
        with self._lock:
            self._wrong[tuple(keys)] = text, error
            self._unread.add(tuple(keys))
            self.version += 1

    def forget(self, *place: str | int) -> None:
        """Forget a value that is not allowed; the config's own stands there again."""
        with self._lock:
            self._wrong.pop(place, None)
            self._unread.discard(place)
            self.version += 1

    def lock(self, *places: Place) -> None:
        """Keep these options, and all that stands below them, as they are."""
        with self._lock:
            self._locked = frozenset(places)
            self.version += 1

    def is_locked(self, *place: str | int) -> bool:
        """Whether a lesson keeps an option as it is; its control is then disabled."""
        return _is_within(place, self._locked)

    def show_only(self, *places: Place) -> None:
        """Have forms show these options alone, and all that stands below them; without any, all."""
        with self._lock:
            self._knobs = frozenset(places)
            self.version += 1

    def is_shown(self, *place: str | int) -> bool:
        """Whether forms show an option; without a place, whether they show all of them."""
        return not self._knobs or _is_within(place, self._knobs)

    def set(self, *place_and_value: Any) -> bool:
        """Put a value at a place: ``set("hyperparams", "gamma", 0.9)``.

        Changing the algorithm or the environment takes over that one's default config, and keeps
        name, seed, device and what both have in common.

        Returns:
            Whether it is allowed; `problems` says why not.

        Raises:
            ConfigError: When a lesson keeps the option as it is.
        """
        *keys, value = place_and_value
        place: Place = tuple(keys)
        if self.is_locked(*place):
            name = " ".join(str(key) for key in place).replace("_", " ")
            self.version += 1  # for the control, which shows what was refused
            raise ConfigError(f"This lesson keeps {name!r} as it is.")
        with self._lock:
            self.version += 1
            self._unread.discard(place)
            if place in (("algo",), ("env_name",)):
                return self._switch(str(place[0]), value)
            if not self._try(place, value):
                return False
            # What did not fit may fit now.
            for other, (wrong, _) in tuple(self._wrong.items()):
                if other not in self._unread:
                    self._try(other, wrong)
            return True

    @property
    def offers_presets(self) -> bool:
        """Whether a preset may be chosen; it changes more than a lesson with knobs shows."""
        return self.is_shown() and not self.is_locked("hyperparams")

    @property
    def preset(self) -> str | None:
        """The preset whose options the config has, for however many steps; None without one."""
        config = self._config
        for name in list_presets(config.algo, config.env_name):
            if self._with_preset(name).replace(total_steps=config.total_steps) == config:
                return name
        return None

    def choose_preset(self, name: str) -> None:
        """Take over a preset of the algorithm; what no preset says stays as a person has it.

        Raises:
            UnknownPreset: When there is no such preset.
            ConfigError: When it does not go with what stays.
        """
        with self._lock:
            self._config = self._with_preset(name)
            self.notice = ""
            self._forget_all()
            self.version += 1

    def _with_preset(self, name: str) -> RunConfig:
        """Give the config with a preset of its algorithm laid over."""
        old = self._config
        preset = get_default_config(old.algo, old.env_name, name)
        return self._kept(preset.replace(**self._own(old.env_name)))

    def adopt(self, config: RunConfig, *, keep_locked: bool = False) -> None:
        """Take another config, and forget what was wrong.

        Args:
            config: The config.
            keep_locked: Whether the options that a lesson locks stay as they are.

        Raises:
            ConfigError: When it does not go with what is locked.
        """
        with self._lock:
            self._config = self._kept(config) if keep_locked else config
            self.version += 1
            self.notice = ""
            self._forget_all()

    def _forget_all(self) -> None:
        self._wrong, self._unread = {}, set()

    def _try(self, place: Place, value: Any) -> bool:
        try:
            self._config = RunConfig.from_dict(_replaced(self._config.to_dict(), place, value))
        except RlplayError as error:
            self._wrong[place] = value, error
            return False
        self._wrong.pop(place, None)
        return True

    def _switch(self, field: str, name: str) -> bool:
        old = self._config
        algo = name if field == "algo" else old.algo
        env_name = name if field == "env_name" else old.env_name
        try:
            config = self._kept(get_default_config(algo, env_name).replace(**self._own(env_name)))
            reason, notice = explain_misfit(config), ""
            if reason is not None and field == "env_name" and not self.is_locked("algo"):
                fitting = default_config(env_name).replace(**self._own(env_name))
                config = self._kept(fitting)
                notice = f"{reason} {config.algo!r} learns here instead."
            elif reason is not None:
                raise ContractError(reason)
            self._config, self.notice = config, notice
        except RlplayError as error:
            self._wrong[(field,)] = name, error
            return False
        self._forget_all()
        return True

    def _own(self, env_name: str) -> dict[str, Any]:
        """Give what stays when another algorithm, environment or preset is taken over."""
        old = self._config
        own: dict[str, Any] = {"name": old.name, "seed": old.seed, "device": old.device}
        own["precision"] = old.precision
        if env_name == old.env_name:
            own["reward_config"] = old.reward_config
            standard, *presets = (
                get_default_config(old.algo, env_name, preset).env_config
                for preset in list_presets(old.algo, env_name)
            )
            # What a person changed of the board stays; what an algorithm sees best comes with it,
            # and so does what any preset says, also where this one leaves it at its default.
            own["env_config"] = {
                option: value
                for option, value in old.env_config.items()
                if value != standard[option]
                and all(preset[option] == standard[option] for preset in presets)
            }
        return own

    def _kept(self, config: RunConfig) -> RunConfig:
        """Give a config with the options that are locked as they were."""
        values = config.to_dict()
        for place in self._locked:
            with suppress(LookupError, TypeError):
                values = _replaced(values, place, look_up(self._config.to_dict(), place))
        return RunConfig.from_dict(values) if self._locked else config
