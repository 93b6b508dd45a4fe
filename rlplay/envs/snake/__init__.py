"""Snake: rules, observation, options, and the environments made of them."""

from __future__ import annotations

import threading
from typing import Any

from rlplay.envs.snake.config import SnakeConfig, SnakeRewards
from rlplay.envs.snake.env import SnakeEnv, SnakeVectorEnv

__all__ = ["SnakeConfig", "SnakeEnv", "SnakeRewards", "SnakeVectorEnv", "cache_is_warm", "warmup"]

_is_warm = False


def warmup() -> None:
    """Have every kernel ready to run: loaded from numba's cache on disk, or compiled into it.

    All options share the same machine code, so once is enough for every board.
    """
    global _is_warm
    env = SnakeVectorEnv(2)
    env.reset(seed=0)
    env.step([0, 0])
    _is_warm = True


def cache_is_warm() -> bool:
    """Tell whether boards can play at once; otherwise the first one waits for a compilation.

    Kernels found on disk are loaded by the way; nothing is compiled.
    """
    from rlplay.envs.compiled import event

    if _is_warm:
        return True
    thread = threading.get_ident()

    class Refuse(event.Listener):
        """Stops this thread's next compilation before it begins."""

        def on_start(self, _: Any) -> None:
            if threading.get_ident() == thread:
                raise _WouldCompile

        def on_end(self, _: Any) -> None:
            """A compilation that another thread began earlier has ended."""

    try:
        with event.install_listener("numba:compile", Refuse()):
            warmup()
    except _WouldCompile:
        return False
    return True


class _WouldCompile(BaseException):
    """A kernel is not on disk. Not an `Exception`, so that numba does not take it for its own."""
