import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rlplay.agents.networks import (
    ACTIVATIONS,
    NETWORK_PRESETS,
    NetworkConfig,
    build_network,
    count_layer_parameters,
    count_parameters,
    describe_layers,
    register_activation,
)
from rlplay.errors import ConfigError, LayerProblem, NetworkConfigError


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
        ([{"units": 0}], ["layer 1 of 1", "units = 0", "1 or more"]),
        ([{"units": 8}, {"units": "many"}], ["layer 2 of 2", "units = 'many'", "a whole number"]),
        (
            [{"units": 8}, {"activation": "rellu"}],
            ["layer 2 of 2", "activation = 'rellu'", "'relu'"],
        ),
        ([{"type": "convolution"}], ["layer 1 of 1", "type = 'convolution'", "dense"]),
        ([{"unit": 8}], ["layer 1 of 1", "'unit'", "'units'"]),
        (["relu"], ["layer 1 of 1", "'relu'"]),
        ("relu", ["'layers'", "list"]),
    ],
)
def test_a_wrong_layer_names_its_place_and_field(bad, words):
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


def test_an_error_holds_every_value_that_is_wrong():
    wrong = [{"units": 0, "activation": "rellu"}, {"units": 8}, {"units": "many"}]
    with pytest.raises(NetworkConfigError) as caught:
        build_network(3, 1, {"layers": wrong})
    problems = caught.value.problems
    assert [(problem.layer, problem.field) for problem in problems] == [
        (0, "units"),
        (0, "activation"),
        (2, "units"),
    ]
    assert problems[0] == LayerProblem(0, "units", "Needed is 1 or more.")
    assert "no such activation" in problems[1].reason
    assert "layer 1 of 3" in str(caught.value)
    assert "layer 3 of 3" in str(caught.value)


class Scaled(nn.Module):
    """An activation with a weight that is trained and one that is not."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(5))

    def forward(self, x):
        return x * self.scale.mean()


@settings(deadline=None, max_examples=40)
@given(
    inputs=st.integers(1, 300),
    outputs=st.integers(1, 9),
    specs=st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from([*ACTIVATIONS, "scaled"])), max_size=5
    ),
)
def test_parameters_are_counted_without_building_the_network(inputs, outputs, specs):
    register_activation("scaled", Scaled)
    try:
        counts = count_layer_parameters(inputs, outputs, layers(*specs))
        network = build_network(inputs, outputs, layers(*specs))
    finally:
        del ACTIVATIONS["scaled"]
    assert len(counts) == len(specs) + 1
    assert sum(counts) == count_parameters(network)
    assert counts[-1] == count_parameters(network[-1])


def test_counting_a_huge_network_takes_no_memory():
    counts = count_layer_parameters(10**9, 3, layers((4096, "relu")))
    assert counts == [10**9 * 4096 + 4096, 4096 * 3 + 3]


def test_presets_grow_and_say_their_sizes():
    counts = [sum(count_layer_parameters(100, 4, config)) for config in NETWORK_PRESETS.values()]
    assert list(NETWORK_PRESETS) == ["small", "medium", "large"]
    assert counts == sorted(set(counts))
    assert [describe_layers(config) for config in NETWORK_PRESETS.values()] == [
        "2 layers of 64 units",
        "2 layers of 128 units",
        "3 layers of 256 units",
    ]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((), "no hidden layer: a linear model"),
        ((7,), "a layer of 7 units"),
        ((7, 8), "layers of 7 and 8 units"),
        ((9, 8, 7), "layers of 9, 8 and 7 units"),
    ],
)
def test_sizes_in_words(sizes, words):
    config = NetworkConfig.model_validate(layers(*((size, "relu") for size in sizes)))
    assert describe_layers(config) == words
