"""What a reward formula costs: `python tests/benchmarks/formula_speed.py`.

Each formula is computed on all boards at once, from float64 arrays. A node is a number, a variable,
an operator or a function. Each figure is the fastest of the repeats, by the wall clock.
"""

from __future__ import annotations

import argparse
import ast
import sys
import timeit

import numpy as np
from machine import describe_machine

from rlplay.envs.formula import Formula
from rlplay.envs.snake.config import REWARD_VARIABLES

FORMULAS = (
    "-hunger / 100",
    "previous_distance_to_food - distance_to_food",
    "0.1 if distance_to_food < previous_distance_to_food else -0.1",
    "1 / distance_to_food if distance_to_food > 0 else 0",
    "-clip(hunger / starvation_limit, 0, 1) ** 2",
    "min(score / steps, 1) - max(hunger / snake_length, 0.5)",
    "1 if 3 < score < 30 and hunger < 20 or free_cells < 10 else 0",
    "(score + 1) / (hunger + 2) - 0.5 * (steps - score * grid_size) + min(score, hunger, steps) "
    "* 2 + abs(score - hunger) / (1 + steps) + (1 if score < hunger else free_cells)",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=512, help="boards side by side")
    parser.add_argument("--repeats", type=int, default=30, help="repeats of each measurement")
    arguments = parser.parse_args()

    draw = np.random.default_rng(0)
    values = {
        name: draw.integers(1, 50, arguments.boards).astype(np.float64) for name in REWARD_VARIABLES
    }
    print(describe_machine())
    print(f"{arguments.boards} boards\n")
    print("| formula | nodes | us | us a node |")
    print("|---|---:|---:|---:|")
    for text in FORMULAS:
        formula = Formula(text, REWARD_VARIABLES)
        tree = ast.parse(text, mode="eval")
        functions = sum(isinstance(node, ast.Call) for node in ast.walk(tree))
        nodes = sum(isinstance(node, ast.expr) for node in ast.walk(tree)) - functions
        times = timeit.repeat(lambda f=formula: f(values), number=200, repeat=arguments.repeats)
        microseconds = min(times) / 200 * 1e6
        print(f"| {text} | {nodes} | {microseconds:.1f} | {microseconds / nodes:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
