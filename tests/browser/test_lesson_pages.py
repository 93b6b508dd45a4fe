"""What the pages of lessons 1, 2, 4, 8 and 9 compute, against Python; no JupyterLab is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlplay.lessons.tables import learn_on_the_cliff
from rlplay.samples.seeds import load_seeds
from rlplay.statistics import difference_interval, interquartile_mean
from rlplay_widgets.lessons.bandits import Arms, BanditView, ScheduleView, greedy_play
from rlplay_widgets.lessons.policies import ClippedObjective
from rlplay_widgets.lessons.returns import ReturnView
from rlplay_widgets.lessons.seeds import SeedFan
from rlplay_widgets.lessons.tables import TwoWays

#: A widget's model as a page has it, without a kernel behind; what is drawn stands in the body.
SHOW = """([values, packed]) => {
  for (const [name, numbers] of Object.entries(packed)) {
    values[name] = new DataView(new Uint8Array(numbers).buffer);
  }
  const heard = {};
  window.model = {
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
      for (const act of heard[`change:${name}`] ?? []) act();
    },
    on: (event, act) => (heard[event] ??= []).push(act),
    off: () => {},
    save_changes: () => {},
  };
  render({ model: window.model, el: document.body });
}"""


@pytest.fixture
def page(browser: Any) -> Any:
    opened = browser.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.close()
    assert complaints == []


def show(page: Any, widget: Any) -> None:
    """Draw a widget as its script does."""
    script = widget._esm.replace("export default alive({ render: keepingKeys(render) });", "")
    page.add_script_tag(content=script)
    values = {name: getattr(widget, name) for name in widget.keys if not name.startswith("_")}
    values = {name: value for name, value in values.items() if name not in ("layout", "tooltip")}
    packed = {name: [*value] for name, value in values.items() if isinstance(value, bytes)}
    page.evaluate(SHOW, [{n: v for n, v in values.items() if n not in packed}, packed])
    widget.close()


def turn(page: Any, name: str, value: Any) -> None:
    """Set what a slider sets, and wait for the next picture."""
    page.evaluate(
        """async ([name, value]) => {
          window.model.set(name, value);
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""",
        [name, value],
    )


def tile(page: Any, key: str) -> str:
    """One of the numbers below a drawing."""
    return str(page.locator(f"dd[data-key='{key}']").text_content())


def test_the_return_under_the_slider(page: Any) -> None:
    rewards = [0.0, -0.001, 1.0, 0.0, 1.0, 0.5, -1.001]
    show(page, ReturnView(rewards, gamma=0.9))
    for gamma in (0.9, 0.0, 0.35, 0.995, 1.0):
        turn(page, "gamma", gamma)
        view = ReturnView(rewards, gamma=gamma)
        assert tile(page, "return") == f"{view.value:.3f}"
        assert tile(page, "sum") == f"{sum(rewards):.3f}"
        last = gamma ** (len(rewards) - 1)
        assert float(tile(page, "last")) == pytest.approx(last, abs=1e-3)
        view.close()


@pytest.mark.parametrize(("epsilon", "start"), [(0.0, 0.0), (0.1, 0.0), (1.0, 0.0), (0.0, 5.0)])
def test_the_bandit_pulls_as_python_does(page: Any, epsilon: float, start: float) -> None:
    show(page, BanditView(epsilon=epsilon, start=start))
    regret = greedy_play(Arms.draw([0], arms=5, pulls=3_000), epsilon, start)[0]
    page.get_by_label("Show the truth").check()
    page.get_by_role("button", name="1 pull", exact=True).click()
    assert (tile(page, "pulls"), float(tile(page, "regret"))) == ("1", round(regret[0]))
    for pulls in (1_001, 2_001):
        page.get_by_role("button", name="1000 pulls at once").click()
        assert tile(page, "pulls") == str(pulls)
        assert float(tile(page, "regret")) == pytest.approx(regret[pulls - 1], abs=0.51)


def test_a_drawn_schedule_has_the_regret_that_python_says(page: Any) -> None:
    arms = Arms.draw(range(30), arms=6, pulls=250)
    shapes = [(0.5,) * 6, (1.0, 0.4, 0.1, 0.0, 0.0, 0.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    show(page, ScheduleView(arms, shapes[0]))

    def written(regret: Any) -> list[float]:
        return [regret.mean(), 1.96 * regret.std(ddof=1) / np.sqrt(len(regret))]

    for shape in shapes:
        turn(page, "points", shape)
        view = ScheduleView(arms, shape)
        there = [float(part) for part in tile(page, "mine").split(" ± ")]
        assert there == pytest.approx(written(view.regret()[:, -1]), abs=0.051)
        view.close()
    for epsilon in (0, 0.1):
        there = [float(part) for part in tile(page, f"epsilon-{epsilon}").split(" ± ")]
        assert there == pytest.approx(written(greedy_play(arms, epsilon)[:, -1]), abs=0.051)


def test_both_ways_along_the_cliff_are_those_of_the_tables(page: Any) -> None:
    agents = [learn_on_the_cliff(algo, episodes=300, seed=1) for algo in ("q-learning", "sarsa")]
    two = TwoWays(*agents)
    world, last = two.world, two.moment
    tables = [run["tables"] for run in two.runs]
    show(page, two)
    says = page.locator("figcaption span")
    for place, agent in enumerate(agents):
        way = page.evaluate("([world, q]) => wayOf(world, q)", [world, tables[place][last]])
        assert way["ends"]
        assert [agent.cells[state] for state in way["path"]] == agent.path
        assert says.nth(place).text_content() == f" walks {len(agent.path) - 1} steps to the goal"
    turn(page, "moment", 0)
    assert says.all_text_contents() == [" knows nothing yet"] * 2


def test_the_clipped_objective_is_that_of_ppo(page: Any) -> None:
    show(page, ClippedObjective())
    for clip in (0.05, 0.2, 0.6):
        for advantage in (1.0, -1.0, 2.5):
            for ratio in (0.0, 0.3, 0.79, 1.0, 1.21, 1.9):
                there = page.evaluate(
                    "([r, a, c]) => [objective(r, a, c), isFlat(r, a, c)]", [ratio, advantage, clip]
                )
                bounded = float(np.clip(ratio, 1 - clip, 1 + clip))
                # It is flat where the clipped part is the smaller one, and the ratio is clipped.
                flat = bounded != ratio and bounded * advantage < ratio * advantage
                assert there == [pytest.approx(min(ratio * advantage, bounded * advantage)), flat]
    sides = page.locator(".rlplay-clip-side")
    for ratio, said in ((1.5, ["true", "false"]), (1.0, ["false"] * 2), (0.5, ["false", "true"])):
        turn(page, "ratio", ratio)
        assert [sides.nth(side).get_attribute("data-flat") for side in range(2)] == said


@pytest.mark.parametrize("name", ["idea", "window"])
def test_the_seeds_say_what_the_statistics_say(page: Any, name: str) -> None:
    plain, ours = load_seeds("plain"), load_seeds(name)
    show(page, SeedFan(plain, ours))
    verdict = page.locator(".rlplay-seeds-verdict")
    for count in (1, 2, 5, 20):
        turn(page, "count", count)
        one, other = plain.scores[:count], ours.scores[:count]
        difference = interquartile_mean(other) - interquartile_mean(one)
        said = verdict.text_content()
        assert f"{difference:+.1f}".replace("-", "\N{MINUS SIGN}") in said
        if count == 1:
            assert "Nothing is shown" in said
            continue
        low, high = difference_interval(other, one)
        side = "better" if low > 0 else "worse" if high < 0 else ""
        word = "is" if count == 20 else "looks"
        assert said.startswith(f"{name} {word} {side}." if side else "Not shown.")
        assert ("know too little" in said) is (bool(side) and count < 10)
    turn(page, "best", True)
    gain = round((ours.scores.max() / interquartile_mean(plain.scores) - 1) * 100)
    assert f"+{gain} %" in verdict.text_content()
