"""The Device tab: what is there, who chose, and what was measured."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import rlplay
import rlplay_widgets.panels.device as module
from rlplay import device as rlplay_device
from rlplay.errors import OutOfMemory
from rlplay_widgets import Playground, clerk
from rlplay_widgets.panels.device import DevicePanel


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores and no GPU, whatever this machine has, and nobody who forces."""
    monkeypatch.delenv("FORCE_DEVICE", raising=False)
    monkeypatch.setattr(module, "available_devices", lambda: ("cpu",))
    monkeypatch.setattr(module, "available_cores", lambda: 2)
    monkeypatch.setattr(module, "choose_num_threads", lambda: 2)
    for place in (module, rlplay_device):
        monkeypatch.setattr(place, "has_native_bfloat16", lambda device: device.type != "cpu")


class Driver:
    """A Playground whose Device tab is in front, as the browser sees it."""

    def __init__(self, playground: Playground) -> None:
        self.playground = playground
        self.draft = playground.desk.draft
        playground.tabs.choose("Device")
        playground._painter.tick()
        panel = playground.tabs.front
        assert isinstance(panel, DevicePanel)
        self.panel = panel
        self.paint()

    def paint(self) -> dict[str, Any]:
        """Paint until the clerk has nothing to do any more."""
        while True:
            clerk.submit(lambda: None).result(60)
            if not self.playground.desk.tasks:
                break
        self.playground._painter.tick()
        return self.panel.widget.state

    @property
    def said(self) -> list[str]:
        """What the message line says."""
        return [problem.text for problem in self.playground.desk.scene.problems.values()]

    def send(self, **content: Any) -> dict[str, Any]:
        self.panel.widget._handle_custom_msg(content, [])
        return self.paint()

    def set(self, option: str, value: Any) -> dict[str, Any]:
        return self.send(kind="set", option=option, value=value)


def there(monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    """Let this machine have other devices."""
    monkeypatch.setattr(module, "available_devices", lambda: devices)
    monkeypatch.setattr(rlplay_device, "available_devices", lambda: devices)
    monkeypatch.setattr(module, "describe_device", lambda device: (f"A {device.type}", 8 << 30))


@pytest.fixture
def tab(playground: Playground) -> Driver:
    return Driver(playground)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, playground: Playground) -> Driver:
    """A machine with a CUDA GPU."""
    there(monkeypatch, "cuda", "cpu")
    return Driver(playground)


def words(state: dict[str, Any], option: str) -> dict[Any, str]:
    return {choice["value"]: choice["words"] for choice in state[option]["choices"]}


def test_only_what_is_there_can_be_chosen(tab: Driver) -> None:
    state = tab.paint()
    choices = words(state, "device")
    assert list(choices) == ["auto", "cpu"]
    assert choices["auto"] == "CPU here"
    assert rlplay_device.cpu_name() in choices["cpu"]
    assert state["device"]["about"].startswith("CPU: of MPS, CUDA and CPU the first")
    assert words(state, "num_threads") == {None: "2 of 2 cores", 1: "", 2: ""}


def test_names_and_memory_of_two_devices(two: Driver) -> None:
    assert words(two.paint(), "device") == {
        "auto": "GPU (CUDA) here",
        "cuda": "A cuda, 8 GB",
        "cpu": "A cpu, 8 GB",
    }


def test_a_choice_goes_into_the_draft(two: Driver) -> None:
    state = two.set("device", "cpu")
    assert two.draft.config.device == state["device"]["value"] == "cpu"
    assert state["device"]["about"] == "CPU, since the config says so."
    assert two.set("num_threads", 1)["num_threads"]["value"] == 1
    assert two.set("num_threads", None)["num_threads"]["value"] is None
    assert two.set("precision", "bfloat16")["precision"]["value"] == "bfloat16"
    assert two.draft.config.precision == "bfloat16"


@pytest.mark.parametrize(("option", "value"), [("device", "tpu"), ("num_threads", 0)])
def test_a_wrong_choice_is_told_where_it_is(tab: Driver, option: str, value: Any) -> None:
    state = tab.set(option, value)
    assert option in state[option]["problem"]
    assert tab.draft.config == rlplay.get_default_config()


def test_other_options_than_its_own_cannot_be_set(tab: Driver) -> None:
    tab.set("seed", 7)
    assert tab.draft.config.seed == 0


def test_a_lesson_may_keep_the_device_as_it_is(tab: Driver) -> None:
    tab.draft.lock(("device",))
    state = tab.set("device", "cpu")
    assert state["device"]["locked"]
    assert state["device"]["value"] == "auto"
    assert not state["precision"]["locked"]
    assert tab.said


def test_a_config_from_elsewhere_says_that_its_device_is_not_here(tab: Driver) -> None:
    tab.draft.adopt(tab.draft.config.replace(device="mps", num_threads=64))
    state = tab.paint()
    assert words(state, "device")["mps"] == "not on this machine"
    assert words(state, "num_threads")[64] == "on 2 cores"
    assert "asks for mps" in state["device"]["about"]


def test_who_forces_is_named(two: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_DEVICE", "cpu")
    state = two.set("device", "cuda")
    assert state["device"]["about"].startswith("FORCE_DEVICE=cpu")
    assert [each["what"] for each in state["comparisons"]] == ["threads", "precisions"]


def test_what_automatic_precision_means_here(two: Driver) -> None:
    state = two.paint()
    assert words(state, "precision")["auto"] == "bfloat16 here"
    assert "multiplies itself" in words(state, "precision")["bfloat16"]
    state = two.set("device", "cpu")
    assert words(state, "precision")["auto"] == "float32 here"
    assert "slow" in words(state, "precision")["bfloat16"]


def test_threads_count_on_the_cpu_only(two: Driver) -> None:
    assert two.paint()["num_threads"]["about"] == "Threads count on the CPU only."
    assert two.set("device", "cpu")["num_threads"]["about"] == ""


# Which is fastest?


class Stopwatch:
    """Stands in for `measure_speed`: knows how fast everything is."""

    def __init__(self, **speeds: Any) -> None:
        self.speeds = speeds
        self.asked: list[tuple[str, str, int | None, float]] = []

    def __call__(self, config: rlplay.RunConfig, seconds: float) -> float:
        self.asked.append((config.device, config.precision, config.num_threads, seconds))
        for value in (config.device, config.precision, f"threads_{config.num_threads}"):
            if value in self.speeds:
                speed = self.speeds[value]
                if isinstance(speed, Exception):
                    raise speed
                return float(speed)
        raise AssertionError(config)


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch(cuda=200_000, cpu=50_000, threads_1=90_000, threads_2=152_000.4)
    monkeypatch.setattr(module, "measure_speed", watch)
    return watch


def bars(state: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(bar["label"], bar["speed"], bar["best"]) for bar in state["measurement"]["bars"]]


def test_one_device_compares_threads_and_precisions(tab: Driver) -> None:
    state = tab.paint()
    assert [(each["what"], each["words"]) for each in state["comparisons"]] == [
        ("threads", "1 to 2 threads"),
        ("precisions", "float32 or bfloat16"),
    ]
    assert state["measurement"] == {}


def test_threads_are_measured_with_this_very_config_and_the_winner_is_adopted(
    tab: Driver, stopwatch: Stopwatch
) -> None:
    state = tab.send(kind="measure", what="threads")
    assert stopwatch.asked == [("auto", "auto", 1, 2.0), ("auto", "auto", 2, 2.0)]
    assert bars(state) == [
        ("1 thread", "90\u202f000 steps/s", False),
        ("2 threads", "152\u202f000 steps/s", True),
    ]
    assert state["measurement"]["bars"][0]["share"] == pytest.approx(90_000 / 152_000.4)
    assert state["measurement"]["notes"] == []
    assert [bar["used"] for bar in state["measurement"]["bars"]] == [True, False]
    state = tab.send(kind="adopt", bar=1)
    assert tab.draft.config.num_threads == 2
    assert [bar["used"] for bar in state["measurement"]["bars"]] == [False, True]


def test_two_devices_are_compared(two: Driver, stopwatch: Stopwatch) -> None:
    state = two.send(kind="measure", what="devices")
    assert [asked[0] for asked in stopwatch.asked] == ["cuda", "cpu"]
    assert bars(state)[0] == ("GPU (CUDA)", "200\u202f000 steps/s", True)


def test_a_choice_that_cannot_be_measured_says_why_and_the_others_go_on(
    two: Driver, stopwatch: Stopwatch
) -> None:
    stopwatch.speeds["cuda"] = OutOfMemory("Out of memory on cuda.")
    state = two.send(kind="measure", what="devices")
    first, second = state["measurement"]["bars"]
    assert first["reason"] == "Out of memory on cuda."
    assert second["best"]
    assert two.said == []


def test_progress_and_cancelling(tab: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(config: rlplay.RunConfig, seconds: float) -> float:
        begun.set()
        assert go_on.wait(20)
        return 1000.0

    monkeypatch.setattr(module, "measure_speed", slow)
    tab.panel.measure("threads")
    assert begun.wait(20)
    tab.panel.measure("precisions")  # one after the other
    tab.playground._painter.tick()
    measurement = tab.panel.widget.state["measurement"]
    assert measurement["kind"] == "threads"
    assert measurement["running"]
    assert [bar["measuring"] for bar in measurement["bars"]] == [True, False]
    assert "measuring the speed" in tab.playground.desk.tasks
    tab.panel.widget._handle_custom_msg({"kind": "cancel"}, [])
    go_on.set()
    measurement = tab.paint()["measurement"]
    assert not measurement["running"]
    assert [bool(bar["speed"]) for bar in measurement["bars"]] == [True, False]
    assert "Cancelled." in measurement["notes"]


def test_figures_of_another_config_say_so(tab: Driver, stopwatch: Stopwatch) -> None:
    tab.send(kind="measure", what="threads")
    tab.send(kind="adopt", bar=0)
    tab.playground.desk.set("seed", 5)
    assert tab.paint()["measurement"]["notes"] == []
    tab.playground.desk.set("network_config", "layers", [])
    assert "another config" in tab.paint()["measurement"]["notes"][0]


def test_figures_beside_a_training_say_so(tab: Driver, stopwatch: Stopwatch) -> None:
    config = rlplay.get_default_config().replace(
        env_config={"grid_size": 5}, num_envs=4, num_threads=1
    )
    tab.draft.adopt(config)
    session = tab.playground.desk.start()
    try:
        state = tab.send(kind="measure", what="threads")
        assert "A session trained meanwhile" in state["measurement"]["notes"][0]
        assert "from the next start on" in state["note"]
    finally:
        session.stop()
        session.wait(30)
    state = tab.send(kind="measure", what="threads")
    assert state["measurement"]["notes"] == []
    assert state["note"] == ""


def test_what_cannot_be_compared_is_refused(tab: Driver, stopwatch: Stopwatch) -> None:
    tab.send(kind="measure", what="devices")
    tab.send(kind="adopt", bar=3)
    assert stopwatch.asked == []
    assert tab.said


@pytest.mark.parametrize(
    ("cores", "counts"),
    [
        (2, [1, 2]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (16, [1, 2, 4, 8, 16]),
        (24, [1, 2, 4, 8, 16, 24]),
    ],
)
def test_of_many_cores_only_some_are_measured(cores: int, counts: list[int]) -> None:
    assert module._thread_counts(cores) == counts


def test_a_tiny_config_is_really_measured(tab: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.1)
    tab.draft.adopt(
        rlplay.get_default_config().replace(
            env_config={"grid_size": 4, "vision": 0},
            network_config={"layers": [{"units": 8}]},
            hyperparams={"num_steps": 8, "num_minibatches": 1},
            num_envs=8,
            num_threads=1,
        )
    )
    state = tab.send(kind="measure", what="precisions")
    first, second = state["measurement"]["bars"]
    assert (first["label"], second["label"]) == ("float32", "bfloat16")
    assert first["speed"].endswith("steps/s")
    assert first["reason"] == second["reason"] == ""
    assert first["best"] != second["best"]
    assert rlplay.get_storage_manager().list_runs() == []
