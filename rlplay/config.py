"""What a run is: one validated, JSON-shaped description, composed of the parts' own options.

Each option is declared once, beside the code that uses it, as a pydantic field. `RunConfig`
looks up those declarations by the names of its algorithm and environment, fills in what was
left out, and refuses what nobody declared.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from rlplay.errors import ConfigError, UnknownPreset, nearest

__all__ = [
    "RunConfig",
    "describe_preset",
    "explain_value",
    "get_default_config",
    "list_presets",
    "validated",
]

ModelT = TypeVar("ModelT", bound=BaseModel)

#: The dictionaries of a config that are merged key by key, not replaced whole.
_NESTED = ("env_config", "reward_config", "network_config", "hyperparams")


def _location(error: ErrorDetails) -> str:
    """Spell an error's place as a person would: ``layers[1].units``."""
    text = ""
    for part in error["loc"]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(("function-", "union", "tagged-")):
            text += f".{part}" if text else part
    return text


#: What is needed where pydantic refuses a value, by the beginning of its word for it.
_NEEDED: Final = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "bool": "true or false",
    "string_too_long": "at most {max_length} characters",
    "string_type": "text",
    "too_long": "at most {max_length} of them",
    "list": "a list",
    "tuple": "a list",
    "dict": "a JSON object (a dict)",
    "literal_error": "{expected}",
}
#: Characters of a refused value that a message repeats.
_REPEATED: Final = 60


def explain_value(error: ErrorDetails) -> tuple[str, str]:
    """Put one pydantic error in a person's words.

    Args:
        error: The error, of a value that is not allowed.

    Returns:
        The value, cut where it is long, and a sentence of what is needed in its place.
    """
    came = repr(error["input"])
    if len(came) > _REPEATED:
        came = f"{came[:_REPEATED]}…"
    for kind, needed in _NEEDED.items():
        if error["type"].startswith(kind):
            return came, f"Needed is {needed.format(**error.get('ctx', {}))}."
    reason = error["msg"].removeprefix("Value error, ").rstrip(".")
    return came, f"{reason}."


def _bounds(field_info: Any) -> str:
    """Describe the range of a field, or return an empty string."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    parts = [
        f"{signs[name]} {value}"
        for constraint in field_info.metadata
        for name in signs
        if (value := getattr(constraint, name, None)) is not None
    ]
    return " and ".join(parts)


def _message(model: type[BaseModel], error: ErrorDetails, what: str) -> str:
    """Say what came, what is allowed and what next, for one pydantic error."""
    place = _location(error)
    known = list(model.model_fields)
    if error["type"] == "extra_forbidden":
        if len(error["loc"]) > 1:
            return f"{what} has no option {place!r}."
        return (
            f"{what} has no option {place!r}.{nearest(place, known)} "
            f"Options: {', '.join(known) or 'none'}."
        )
    if error["type"] == "missing":
        return f"{what}: {place} is missing."
    came, reason = explain_value(error)
    if error["type"] == "value_error" and not place:
        return f"{what}: {reason}"
    head = str(error["loc"][0]) if error["loc"] else ""
    allowed = _bounds(model.model_fields[head]) if head in model.model_fields else ""
    if allowed and len(error["loc"]) == 1:
        is_range = error["type"].startswith(("greater_than", "less_than"))
        reason = f"{'' if is_range else f'{reason} '}Allowed: {allowed}."
    return f"{what}: {place or 'the value'} = {came} is not allowed. {reason}"


def validated(model: type[ModelT], values: Any, what: str) -> ModelT:
    """Build a pydantic model, or raise one clear error.

    Args:
        model: The model that declares the options.
        values: A mapping of options, or an instance of the model.
        what: What the options belong to, as the error message begins.

    Returns:
        The validated model.

    Raises:
        ConfigError: For an unknown option, a wrong type or a value out of range.
    """
    if isinstance(values, model):
        return values
    if not isinstance(values, dict):
        raise ConfigError(
            f"{what} must be a JSON object (a dict) of options, not {type(values).__name__}."
        )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            # pydantic wraps every ValueError; one of ours is already worded.
            cause = detail.get("ctx", {}).get("error")
            if isinstance(cause, ConfigError):
                raise cause from None
        raise ConfigError(" ".join(_message(model, detail, what) for detail in details)) from None


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay changes over a config: top-level keys replace, the nested dictionaries merge."""
    result = dict(base)
    for key, value in changes.items():
        if key in _NESTED and isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = {**result[key], **value}
        else:
            result[key] = value
    return result


#: Marks that turn round the direction of all that stands behind them, and such as show nothing.
_TURNING: Final = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_INVISIBLE: Final = "\u200b\u2060\ufeff"


def _as_title(text: str) -> str:
    """Give a text as a title of one line, which changes nothing of what stands around it."""
    kept = (
        one
        for one in " ".join(text.split())
        if unicodedata.category(one) not in ("Cc", "Cs")
        and unicodedata.bidirectional(one) not in _TURNING
        and one not in _INVISIBLE
    )
    return "".join(kept).strip()


class RunConfig(BaseModel):
    """Everything that a run is made of; the content of ``config.json``.

    The nested dictionaries are validated by the models that the named environment and
    algorithm declare, and hold every option once the config exists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    run_id: str | None = Field(
        None, description="the run's folder name; chosen when training starts"
    )
    name: Annotated[str, AfterValidator(_as_title)] = Field(
        "", max_length=200, description="a title for people"
    )
    algo: str = Field("ppo", description="the learning algorithm, as registered")
    env_name: str = Field(
        "snake", title="Environment", description="the environment, as registered"
    )
    env_config: dict[str, Any] = Field(
        default_factory=dict, description="options of the environment"
    )
    reward_config: dict[str, Any] = Field(
        default_factory=dict, description="the value of each event"
    )
    network_config: dict[str, Any] = Field(
        default_factory=dict, description="the hidden layers of the network"
    )
    hyperparams: dict[str, Any] = Field(
        default_factory=dict, description="options of the algorithm"
    )
    seed: Annotated[int, Field(strict=True)] = Field(
        0, ge=0, lt=2**53, description="the one seed from which every generator is seeded"
    )
    num_envs: Annotated[int, Field(strict=True)] = Field(
        1,
        title="Boards",
        ge=1,
        le=16_384,
        description="boards played side by side",
        json_schema_extra={"unit": "boards"},
    )
    total_steps: int = Field(
        1_000_000,
        ge=1,
        le=10**12,
        description="environment steps of the whole run; schedules end here",
        json_schema_extra={"unit": "steps"},
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where the networks compute"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="number format of the networks' matrix products; losses stay in float32",
    )
    num_threads: int | None = Field(
        None,
        title="Threads",
        ge=1,
        le=256,
        description="CPU threads of the networks; none means automatic",
        json_schema_extra={"unit": "threads", "none": "automatic"},
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        """Fill the nested options in from the declarations of the named parts."""
        if not isinstance(values, dict):
            raise ConfigError(
                f"A run's config must be a JSON object (a dict), not {type(values).__name__}."
            )
        from rlplay.agents import get_agent_spec
        from rlplay.agents.networks import NetworkConfig
        from rlplay.envs import get_env_spec

        env = get_env_spec(values.get("env_name", "snake"))
        agent = get_agent_spec(values.get("algo", "ppo"))
        parts: dict[str, tuple[type[BaseModel], str]] = {
            "env_config": (env.config_model, f"Environment {env.name!r}"),
            "reward_config": (env.reward_model, f"Rewards of {env.name!r}"),
            "network_config": (NetworkConfig, "Network"),
            "hyperparams": (agent.hyperparameters, f"Algorithm {agent.name!r}"),
        }
        resolved = dict(values)
        for key, (model, what) in parts.items():
            part = validated(model, values.get(key, {}), what)
            resolved[key] = part.model_dump(mode="json")
        return resolved

    @classmethod
    def from_dict(cls, values: Any) -> RunConfig:
        """Build a config from its JSON shape.

        Args:
            values: A dict as `to_dict` gives it; options left out get their defaults.

        Returns:
            The validated config.

        Raises:
            ConfigError: For anything that a run cannot have.
            UnknownEnvironment: When the environment is not registered.
            UnknownAlgorithm: When the algorithm is not registered.
        """
        return validated(cls, values, "A run's config")

    def to_dict(self) -> dict[str, Any]:
        """Give the config in its JSON shape."""
        return self.model_dump(mode="json")

    def replace(self, **changes: Any) -> Self:
        """Give a changed copy; the nested dictionaries are merged key by key.

        Changing the algorithm or the environment drops the options of the old one.

        Args:
            **changes: Fields of `RunConfig`.

        Returns:
            The validated copy.

        Raises:
            ConfigError: For anything that a run cannot have.
        """
        base = self.to_dict()
        if changes.get("algo", self.algo) != self.algo:
            base["hyperparams"] = {}
        if changes.get("env_name", self.env_name) != self.env_name:
            base["env_config"] = base["reward_config"] = {}
        return validated(type(self), _merged(base, changes), "A run's config")


def list_presets(algo: str = "ppo", env_name: str = "snake") -> list[str]:
    """Name the presets of an algorithm for an environment, the default one first."""
    from rlplay.agents import get_agent_spec

    presets = get_agent_spec(algo).presets.get(env_name, {})
    return ["default", *(name for name in presets if name != "default")]


def describe_preset(algo: str, env_name: str, preset: str) -> str:
    """Say in one sentence what a preset is for.

    Args:
        algo: A registered algorithm.
        env_name: A registered environment.
        preset: One of `list_presets`.

    Returns:
        The sentence; empty where its algorithm declares none.

    Raises:
        UnknownAlgorithm: When the algorithm is not registered.
        UnknownPreset: When the algorithm has no such preset for this environment.
    """
    return str(_preset_layers(algo, env_name, preset)[-1].get("description", ""))


def _preset_layers(algo: str, env_name: str, preset: str | None) -> list[dict[str, Any]]:
    """Give the partial configs that lie over each other in a preset, the lowest first.

    Raises:
        UnknownPreset: When the algorithm has no such preset for this environment.
    """
    from rlplay.agents import get_agent_spec

    presets = get_agent_spec(algo).presets
    known = presets.get(env_name, {})
    layers = [presets.get("*", {}).get("default", {})]
    if "default" in known:
        layers.append(known["default"])
    if preset is not None and preset != "default":
        if preset not in known:
            raise UnknownPreset(
                f"No preset {preset!r} of {algo!r} for {env_name!r}.{nearest(preset, known)} "
                f"Available: {', '.join(list_presets(algo, env_name))}."
            )
        layers.append(known[preset])
    return layers


def get_default_config(
    algo: str = "ppo", env_name: str = "snake", preset: str | None = None
) -> RunConfig:
    """Give the config that works well for this algorithm on this environment.

    Args:
        algo: A registered algorithm.
        env_name: A registered environment.
        preset: One of `list_presets`, laid over the default.

    Returns:
        The config, whole and validated.

    Raises:
        UnknownAlgorithm: When the algorithm is not registered.
        UnknownEnvironment: When the environment is not registered.
        UnknownPreset: When the algorithm has no such preset for this environment.
    """
    values: dict[str, Any] = {}
    for layer in _preset_layers(algo, env_name, preset):
        values = _merged(values, layer)
    values.pop("description", None)
    return RunConfig.from_dict({**values, "algo": algo, "env_name": env_name})
