"""Which algorithms can learn a world: what a list of algorithms offers."""

from __future__ import annotations

from collections.abc import Callable

from rlplay.agents import AGENT_REGISTRY, explain_misfit
from rlplay.config import get_default_config
from rlplay.envs import get_env_spec
from rlplay.errors import RlplayError
from rlplay_widgets import clerk

__all__ = ["list_fitting"]

_known: dict[tuple[object, ...], tuple[str, ...] | None] = {}


def list_fitting(env_name: str, then: Callable[[], None]) -> tuple[str, ...]:
    """Name the algorithms that can learn a world; returns at once.

    Args:
        env_name: The world, with its default options.
        then: Called in another thread once it is known, where it was not yet.

    Returns:
        Their names in order; all algorithms while it is still being found out, since making a
        world may compile it.
    """
    algorithms = tuple(sorted(AGENT_REGISTRY))
    try:
        # What is registered anew is asked anew.
        key = (get_env_spec(env_name), *(AGENT_REGISTRY[name].agent for name in algorithms))
    except RlplayError:  # whoever makes it says why
        return algorithms
    if key not in _known:
        _known[key] = None

        def find() -> None:
            found = algorithms
            try:
                found = tuple(name for name in algorithms if _fits(name, env_name))
            finally:
                _known[key] = found or algorithms
                then()

        clerk.submit(find)
    return _known[key] or algorithms


def _fits(algo: str, env_name: str) -> bool:
    """Whether an algorithm fits a world; one that cannot be made fits until training says why."""
    try:
        return explain_misfit(get_default_config(algo, env_name)) is None
    except Exception:
        return True
