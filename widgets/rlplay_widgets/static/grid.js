// What the lessons on tables share: planning on a small world, and its board as a drawing (SVG).
// parts.js stands above this file.
//
// A world is what `rlplay_widgets.lessons.worlds.describe` sends: rows, cells, start, terminal, and
// for each state and action, as long as nothing slips, where it leads (moves) and what it pays
// (pays) besides the reward of every step.

const ACTIONS = ["up", "right", "down", "left"];
const STEPS = [[0, -1], [1, 0], [0, 1], [-1, 0]];
const CELL = 72;

// Q(s, a) of all states: whoever slips does the action to the right or to the left of it instead.
function lookAhead(world, values, { gamma, step, slip }) {
  return world.moves.map((moves, state) => {
    if (world.terminal[state]) return [0, 0, 0, 0];
    const straight = moves.map((after, a) => world.pays[state][a] + step + gamma * values[after]);
    return straight.map(
      (worth, a) =>
        (1 - slip) * worth + (slip / 2) * (straight[(a + 1) % 4] + straight[(a + 3) % 4]),
    );
  });
}

// Value iteration: so many sweeps from V = 0, or until nothing changes (at most `most` sweeps).
function iterate(world, rules, sweeps, most = 10_000) {
  const until = sweeps < 0;
  let values = world.cells.map(() => 0);
  let change = 0;
  let number = 0;
  for (; number < (until ? most : sweeps); number++) {
    const swept = lookAhead(world, values, rules).map((row) => Math.max(...row));
    change = Math.max(...swept.map((value, state) => Math.abs(value - values[state])));
    values = swept;
    if (until && change <= 1e-9) {
      number++;
      break;
    }
  }
  return { values, q: lookAhead(world, values, rules), change, number, stable: change <= 1e-9 };
}

// The best actions of a row; equally good ones are all named.
function bestOf(row) {
  const best = Math.max(...row);
  return row.flatMap((value, action) => (value >= best - 1e-9 ? [action] : []));
}

// The way of the best actions from the start, as long as nothing slips.
function wayOf(world, q) {
  const path = [world.start];
  let tied = false;
  for (;;) {
    const state = path.at(-1);
    if (world.terminal[state]) return { path, tied, ends: true };
    const best = bestOf(q[state]);
    tied ||= best.length > 1;
    const after = world.moves[state][best[0]];
    if (path.includes(after)) return { path, tied, ends: false };
    path.push(after);
  }
}

const signed = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "\u2212" : ""}${text}`;
};

function drawn(tag, attributes = {}, words) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (words !== undefined) element.textContent = words;
  return element;
}

// A small triangle at the rim of a cell that points out of it.
function arrow(action, inset = 5, half = 8, long = 9) {
  const [dx, dy] = STEPS[action];
  const tip = CELL / 2 - inset;
  const at = (along, across) => `${dx * along - dy * across},${dy * along + dx * across}`;
  return `${at(tip, 0)} ${at(tip - long, half)} ${at(tip - long, -half)}`;
}

// The largest reward of a cell that is on the map: what full colour stands for.
function largest(world) {
  const there = new Set(world.rows.join(""));
  const paid = Object.entries(world.worth).flatMap(([kind, pays]) => (there.has(kind) ? [Math.abs(pays)] : []));
  return Math.max(...paid, 1e-9);
}

// The board. `show` paints values, arrows and the way; only what changed is touched.
function makeBoard(world, { label, numbers = true, onPick } = {}) {
  const width = world.rows[0].length * CELL;
  const height = world.rows.length * CELL;
  const box = drawn("svg", {
    class: "rlplay-grid-board",
    viewBox: `-2 -2 ${width + 4} ${height + 4}`,
    role: "img",
    "aria-label": label,
  });
  const middle = ([x, y]) => [x * CELL + CELL / 2, y * CELL + CELL / 2];
  world.rows.forEach((row, y) =>
    [...row].forEach((kind, x) => {
      if (kind !== "#") return;
      const size = { x: x * CELL + 1, y: y * CELL + 1, width: CELL - 2, height: CELL - 2, rx: 5 };
      box.append(drawn("rect", { class: "rlplay-grid-wall", ...size }));
    }),
  );
  // Below: the grounds, then the way over them; above: arrows and words.
  const grounds = drawn("g");
  const way = drawn("polyline", { class: "rlplay-grid-way" });
  box.append(grounds, way);
  const cells = world.cells.map((place, state) => {
    const kind = world.rows[place[1]][place[0]];
    const [x, y] = middle(place);
    const group = drawn("g", { transform: `translate(${x} ${y})` });
    const size = { x: 1 - CELL / 2, y: 1 - CELL / 2, width: CELL - 2, height: CELL - 2, rx: 5 };
    const ground = drawn("rect", { class: "rlplay-grid-cell", ...size, transform: `translate(${x} ${y})` });
    grounds.append(ground);
    const arrows = ACTIONS.map((_, action) =>
      drawn("polygon", { points: arrow(action), class: "rlplay-grid-arrow" }));
    group.append(...arrows);
    const special = world.terminal[state] || kind === "C";
    const name = { G: "goal", T: "treasure", P: "pit", C: "cliff", S: "start" }[kind];
    if (special) {
      ground.classList.add("rlplay-grid-special");
      const pays = world.worth[kind];
      ground.style.setProperty("--share", `${pays === 0 ? 0 : 85}%`);
      ground.classList.toggle("rlplay-grid-loss", pays < 0);
      group.append(
        drawn("text", { class: "rlplay-grid-name", y: -7 }, name),
        drawn("text", { class: "rlplay-grid-worth", y: 16 },
          `${pays > 0 ? "+" : pays < 0 ? "\u2212" : ""}${short(Math.abs(pays))}`),
      );
    } else if (kind === "S") {
      group.append(drawn("text", { class: "rlplay-grid-name rlplay-grid-start", x: -32, y: -21 }, name));
    }
    const value = drawn("text", { class: "rlplay-grid-value", y: 6 });
    if (!special && numbers) group.append(value);
    if (onPick) {
      for (const part of [ground, group]) part.addEventListener("click", () => onPick(state));
    }
    box.append(group);
    return { group, ground, arrows, value, special, said: "", pointed: "" };
  });
  const picked = drawn("rect", { class: "rlplay-grid-picked", rx: 5,
    width: CELL - 2, height: CELL - 2, visibility: "hidden" });
  box.append(picked);

  // Gives how many cells point elsewhere than before.
  const show = ({ values, q, path, scale, marks = false }) => {
    let turned = 0;
    const pointedBefore = cells.map((cell) => cell.pointed);
    cells.forEach((cell, state) => {
      if (cell.special) return;
      const share = 78 * Math.min(1, Math.abs(values[state]) / scale) ** 0.6;
      cell.ground.style.setProperty("--share", `${share.toFixed(1)}%`);
      cell.ground.classList.toggle("rlplay-grid-loss", values[state] < 0);
      const words = signed(values[state], Math.abs(values[state]) < 9.995 ? 2 : 1);
      if (cell.said !== words) {
        cell.value.textContent = cell.said = words;
        cell.value.classList.toggle("rlplay-grid-long", words.length > 4); // between two arrows
      }
      const best = bestOf(q[state]);
      const pointed = best.length === 4 ? "" : best.join();
      if (cell.pointed === pointed) return;
      cell.pointed = pointed;
      cell.arrows.forEach((one, action) =>
        one.classList.toggle("rlplay-grid-on", pointed !== "" && best.includes(action)));
      if (!marks || pointedBefore[state] === "") return;
      turned++;
      cell.group.classList.remove("rlplay-grid-turned");
      void cell.ground.getBoundingClientRect(); // so that the mark begins anew
      cell.group.classList.add("rlplay-grid-turned");
    });
    way.setAttribute("points", path.map((state) => middle(world.cells[state]).join()).join(" "));
    return turned;
  };
  const pick = (state) => {
    const [x, y] = world.cells[state];
    picked.setAttribute("x", x * CELL + 1);
    picked.setAttribute("y", y * CELL + 1);
    picked.setAttribute("visibility", "visible");
  };
  return { box, show, pick };
}

// A slider with its name and its value.
function slider({ name, words, low, high, by, read, onInput }) {
  const row = make("label", "rlplay-grid-slider");
  const title = make("span", "rlplay-grid-slider-name", words);
  const input = make("input");
  const value = make("output");
  Object.assign(input, { type: "range", min: low, max: high, step: by });
  input.dataset.name = name;
  input.setAttribute("aria-label", words);
  input.oninput = () => onInput(Number(input.value));
  row.append(title, input, value);
  const show = (number) => {
    if (Number(input.value) !== number) input.value = number;
    value.textContent = read(number);
  };
  return { row, input, show };
}
