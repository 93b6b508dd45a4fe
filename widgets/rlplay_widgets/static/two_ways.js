// What two agents learned on the same map, side by side: scrub through their episodes.
// parts.js and grid.js stand above this file.

const WIDE = 640;
const HIGH = 150;
const LEFT = 46;

function render({ model, el }) {
  const world = model.get("world");
  const runs = model.get("runs");
  const episodes = model.get("episodes");
  const root = make("div", "rlplay-grid rlplay-grid-two");
  const panels = runs.map((run, i) => {
    const figure = make("figure", "rlplay-grid-run");
    const head = make("figcaption");
    const name = make("b", `rlplay-grid-look-${i + 1}`, run.name);
    const says = make("span");
    head.append(name, says);
    const board = makeBoard(world, { label: `What ${run.name} learned`, numbers: false });
    board.box.style.setProperty("--way", `var(--rlplay-look-${i + 1})`);
    figure.append(head, board.box);
    root.append(figure);
    return { run, board, says };
  });

  // The online returns: the mean of the last 50 episodes.
  const chart = make("figure", "rlplay-grid-returns");
  chart.append(make("figcaption", "", "Return of an episode while it learns, mean of the last 50"));
  const picture = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img",
    "aria-label": runs.map((run) => `${run.name} ends at ${signed(run.smooth.at(-1), 0)}`).join(", ") });
  const count = runs[0].smooth.length;
  // The first episodes are far below: a curve begins where it comes into the picture.
  const low = 1.15 * Math.min(...runs.flatMap((run) => run.smooth.slice(Math.floor(count / 5))));
  const across = (episode) => LEFT + (episode / count) * (WIDE - LEFT - 84);
  const down = (value) => 8 + (Math.max(low, Math.min(0, value)) / low) * (HIGH - 34);
  const tick = low < -60 ? 25 : low < -12 ? 10 : 2;
  for (let value = 0; value > low; value -= tick) {
    picture.append(
      drawn("line", { class: "rlplay-grid-line", x1: LEFT, x2: across(count), y1: down(value), y2: down(value) }),
      drawn("text", { x: LEFT - 8, y: down(value) + 4, "text-anchor": "end" }, signed(value, 0)));
  }
  for (const episode of [0, count / 2, count]) {
    picture.append(drawn("text", { x: across(episode), y: HIGH - 6, "text-anchor": "middle" },
      episode ? String(Math.round(episode)) : "episode 0"));
  }
  runs.forEach((run, i) => {
    const points = run.smooth.flatMap((value, at) =>
      (value < low ? [] : [`${across(at + 1).toFixed(1)},${down(value).toFixed(1)}`]));
    picture.append(
      drawn("polyline", { class: `rlplay-grid-curve rlplay-grid-curve-${i + 1}`, points: points.join(" ") }),
      drawn("text", { class: `rlplay-grid-look-${i + 1}`, x: across(count) + 6, y: down(run.smooth.at(-1)) + 4 },
        run.name));
  });
  const now = drawn("line", { class: "rlplay-grid-now", y1: 4, y2: HIGH - 24 });
  picture.append(now);
  chart.append(picture);

  const knob = slider({
    name: "moment", words: "after episode", low: 0, high: episodes.length - 1, by: 1,
    read: (at) => String(episodes[at]),
    onInput: (at) => model.set("moment", at),
  });
  knob.input.onchange = () => model.save_changes();
  const controls = make("div", "rlplay-grid-controls");
  controls.append(knob.row);
  root.append(controls, chart);
  el.append(root);

  const paint = () => {
    const at = model.get("moment");
    knob.show(at);
    now.setAttribute("x1", across(episodes[at]));
    now.setAttribute("x2", across(episodes[at]));
    for (const { run, board, says } of panels) {
      const q = run.tables[at];
      const values = q.map((row) => Math.max(...row));
      const { path, ends } = wayOf(world, q);
      board.show({ values, q, path: at ? path : [], scale: model.get("scale") });
      says.textContent = !at ? " knows nothing yet"
        : ends ? ` walks ${path.length - 1} steps to the goal` : " does not find the goal yet";
    }
  };
  model.on("change:moment", paint);
  paint();
  return () => model.off("change:moment", paint);
}

export default alive({ render: keepingKeys(render) });
