import pytest
import torch
from torch import nn

from rlplay.agents.networks import (
    ACTIVATIONS,
    build_network,
    count_parameters,
    register_activation,
)
from rlplay.errors import ConfigError, NetworkConfigError


def layers(*specs: tuple[int, str]) -> dict:
    return {"layers": [{"type": "dense", "units": u, "activation": a} for u, a in specs]}


def test_shapes_and_parameter_count():
    network = build_network(15, 3, layers((128, "relu"), (64, "tanh")))
    assert network(torch.zeros(7, 15)).shape == (7, 3)
    assert count_parameters(network) == (15 * 128 + 128) + (128 * 64 + 64) + (64 * 3 + 3)


def test_no_hidden_layer_is_a_linear_model():
    network = build_network(4, 2, {"layers": []})
    assert count_parameters(network) == 4 * 2 + 2


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("relu", torch.relu),
        ("leaky_relu", lambda x: torch.where(x > 0, x, 0.01 * x)),
        ("tanh", torch.tanh),
        ("sigmoid", torch.sigmoid),
        ("linear", lambda x: x),
    ],
)
def test_each_activation_is_what_its_name_says(name, function):
    network = build_network(3, 1, layers((5, name)))
    x = torch.linspace(-2, 2, 12).reshape(4, 3)
    expected = network[-1](function(network[0](x)))
    torch.testing.assert_close(network(x), expected)


def test_same_generator_same_weights_and_global_generator_untouched():
    before = torch.random.get_rng_state()
    first = build_network(6, 2, layers((8, "relu")), torch.Generator().manual_seed(5))
    again = build_network(6, 2, layers((8, "relu")), torch.Generator().manual_seed(5))
    other = build_network(6, 2, layers((8, "relu")), torch.Generator().manual_seed(6))
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_start_orthogonal():
    weight = build_network(8, 2, layers((8, "linear")))[0].weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([{"units": 0}], ["layer 0", "'units'", "0"]),
        ([{"units": 8}, {"units": "many"}], ["layer 1", "'units'", "many"]),
        ([{"units": 8}, {"activation": "rellu"}], ["layer 1", "'activation'", "'relu'"]),
        ([{"type": "convolution"}], ["layer 0", "'type'", "dense"]),
        ([{"unit": 8}], ["layer 0", "'unit'", "'units'"]),
        (["relu"], ["layer 0", "'relu'"]),
        ("relu", ["'layers'", "list"]),
    ],
)
def test_a_wrong_layer_names_its_index_and_field(bad, words):
    with pytest.raises(NetworkConfigError) as caught:
        build_network(3, 1, {"layers": bad})
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_option_and_a_wrong_size_are_errors():
    with pytest.raises(ConfigError, match=r"'layer'.*'layers'"):
        build_network(3, 1, {"layer": []})
    with pytest.raises(NetworkConfigError, match="0 in"):
        build_network(0, 1, {"layers": []})


def test_a_registered_activation_builds():
    register_activation("gelu", nn.GELU)
    try:
        assert isinstance(build_network(3, 1, layers((4, "gelu")))[1], nn.GELU)
    finally:
        del ACTIVATIONS["gelu"]
