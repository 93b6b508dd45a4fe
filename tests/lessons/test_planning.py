"""Lesson 3: that what is called impossible is, and what is asked for can be found."""

from __future__ import annotations

import numpy as np
import pytest

from rlplay.lessons.planning import BRIDGE, DISCOUNT, _way, get_rules, plan


def ways(map: str, slips: list[float], steps: list[float], rewards: dict[str, float]) -> set[str]:
    return {
        _way(*plan(map, float(gamma), step, slip, **rewards), map)
        for gamma in np.linspace(0.02, 1.0, 25)
        for step in steps
        for slip in slips
    }


def test_no_numbers_send_the_agent_round_the_top_to_the_near_end_on_a_dry_floor() -> None:
    found = ways("discount", [0.0], [-5.0, -1.0, -0.1, 0.0, 0.05, 0.5], DISCOUNT)
    assert "to the near end, along the pits" in found
    assert "to the far end, along the pits" in found
    assert "to the near end, round the top" not in found


def test_no_discount_makes_the_agent_cross_a_wet_bridge() -> None:
    assert ways("bridge", [0.1], [0.0], BRIDGE) == {"back to the near end"}
    assert "across to the far end" in ways("bridge", [0.0], [0.0], BRIDGE)


def test_the_rules_as_lists_hold_all_that_the_model_holds() -> None:
    model, last = plan("classic", 0.9, -0.04, 0.2)
    rules = get_rules(model)
    for state, actions in enumerate(rules):
        for action, outcomes in enumerate(actions):
            assert sum(p for p, _, _ in outcomes) == pytest.approx(float(not model.terminal[state]))
            value = sum(p * (r + 0.9 * last.values[after]) for p, after, r in outcomes)
            assert value == pytest.approx(last.q_values[state, action])
