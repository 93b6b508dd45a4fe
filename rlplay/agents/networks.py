"""Networks from a table of layers.

A network is described by JSON, ``{"layers": [{"type": "dense", "units": 128, "activation":
"relu"}, ...]}``, and closed by a linear layer of the size that the algorithm needs.

Weights start orthogonal (Saxe, McClelland and Ganguli 2014, arXiv:1312.6120), biases at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import nn

from rlplay.config import explain_value, validated
from rlplay.errors import LayerProblem, NetworkConfigError, nearest

__all__ = [
    "ACTIVATIONS",
    "NETWORK_PRESETS",
    "DenseLayer",
    "NetworkConfig",
    "build_network",
    "count_layer_parameters",
    "count_parameters",
    "describe_layers",
    "describe_network",
    "register_activation",
]

#: Activation by name: a factory of the module, and the gain of the weights that feed it.
ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "relu": (lambda: nn.ReLU(inplace=True), math.sqrt(2.0)),
    "leaky_relu": (lambda: nn.LeakyReLU(0.01, inplace=True), math.sqrt(2.0)),
    "tanh": (nn.Tanh, 5.0 / 3.0),
    "sigmoid": (nn.Sigmoid, 1.0),
    "linear": (nn.Identity, 1.0),
}


def register_activation(name: str, factory: Callable[[], nn.Module], gain: float = 1.0) -> None:
    """Add an activation to the table, or replace one.

    Args:
        name: How a layer asks for it.
        factory: Gives the module, for example ``torch.nn.GELU``.
        gain: Scale of the orthogonal weights that feed it, greater than 0.
    """
    ACTIVATIONS[name] = (factory, gain)


class DenseLayer(BaseModel):
    """A fully connected layer with its activation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["dense"] = Field(default="dense", description="the kind of layer")
    units: int = Field(
        default=128,
        ge=1,
        le=4096,
        strict=True,
        description="outputs of the layer",
        json_schema_extra={"unit": "units"},
    )
    activation: str = Field(default="relu", description="what is applied to each output")

    @field_validator("activation")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ACTIVATIONS:
            raise ValueError(
                f"no such activation.{nearest(name, ACTIVATIONS)} "
                f"Available: {', '.join(ACTIVATIONS)}"
            )
        return name


class NetworkConfig(BaseModel):
    """The hidden layers of a network, input side first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: tuple[DenseLayer, ...] = Field(
        default=(DenseLayer(units=128), DenseLayer(units=128)),
        max_length=16,
        description="hidden layers, from the input side on; none gives a linear model",
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _each(cls, layers: Any) -> Any:
        """Validate layer by layer, so that an error names the layer's index and field."""
        if not isinstance(layers, list | tuple):
            raise NetworkConfigError(
                f"Network: 'layers' must be a list of layers, not {type(layers).__name__}."
            )
        checked: list[DenseLayer] = []
        sentences: list[str] = []
        problems: list[LayerProblem] = []
        for index, layer in enumerate(layers):
            try:
                checked.append(_layer(index, len(layers), layer))
            except NetworkConfigError as error:
                sentences.append(str(error))
                problems += error.problems
        if sentences:
            raise NetworkConfigError(" ".join(sentences), problems)
        return tuple(checked)


def _layer(index: int, count: int, layer: Any) -> DenseLayer:
    """Validate one of `count` layers; people count them from 1."""
    place = f"layer {index + 1} of {count}"
    if isinstance(layer, DenseLayer):
        return layer
    if not isinstance(layer, dict):
        raise NetworkConfigError(
            f"Network: {place} must be a dict such as "
            f'{{"type": "dense", "units": 128, "activation": "relu"}}, not {layer!r}.'
        )
    try:
        return DenseLayer.model_validate(layer)
    except ValidationError as error:
        names = list(DenseLayer.model_fields)
        sentences, problems = [], []
        for detail in error.errors():
            field = str(detail["loc"][0]) if detail["loc"] else "type"
            if detail["type"] == "extra_forbidden":
                reason = f"Fields: {', '.join(names)}"
                said = f" has no field {field!r}.{nearest(field, names)} {reason}."
            else:
                came, reason = explain_value(detail)
                said = f": {field} = {came} is not allowed. {reason}"
            sentences.append(f"Network: {place}{said}")
            problems.append(LayerProblem(index, field, reason))
        raise NetworkConfigError(" ".join(sentences), problems) from None


#: Hidden layers to choose from, the smallest first.
NETWORK_PRESETS: Final[dict[str, NetworkConfig]] = {
    "small": NetworkConfig(layers=(DenseLayer(units=64),) * 2),
    "medium": NetworkConfig(layers=(DenseLayer(units=128),) * 2),
    "large": NetworkConfig(layers=(DenseLayer(units=256),) * 3),
}


def describe_layers(network_config: NetworkConfig) -> str:
    """Say the sizes of hidden layers in words, such as "2 layers of 128 units"."""
    units = [layer.units for layer in network_config.layers]
    if not units:
        return "no hidden layer: a linear model"
    if len(units) > 1 and len(set(units)) == 1:
        return f"{len(units)} layers of {units[0]} units"
    sizes = " and ".join(filter(None, (", ".join(map(str, units[:-1])), str(units[-1]))))
    return f"{'layers' if len(units) > 1 else 'a layer'} of {sizes} units"


def build_network(
    input_size: int,
    output_size: int,
    network_config: NetworkConfig | dict[str, Any],
    generator: torch.Generator | None = None,
    output_gain: float = 1.0,
) -> nn.Sequential:
    """Build a network of dense layers.

    Args:
        input_size: Length of an observation vector, 1 or more.
        output_size: Length of the output vector, 1 or more.
        network_config: The hidden layers.
        generator: Draws the initial weights; without one they come from a fixed seed.
        output_gain: Scale of the last layer's orthogonal weights.

    Returns:
        A module from (batch, input_size) to (batch, output_size), float32 on the CPU.

    Raises:
        NetworkConfigError: For a layer that cannot be built.
    """
    chosen = generator or torch.Generator().manual_seed(0)

    def dense(inputs: int, outputs: int, gain: float) -> nn.Linear:
        return _dense(inputs, outputs, gain, chosen)

    return _stack(input_size, output_size, network_config, dense, output_gain)


def describe_network(
    input_size: int, output_size: int, network_config: NetworkConfig | dict[str, Any]
) -> dict[str, torch.Tensor]:
    """Say which weights `build_network` gives, at the cost of none of them.

    Args:
        input_size: Length of an observation vector, 1 or more.
        output_size: Length of the output vector, 1 or more.
        network_config: The hidden layers.

    Returns:
        The state dict; the weights of its layers are on the "meta" device, where a tensor has
        shape and dtype but no content.

    Raises:
        NetworkConfigError: For a layer that cannot be built.
    """
    network = _stack(input_size, output_size, network_config, _without_content)
    return dict(network.state_dict())


def count_layer_parameters(
    input_size: int, output_size: int, network_config: NetworkConfig | dict[str, Any]
) -> list[int]:
    """Count the parameters of each layer of what `build_network` gives, without building it.

    Args:
        input_size: Length of an observation vector, 1 or more.
        output_size: Length of the output vector, 1 or more.
        network_config: The hidden layers.

    Returns:
        One count for each hidden layer, those of its activation included, and the output's.

    Raises:
        NetworkConfigError: For a layer that cannot be built.
    """
    # A dense layer, its activation, a dense layer, its activation, ..., the output.
    each = [
        count_parameters(module)
        for module in _stack(input_size, output_size, network_config, _without_content)
    ]
    return [sum(each[start : start + 2]) for start in range(0, len(each), 2)]


def _stack(
    input_size: int,
    output_size: int,
    network_config: NetworkConfig | dict[str, Any],
    dense: Callable[[int, int, float], nn.Linear],
    output_gain: float = 1.0,
) -> nn.Sequential:
    """Put the layers together; `dense` makes one of inputs, outputs and gain."""
    if isinstance(network_config, NetworkConfig):
        config = network_config
    else:
        config = validated(NetworkConfig, network_config, "Network")
    if input_size < 1 or output_size < 1:
        raise NetworkConfigError(
            f"Network: sizes must be 1 or more, not {input_size} in and {output_size} out."
        )
    modules: list[nn.Module] = []
    size = input_size
    for layer in config.layers:
        make_activation, gain = ACTIVATIONS[layer.activation]
        modules += [dense(size, layer.units, gain), make_activation()]
        size = layer.units
    modules.append(dense(size, output_size, output_gain))
    return nn.Sequential(*modules)


def _without_content(inputs: int, outputs: int, _: float) -> nn.Linear:
    return nn.Linear(inputs, outputs, device="meta")


def _dense(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    # skip_init leaves the weights unset, so that nothing is drawn from the global generator.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def count_parameters(network: nn.Module) -> int:
    """Count the numbers that training can change."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
