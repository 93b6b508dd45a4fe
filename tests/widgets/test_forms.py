"""The form builder: what the browser sends arrives in the draft, and comes back as it was."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

import rlplay
from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig
from rlplay.envs import get_env_spec
from rlplay.envs.own import BLOCKS, FUNCTION
from rlplay.envs.rewards import NumberOrFormula
from rlplay.training.monitor import Snapshot
from rlplay_widgets.desk import Desk
from rlplay_widgets.forms import Form, options_of
from rlplay_widgets.painter import Painter
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import LIGHT

from .conftest import StillSession

RUN = ["seed", "num_envs", "total_steps", "device", "precision", "num_threads"]


def frame(session: Any = None) -> Frame:
    snapshot = Snapshot() if session is None else session.snapshot()
    return Frame(0.0, session, snapshot, LIGHT, False, False, {})


def new_desk(algo: str = "ppo", **changes: Any) -> Desk:
    return Desk(Painter(threaded=False), rlplay.get_default_config(algo).replace(**changes))


def form_of(part: str, algo: str = "ppo", **changes: Any) -> Form:
    desk = new_desk(algo, **changes)
    if part == "run":
        return Form(desk, RunConfig, (), RUN)
    env = get_env_spec("snake")
    model = {
        "hyperparams": get_agent_spec(algo).hyperparameters,
        "env_config": env.config_model,
        "reward_config": env.reward_model,
    }[part]
    # What is somebody's own is no option of snake, and has controls of its own.
    only = [name for name in model.model_fields if name not in (BLOCKS, FUNCTION)]
    return Form(desk, model, (part,), only)


def painted(form: Form, name: str) -> dict[str, Any]:
    form.paint(frame())
    return form.widget.now["options"][name]


def send(form: Form, **content: Any) -> None:
    """What arrives from the browser."""
    form.widget._handle_custom_msg(content, [])


def allowed(form: Form, name: str) -> st.SearchStrategy[Any]:
    """The values that an option's declaration allows."""
    option, declared = form.options[name], form.model.model_fields[name]
    bounds = {
        key: value
        for constraint in declared.metadata
        for key in ("ge", "gt", "le", "lt")
        if (value := getattr(constraint, key, None)) is not None
    }
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if option.kind == "switch":
        values = st.booleans()
    elif option.kind == "choice":
        values = st.sampled_from([value for _, value in option.choices])
    elif option.kind == "formula":
        limits = next(d for d in declared.metadata if isinstance(d, NumberOrFormula))
        values = st.floats(limits.ge, limits.le) | st.sampled_from(
            ["1 - hunger / 10", "0.1 if score > 3 else -2", "1e-5 * steps"]
        )
    elif option.whole:
        values = st.integers(low, high - ("lt" in bounds))
    else:
        values = st.floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)
    return st.none() | values if option.none else values


@pytest.mark.parametrize(
    ("part", "algo"),
    [
        ("env_config", "ppo"),
        ("reward_config", "ppo"),
        ("hyperparams", "ppo"),
        ("hyperparams", "dqn"),
        ("run", "ppo"),
    ],
)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_allowed_value_goes_through_its_control_and_comes_back(
    part: str, algo: str, data: st.DataObject
) -> None:
    # With the food on a channel of its own, each of the others can be switched off alone.
    form = form_of(part, algo, env_config={"food_channel": "own", "grid_size": 64})
    for name, option in form.options.items():
        old = form._desk.draft.get(*form.place, name)
        value = data.draw(allowed(form, name), label=name)
        typed = option.kind in ("number", "formula") and value is not None
        send(form, kind="set", name=name, value=option.write(value) if typed else value, at=1)
        assert form._desk.draft.problems == {}
        there = form._desk.draft.get(*form.place, name)
        assert there == value
        shown = painted(form, name)
        assert shown["text"] == option.write(value)
        assert shown["reason"] == ""
        if typed:
            assert option.read(shown["text"]) == value
        form._desk.set(*form.place, name, old)


def test_every_option_has_a_control_and_says_what_it_is() -> None:
    for algo in ("ppo", "dqn"):
        for part in ("env_config", "reward_config", "hyperparams"):
            form = form_of(part, algo)
            fields = {field["name"]: field for field in form.widget.fields}
            own = {BLOCKS, FUNCTION}
            assert list(fields) == [name for name in form.model.model_fields if name not in own]
            assert all(field["kind"] not in ("json", "text") for field in fields.values())
            for name, field in fields.items():
                declared = form.model.model_fields[name]
                assert declared.description in field["about"]
                assert field["group"] == declared.json_schema_extra["group"]


def test_a_slider_reaches_what_is_usual_and_only_what_is_allowed() -> None:
    for algo in ("ppo", "dqn"):
        form = form_of("hyperparams", algo)
        for name, option in form.options.items():
            scale, declared = option.scale, form.model.model_fields[name]
            if scale is None:
                continue
            lowest = 0 if scale.get("zero") else scale["low"]
            assert lowest <= declared.default <= scale["high"]
            for end in (lowest, scale["high"]):
                assert form.enter(name, end), f"{name} = {end}"
    ppo = form_of("hyperparams").options
    assert ppo["learning_rate"].scale["kind"] == "log"
    assert ppo["discount"].scale["kind"] == "linear"
    assert ppo["entropy_coefficient"].scale["zero"]
    assert form_of("run").options["total_steps"].scale is None


@pytest.mark.parametrize(
    ("typed", "value"),
    [("3e-4", 3e-4), (" 0.5 ", 0.5), (".5", 0.5), ("1e-05", 1e-5), ("1", 1)],
)
def test_numbers_are_typed_as_people_type_them(typed: str, value: float) -> None:
    form = form_of("hyperparams")
    assert form.enter("learning_rate", typed)
    assert form._desk.draft.config.hyperparams["learning_rate"] == value


@pytest.mark.parametrize(
    "typed", ["60000000", "60 000 000", "60_000_000", "6e7", "60\u202f000\u202f000"]
)
def test_large_numbers_may_be_grouped(typed: str) -> None:
    form = form_of("run")
    assert form.enter("total_steps", typed)
    assert form._desk.draft.config.total_steps == 60_000_000
    assert painted(form, "total_steps")["text"] == "60\u202f000\u202f000"


@pytest.mark.parametrize("typed", ["abc", "", "1,5", "nan", "inf", "1e999", "0x10", "9" * 5000])
def test_what_is_no_number_stays_with_its_reason(typed: str) -> None:
    form = form_of("hyperparams")
    before = form._desk.draft.config
    assert not form.enter("learning_rate", typed)
    shown = painted(form, "learning_rate")
    assert shown["text"] == typed
    assert shown["reason"] == "Not a number. Allowed: > 0 to 1."
    assert form._desk.draft.config == before
    assert form.enter("learning_rate", "0.01")
    assert painted(form, "learning_rate")["reason"] == ""


def test_what_is_out_of_range_stays_with_its_reason_and_start_refuses() -> None:
    form = form_of("env_config")
    assert not form.enter("grid_size", "99")
    shown = painted(form, "grid_size")
    assert (shown["text"], shown["reason"]) == ("99", "Not allowed. Allowed: 4 to 64 cells.")
    assert form._desk.draft.config.env_config["grid_size"] == 10
    with pytest.raises(rlplay.errors.SessionError, match="grid_size = 99"):
        form._desk.start()


def test_options_that_do_not_fit_together_say_so() -> None:
    form = form_of("env_config")
    assert not form.enter("danger", "off")
    shown = painted(form, "danger")
    assert "needs a channel" in shown["reason"]
    assert shown["value"] == "off"
    assert form.enter("body", "occupied")
    assert painted(form, "danger")["reason"] == ""
    assert form._desk.draft.config.env_config["danger"] == "off"


def test_a_formula_that_cannot_be_used_says_why() -> None:
    form = form_of("reward_config")
    assert not form.enter("closer", "1 - distnce_to_food")
    shown = painted(form, "closer")
    assert "Did you mean 'distance_to_food'?" in shown["reason"]
    assert not shown["reason"].startswith("Reward")
    assert shown["text"] == "1 - distnce_to_food"


def test_the_default_is_the_algorithms_own_and_one_click_away() -> None:
    form = form_of("hyperparams")
    default = rlplay.get_default_config().hyperparams["discount"]
    assert default != form.model.model_fields["discount"].default
    assert painted(form, "discount")["default"] == ""
    send(form, kind="set", name="discount", value="0.5", at=1)
    assert painted(form, "discount")["default"] == str(default)
    send(form, kind="reset", name="discount", at=2)
    assert painted(form, "discount")["default"] == ""
    assert form._desk.draft.config == rlplay.get_default_config()


def test_reset_all_leaves_nothing_changed() -> None:
    form = form_of("hyperparams")
    form.enter("learning_rate", "nonsense")
    form.enter("num_epochs", 7)
    form.reset_all()
    assert form._desk.draft.problems == {}
    assert form._desk.draft.config == rlplay.get_default_config()


def test_none_is_a_choice_of_its_own() -> None:
    form = form_of("env_config")
    assert form.options["max_steps"].none == "never"
    assert form.enter("max_steps", "300")
    assert painted(form, "max_steps")["default"] == "never"
    assert form.enter("max_steps", None)
    assert painted(form, "max_steps") | {"value": None, "text": ""} == painted(form, "max_steps")
    # An option that cannot be None refuses it.
    assert not form.enter("grid_size", None)


def test_nothing_is_sent_twice_and_nothing_loops() -> None:
    form = form_of("hyperparams")
    form.paint(frame())
    changes: list[str] = []
    form.widget.observe(lambda change: changes.append(change["name"]))
    version = form._desk.draft.version
    for _ in range(5):
        form.paint(frame())
    assert changes == []
    send(form, kind="set", name="discount", value="0.5", at=7)
    assert changes == []  # callbacks touch no widget
    for _ in range(5):
        form.paint(frame())
    assert changes == ["now"]
    assert form.widget.now["heard"] == 7
    assert form._desk.draft.version == version + 1


def test_what_is_wrong_in_a_message_harms_nothing() -> None:
    form = form_of("hyperparams")
    before = form._desk.draft.config
    for content in (
        {},
        {"kind": "set", "name": "no_such", "value": 1, "at": 1},
        {"kind": "burn", "name": "discount", "at": 2},
        {"kind": "set", "name": "discount", "value": {"a": [1]}, "at": 3},
        {"kind": "set", "name": "discount", "value": True, "at": "x"},
    ):
        send(form, **content)
    form.enter("discount", 0.5)
    form.reset("discount")
    form.paint(frame())
    assert form._desk.draft.config == before


def test_an_option_of_an_algorithm_that_was_left_is_not_set() -> None:
    form = form_of("hyperparams")
    form._desk.set("algo", "dqn")
    send(form, kind="set", name="clip", value="0.3", at=1)
    assert form._desk.scene.problems == {}
    form.describe(get_agent_spec("dqn").hyperparameters)
    send(form, kind="set", name="double", value=False, at=2)
    assert painted(form, "double")["value"] is False


def test_what_counts_later_says_so_while_a_session_runs() -> None:
    session = StillSession()
    desk = Desk(Painter(threaded=False), session.config, session)
    form = Form(desk, get_agent_spec("ppo").hyperparameters, ("hyperparams",))
    run = Form(desk, RunConfig, (), ["num_envs"])
    for state, later in (("new", ""), ("running", "later"), ("paused", "later"), ("finished", "")):
        session.monitor.publish(state=state)
        form.paint(frame(session))
        run.paint(frame(session))
        options = form.widget.now["options"]
        assert options["num_steps"]["later"] == later
        assert run.widget.now["options"]["num_envs"]["later"] == later
        assert options["learning_rate"]["later"] == ""
    session.monitor.publish(state="running")
    form.enter("num_steps", 64)
    form.enter("learning_rate", 0.01)
    form.paint(frame(session))
    options = form.widget.now["options"]
    assert options["num_steps"]["later"] == "changed"
    assert options["learning_rate"]["later"] == ""
    assert session.config.hyperparams["learning_rate"] == 0.01
    # The session is told something else in code: what the form shows is of the next start.
    session.update_hyperparams(learning_rate=0.02)
    form.paint(frame(session))
    assert form.widget.now["options"]["learning_rate"]["later"] == "changed"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Odd(BaseModel):
    model_config = ConfigDict(extra="forbid")

    plain: int = 3
    any_number: float = Field(1.0, description="<b>bold</b>")
    below: float = Field(0.5, lt=1)
    colour: Colour = Colour.RED
    size: Literal[1, 2, None] = 1
    words: str = Field("hi", title="Some words")
    table: list[int] = Field([1, 2])
    either: int | float = 2


def test_any_model_gets_a_form() -> None:
    options = {option.name: option for option in options_of(Odd)}
    kinds = {name: option.kind for name, option in options.items()}
    assert kinds == {
        "plain": "number", "any_number": "number", "below": "number", "colour": "choice",
        "size": "choice", "words": "text", "table": "json", "either": "number",
    }  # fmt: skip
    assert options["words"].label == "Some words"
    assert options["plain"].range == ""
    assert options["below"].range == "< 1"
    assert options["colour"].choices == (("red", "red"), ("blue", "blue"))
    assert options["table"].read("[3, 4]") == [3, 4]
    assert options["table"].read("[3, ") == "[3, "
    assert options["table"].write([3, 4]) == "[3, 4]"
    assert [option.name for option in options_of(Odd, ["words", "plain"])] == ["words", "plain"]


def test_choices_stand_in_place_of_the_declared_control() -> None:
    words = {"vision": [("neighbours", 0), ("whole grid", -1)]}
    form = Form(new_desk(), get_env_spec("snake").config_model, ("env_config",), choices=words)
    field = next(field for field in form.widget.fields if field["name"] == "vision")
    assert field["kind"] == "choice"
    assert field["choices"] == [["neighbours", 0], ["whole grid", -1]]
    assert form.enter("vision", -1)
    assert painted(form, "vision")["value"] == -1


def test_what_a_lesson_keeps_cannot_be_changed() -> None:
    form = form_of("env_config")
    draft = form._desk.draft
    draft.set("env_config", "grid_size", 7)
    draft.lock(("env_config", "grid_size"))
    send(form, kind="set", name="grid_size", value="12", at=1)
    form.enter("vision", 1)
    form.reset_all()
    assert draft.config.env_config["grid_size"] == 7
    assert draft.config.env_config["vision"] == 5
    assert painted(form, "grid_size")["locked"]
    assert not painted(form, "vision")["locked"]
