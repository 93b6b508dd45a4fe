"""Snake again, plain and slow, to hold against the compiled kernels.

A snake is a list of (x, y), head first; nothing is shared with the kernels but the options and the
number generator that the design names.
"""

from __future__ import annotations

import numpy as np

from rlplay.envs.snake import SnakeConfig, SnakeRewards
from rlplay.seeding import splitmix64

UP, RIGHT, DOWN, LEFT = (0, -1), (1, 0), (0, 1), (-1, 0)
CLOCKWISE = [UP, RIGHT, DOWN, LEFT]


def turned(direction, quarter_turns):
    """Turn a direction clockwise."""
    return CLOCKWISE[(CLOCKWISE.index(direction) + quarter_turns) % 4]


class ReferenceSnake:
    """One board."""

    def __init__(self, config: SnakeConfig, rewards: SnakeRewards, episode_seed: int) -> None:
        self.config = config
        self.rewards = rewards
        self.size = config.grid_size
        self.limit = config.starvation_limit or self.size**2
        self.seed_stream = episode_seed
        self.start(episode_seed)

    def start(self, episode_seed):
        """Begin the episode of a seed."""
        self.episode_seed = episode_seed
        self.stream = episode_seed ^ 0x5EED0FCE115
        self.lay_snake()
        self.start_length = len(self.body)
        self.hunger = 0
        self.steps = 0
        self.ending = None
        self.place_food()

    def lay_snake(self):
        """Lay the snake: one cell anywhere, or more along a walk through the board."""
        size, shortest = self.size, self.config.start_length
        longest = self.config.max_start_length or shortest
        length = shortest
        if longest > shortest:
            length += self.draw(longest - shortest + 1)
        if length == 1:
            start = self.draw(size**2)
            self.body = [(start % size, start // size)]
            self.direction = RIGHT
            return
        walk = self.walk()
        cells = size**2
        first = self.draw(cells if size % 2 == 0 else cells - length)
        turn = self.draw(8)
        self.body = [
            self.mirrored(walk[(first + i) % cells], turn) for i in reversed(range(length))
        ]
        head, neck = self.body[:2]
        self.direction = (head[0] - neck[0], head[1] - neck[1])

    def walk(self):
        """List all cells such that each one lies next to the one before."""
        size = self.size
        columns = range(size % 2 == 0, size)
        cells = []
        for y in range(size):
            cells += [(x, y) for x in (reversed(columns) if y % 2 else columns)]
        if size % 2 == 0:
            cells += [(0, y) for y in reversed(range(size))]
        return cells

    def mirrored(self, cell, turn):
        """Turn or mirror a cell."""
        x, y = cell
        x = self.size - 1 - x if turn & 1 else x
        y = self.size - 1 - y if turn & 2 else y
        return (y, x) if turn & 4 else (x, y)

    def start_next(self):
        """Begin the episode that follows on this board."""
        self.seed_stream, number = splitmix64(self.seed_stream)
        self.start(number >> 33)

    def draw(self, count):
        """Draw a number below count."""
        self.stream, number = splitmix64(self.stream)
        return number % count

    def place_food(self):
        """Lay the food on a free cell."""
        cells = [(x, y) for y in range(self.size) for x in range(self.size)]
        free = [cell for cell in cells if cell not in self.body]
        self.food = free[self.draw(len(free))]

    def distance(self, cell, food):
        """Count the moves between two cells."""
        return abs(cell[0] - food[0]) + abs(cell[1] - food[1])

    def inside(self, cell):
        """Tell whether a cell is on the board."""
        return 0 <= cell[0] < self.size and 0 <= cell[1] < self.size

    def step(self, action):
        """Turn, move, then judge; returns the reward."""
        self.direction = turned(self.direction, [0, 1, 3][action])
        self.steps += 1
        head, food = self.body[0], self.food
        target = (head[0] + self.direction[0], head[1] + self.direction[1])
        happened = []
        if not self.inside(target):
            self.ending = "wall"
            happened.append("death_wall")
        elif target in self.body[:-1]:
            self.ending = "self"
            happened.append("death_self")
        elif target == food:
            self.body.insert(0, target)
            self.hunger = 0
            happened.append("apple")
            if len(self.body) == self.size**2:
                self.food = None
                self.ending = "won"
                happened.append("win")
            else:
                self.place_food()
        else:
            self.body.insert(0, target)
            self.body.pop()
            self.hunger += 1
            if self.hunger >= self.limit:
                self.ending = "starvation"
                happened.append("death_starv")
            elif self.distance(target, food) < self.distance(head, food):
                happened.append("closer")
            else:
                happened.append("farther")
        if self.ending is None and self.config.max_steps and self.steps >= self.config.max_steps:
            self.ending = "truncated"
        reward = self.rewards.step
        if self.rewards.step_times_hunger:
            reward *= self.hunger + 1
        return reward + sum(getattr(self.rewards, event) for event in happened)

    def numbers(self):
        """Give what the infos say."""
        return {
            "score": len(self.body) - self.start_length,
            "length": len(self.body),
            "hunger": self.hunger,
            "steps": self.steps,
            "episode_seed": self.episode_seed,
        }

    def render_state(self):
        """Give what is drawn."""
        return {
            "grid_size": self.size,
            "snake_position": [{"x": x, "y": y} for x, y in self.body],
            "food_position": None if self.food is None else {"x": self.food[0], "y": self.food[1]},
            "direction": list(self.direction),
            "score": len(self.body) - self.start_length,
            "hunger": self.hunger,
            "steps": self.steps,
            "game_over": self.ending is not None,
            "death_reason": self.ending if self.ending in ("wall", "self", "starvation") else None,
            "won": self.ending == "won",
        }

    def seen(self, dx, dy):
        """Turn a step on the board as the snake sees it."""
        if self.config.frame == "absolute":
            return dx, dy
        ahead, right = self.direction, turned(self.direction, 1)
        return dx * right[0] + dy * right[1], -(dx * ahead[0] + dy * ahead[1])

    def cells(self):
        """List the cells of the window, on the board."""
        x, y = self.body[0]
        vision = self.config.vision
        if vision == -1:
            return [(column, row) for row in range(self.size) for column in range(self.size)]
        if self.config.frame == "absolute":
            ahead, right = UP, RIGHT
            neighbours = [UP, DOWN, LEFT, RIGHT]
        else:
            ahead, right = self.direction, turned(self.direction, 1)
            neighbours = [ahead, right, turned(self.direction, 3)]
        if vision == 0:
            return [(x + dx, y + dy) for dx, dy in neighbours]
        cells = []
        for forward in range(vision, -vision - 1, -1):
            for sideways in range(-vision, vision + 1):
                if forward or sideways:
                    cells.append(
                        (
                            x + forward * ahead[0] + sideways * right[0],
                            y + forward * ahead[1] + sideways * right[1],
                        )
                    )
        return cells

    def lifetime(self, cell):
        """Count the moves until the snake has left a cell."""
        return len(self.body) - self.body.index(cell) if cell in self.body else 0

    def observation(self):
        """Give the observation as the table of blocks describes it."""
        config, size, length = self.config, self.size, len(self.body)
        head = self.body[0]
        numbers = []
        if config.food:
            step = (0, 0)
            if self.food is not None:
                step = self.seen(self.food[0] - head[0], self.food[1] - head[1])
            numbers += [step[0] / size, step[1] / size]
        if config.direction and config.frame == "absolute":
            numbers += self.direction
        if config.hunger:
            numbers.append(self.hunger / self.limit)
        if config.length:
            numbers.append(length / size**2)
        if config.seg_size:
            count = min(config.seg_size, length - 1)
            last, steps = head, []
            for j in range(1, count + 1):
                cell = self.body[j * (length - 1) // count]
                step = self.seen(cell[0] - last[0], cell[1] - last[1])
                steps += [step[0] / size, step[1] / size]
                last = cell
            numbers += steps + [0.0] * (2 * config.seg_size - len(steps))

        cells = self.cells()
        if config.vision == -1:
            numbers += [cell == head for cell in cells]
        walls = [not self.inside(cell) for cell in cells]
        lifetimes = [self.lifetime(cell) for cell in cells]

        def lasting(life):
            """A body cell shows 0.3 to 1, by how long it lasts; a free cell shows 0."""
            share = np.float32(life) / np.float32(length)
            return np.float32(0.3) + np.float32(0.7) * share if life > 0 else 0.0

        def mixed(values):
            return [-1.0 if cell == self.food else v for cell, v in zip(cells, values, strict=True)]

        danger, body = [], []
        if config.danger == "binary":
            danger = [wall or life > 0 for wall, life in zip(walls, lifetimes, strict=True)]
        if config.danger == "lifetime":
            for wall, life in zip(walls, lifetimes, strict=True):
                danger.append(1.0 if wall else lasting(life))
        if config.body == "occupied":
            body = [life > 0 for life in lifetimes]
        if config.body == "lifetime":
            body = [lasting(life) for life in lifetimes]
        if config.food_channel == "mixed" and body:
            body = mixed(body)
        elif config.food_channel == "mixed":
            danger = mixed(danger)
        numbers += danger
        if config.wall:
            numbers += walls
        numbers += body
        if config.food_channel == "own":
            numbers += [cell == self.food for cell in cells]
        return np.array(numbers, np.float32)

    def sensible_action(self, generator):
        """Choose mostly a safe action towards the food, so that snakes grow long."""
        if generator.random() < 0.1:
            return int(generator.integers(3))
        x, y = self.body[0]
        choices = []
        for action in range(3):
            dx, dy = turned(self.direction, [0, 1, 3][action])
            cell = (x + dx, y + dy)
            if self.inside(cell) and cell not in self.body[:-1]:
                choices.append((self.distance(cell, self.food), generator.random(), action))
        return min(choices)[2] if choices else 0
