"""The few lines of Python that reproduce what is set."""

from __future__ import annotations

from typing import Any

from rlplay.config import RunConfig, get_default_config, list_presets

__all__ = ["code_for"]

#: Characters a line, at most, where a value does not need more.
_WIDE = 88


def code_for(config: RunConfig, seconds: float | None = None) -> str:
    """Write Python that makes an equal config and trains it.

    Args:
        config: The config.
        seconds: The budget, where there is one.

    Returns:
        The code; after it ran, `config` is the config.
    """
    config = config.replace(run_id=None)
    preset, changes = _shortest(config)
    names = [_text(config.algo), _text(config.env_name)]
    if preset != "default":
        names.append(f"preset={_text(preset)}")
    made = f"rlplay.get_default_config({', '.join(names)})"
    if changes:
        options = "".join(f"    {name}={_written(value, 4)},\n" for name, value in changes.items())
        made += f".replace(\n{options})"
    budget = "" if seconds is None else f", seconds={_written(seconds, 0)}"
    return (
        f"import rlplay\n\nconfig = {made}\n\n"
        "# With the panel: rlplay_widgets.Playground(config). Without:\n"
        f"run = rlplay.train(config{budget})\n"
    )


def _shortest(config: RunConfig) -> tuple[str, dict[str, Any]]:
    """Find the preset from which the config differs least, and the differences."""
    found = [
        (preset, _changes(get_default_config(config.algo, config.env_name, preset), config))
        for preset in list_presets(config.algo, config.env_name)
    ]
    return min(found, key=lambda one: len(repr(one[1])))


def _changes(base: RunConfig, config: RunConfig) -> dict[str, Any]:
    """Give what `RunConfig.replace` needs to make one config of another."""
    changes: dict[str, Any] = {}
    old, new = base.to_dict(), config.to_dict()
    for name, value in new.items():
        if value == old[name]:
            continue
        if isinstance(value, dict):
            # The option dictionaries are merged key by key; both name every option.
            value = {key: entry for key, entry in value.items() if entry != old[name].get(key)}
        changes[name] = value
    return changes


def _written(value: Any, indent: int) -> str:
    """Write a value as Python, on several lines where it is long."""
    inner = " " * (indent + 4)
    if isinstance(value, dict):
        opened, closed = "{", "}"
        entries = [f"{_text(key)}: {_written(entry, indent + 4)}" for key, entry in value.items()]
    elif isinstance(value, list):
        opened, closed = "[", "]"
        entries = [_written(entry, indent + 4) for entry in value]
    else:
        return _text(value)
    inline = f"{opened}{', '.join(entries)}{closed}"
    if indent + len(inline) <= _WIDE and "\n" not in inline:
        return inline
    lines = "".join(f"{inner}{entry},\n" for entry in entries)
    return f"{opened}\n{lines}{' ' * indent}{closed}"


def _text(value: Any) -> str:
    """Write a number, a string, a truth value or nothing, as a person would."""
    if isinstance(value, int) and value >= 10_000:
        return f"{value:_}"
    text = repr(value)
    plain = isinstance(value, str) and not set(text[1:-1]) & set("\\\"'")
    return f'"{value}"' if plain else text
