// Value iteration on a small world, at once in the browser: drag a knob, and the arrows turn.
// parts.js and grid.js stand above this file.

const EVERY = 450; // milliseconds between two sweeps of Play

function render({ model, el }) {
  const world = model.get("world");
  const scale = largest(world);
  const root = make("div", "rlplay-grid");
  const side = make("div", "rlplay-grid-side");
  const where = make("p", "rlplay-grid-where");
  const turns = make("p", "rlplay-grid-turns");
  const backup = make("div", "rlplay-grid-backup");
  where.setAttribute("role", "status");
  let timer = null;
  let picked = model.get("picked");
  let known = null;

  const read = () => ({
    gamma: model.get("gamma"), step: model.get("step"), slip: model.get("slip"),
  });
  const board = makeBoard(world, {
    label: `Map of ${world.rows[0].length} by ${world.rows.length} cells with values and arrows`,
    onPick: (state) => choose(state),
  });
  board.box.setAttribute("tabindex", "0");
  board.box.addEventListener("keydown", (event) => {
    const direction = ["ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft"].indexOf(event.key);
    if (direction < 0) return;
    event.preventDefault();
    event.stopPropagation();
    choose(neighbour(picked, direction));
  });
  const neighbour = (state, direction) => {
    const [x, y] = world.cells[state];
    const [dx, dy] = STEPS[direction];
    const at = world.cells.findIndex(([u, v]) => u === x + dx && v === y + dy);
    return at < 0 ? state : at;
  };

  const knobs = {
    gamma: { words: "discount \u03b3", low: 0, high: 1, by: 0.01, read: (x) => x.toFixed(2) },
    step: { words: "reward of a step", low: -5, high: 1, by: 0.05, read: (x) => signed(x) },
    slip: { words: "slip", low: 0, high: 0.5, by: 0.01, read: (x) => `${Math.round(100 * x)}\u202f%` },
  };
  const sliders = model.get("knobs").map((name) => {
    const made = slider({ name, ...knobs[name], onInput: (value) => turn(name, value) });
    made.input.onchange = () => model.save_changes();
    return [name, made];
  });

  const buttons = make("div", "rlplay-grid-buttons");
  const button = (words, about, act) => {
    const one = make("button", "", words);
    one.type = "button";
    one.title = about;
    one.onclick = act;
    buttons.append(one);
    return one;
  };
  button("V = 0", "begin again: every state is worth 0", () => { halt(); sweepTo(0); });
  button("One sweep", "update every state once", () => {
    halt();
    const now = model.get("sweeps");
    sweepTo(now < 0 ? known.number : now + 1);
  });
  const play = button("Play", "one sweep after the other", () => (timer ? halt() : begin()));
  button("Until stable", "sweep until nothing changes", () => { halt(); sweepTo(-1); });

  function sweepTo(sweeps) {
    model.set("sweeps", sweeps);
    model.save_changes();
  }
  function begin() {
    if (known.stable) sweepTo(0);
    timer = setInterval(() => {
      sweepTo(model.get("sweeps") + 1);
      if (known.stable) halt();
    }, EVERY);
    play.textContent = "Pause";
  }
  function halt() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function turn(name, value) {
    model.set(name, value); // the page follows at once; Python hears it when the knob is let go
  }
  function choose(state) {
    picked = state;
    model.set("picked", state);
    model.save_changes();
  }

  // What the picked cell's new value is made of.
  function explain(rules) {
    const { gamma, step, slip } = rules;
    const [x, y] = world.cells[picked];
    backup.replaceChildren();
    board.pick(picked);
    if (world.terminal[picked]) {
      backup.append(make("p", "", `Column ${x}, row ${y}: the episode has ended; nothing follows.`));
      return;
    }
    const row = known.q[picked];
    const best = bestOf(row);
    const head = make("p", "", `Column ${x}, row ${y}: one look ahead`);
    const table = make("table");
    row.forEach((value, action) => {
      const line = make("tr", best.includes(action) ? "rlplay-grid-best" : "");
      line.append(
        make("th", "", ACTIONS[action]), make("td", "", `Q = ${signed(value, 3)}`),
        make("td", "", best.includes(action) ? "\u2190 max" : ""),
      );
      table.append(line);
    });
    const action = best[0];
    const parts = [[1 - slip, action], [slip / 2, (action + 1) % 4], [slip / 2, (action + 3) % 4]]
      .filter(([chance]) => chance > 0)
      .map(([chance, way]) => {
        const after = world.moves[picked][way];
        const reward = world.pays[picked][way] + step;
        return `${+chance.toFixed(3)} \u00b7 (${signed(reward)} + ${gamma.toFixed(2)} \u00b7 `
          + `${signed(known.values[after])})`;
      });
    backup.append(head, table, make("p", "rlplay-grid-sum",
      `Q(${ACTIONS[action]}) = ${parts.join(" + ")} = ${signed(row[action], 3)}`));
  }

  function paint(marks) {
    const rules = read();
    known = iterate(world, rules, model.get("sweeps"), 2_000);
    const { path, tied, ends } = wayOf(world, known.q);
    const blank = known.q[world.start].every((value) => value === known.q[world.start][0]);
    const turned = board.show({ ...known, path: blank ? [] : path, scale, marks });
    for (const [name, { show }] of sliders) show(model.get(name));
    const grows = model.get("sweeps") < 0 && !known.stable;
    const count = known.number === 1 ? "1 sweep" : `${known.number} sweeps`;
    const state = grows ? "V grows for ever"
      : known.number === 0 ? "V = 0 everywhere"
      : `after ${count}${known.stable ? ": stable" : `, largest change ${signed(known.change, 4)}`}`;
    const kind = world.rows[world.cells[path.at(-1)][1]][world.cells[path.at(-1)][0]];
    const name = { G: "the goal", T: "the treasure", P: "a pit" }[kind];
    const way = blank ? "the start knows no way yet"
      : ends ? `from the start to ${name} in ${path.length === 2 ? "1 step" : `${path.length - 1} steps`}`
        + (tied ? " (other ways are as good)" : "")
      : "from the start the arrows reach no end";
    where.replaceChildren(make("b", "", state), document.createTextNode(` \u00b7 ${way}`));
    if (turned) turns.textContent = turned === 1 ? "1 arrow turned" : `${turned} arrows turned`;
    else if (!marks) turns.textContent = "";
    explain(rules);
  }

  side.append(...sliders.map(([, { row }]) => row), buttons, where, turns, backup);
  const stage = make("div", "rlplay-grid-stage");
  stage.style.setProperty("--columns", world.rows[0].length);
  stage.append(board.box);
  root.append(stage, side);
  el.append(root);
  const knobTurned = () => paint(true);
  const swept = () => paint(false);
  const heard = [
    ...["gamma", "step", "slip"].map((name) => [`change:${name}`, knobTurned]),
    ...["sweeps", "picked"].map((name) => [`change:${name}`, swept]),
  ];
  for (const [event, act] of heard) model.on(event, act);
  paint(false);
  return () => {
    halt();
    for (const [event, act] of heard) model.off(event, act);
  };
}

export default alive({ render: keepingKeys(render) });
