// The live curve: the session that is shown, the others beside it, and what was changed meanwhile.

// Episodes over which the mean reaches back; a point of more episodes stands for itself.
const WINDOW = 100;
// Marks of changes that lie closer than this many pixels are one.
const MARK = 9;

// Of the session that is shown, from the back to the front.
const LINES = [
  { name: "value", words: "points", hint: "Each line of the metrics", width: 1, alpha: 0.4 },
  { name: "best", words: "best", hint: "Highest score so far", width: 1.5, dash: [5, 4] },
  { name: "measured", words: "measured", hint: "Discounted return that the same episodes brought", width: 2, dash: [8, 4] },
  { name: "mean", words: "mean", hint: "Mean of at least the last 100 episodes", width: 2.5 },
];

const noPoints = () => ({
  steps: [], elapsed: [], episodes: [], value: [], best: [], mean: [], measured: [],
});

// The mean over the episodes of the newest points, as many as the window needs.
function trailingMean(points) {
  let sum = 0;
  let episodes = 0;
  for (let i = points.value.length - 1; i >= 0 && episodes < WINDOW; i -= 1) {
    if (points.value[i] === null) continue;
    sum += points.value[i] * points.episodes[i];
    episodes += points.episodes[i];
  }
  return episodes ? sum / episodes : null;
}

function append(points, { steps, elapsed, episodes, value, top, measured }) {
  let best = points.best.at(-1) ?? null;
  for (let i = 0; i < steps.length; i += 1) {
    const highest = top && (known(top[i]) ?? known(value[i]));
    best = best === null ? highest : Math.max(best, highest ?? best);
    points.steps.push(steps[i]);
    points.elapsed.push(elapsed[i]);
    points.episodes.push(known(episodes[i]) ?? 1);
    points.value.push(known(value[i]));
    points.best.push(best);
    // What comes with a measured return is a mean over the last episodes already.
    points.mean.push(measured ? points.value.at(-1) : trailingMean(points));
    points.measured.push(measured ? known(measured[i]) : null);
  }
}

function render({ model, el }) {
  const box = make("div", "rlplay-chart");
  const head = make("div", "rlplay-chart-head");
  const legend = make("div", "rlplay-legend");
  const place = make("div", "rlplay-plot");
  const hint = make("p", "rlplay-hint", "The curve begins with the first episodes that end.");
  const marks = make("div", "rlplay-marks");
  const tip = make("div", "rlplay-tip");
  const set = (name) => (value) => {
    model.set(name, value);
    model.save_changes();
  };
  const metric = chooser("What the curve shows", set("metric"));
  const axis = toggle("What the curve runs over", Object.entries(ACROSS).map(([n, [w]]) => [n, w]), set("axis"));
  place.setAttribute("role", "img");
  marks.setAttribute("role", "group");
  marks.setAttribute("aria-label", "What was changed while it trained");
  tip.setAttribute("role", "tooltip");
  place.append(hint);
  head.append(metric.select, legend, axis.group);
  box.append(head, place);
  el.append(box);

  const held = new Map(); // key of a session -> its points
  const hidden = new Set(); // names of lines and keys of sessions that a person has switched off
  let plot = null;
  let entries = []; // of the legend, with where their numbers come from
  let queued = 0;

  const lines = () => model.get("lines");
  const shown = () => lines().find((line) => line.shown);
  const others = () => lines().filter((line) => !line.shown);
  const own = () => held.get(shown()?.key) ?? noPoints();
  const scored = () => model.get("metric") === "score";
  const paired = () => model.get("metric") === "predicted_return";
  const drawn = () => LINES.filter(({ name }) => ({ best: scored(), measured: paired(), value: !paired() })[name] ?? true);

  // From the back to the front: the other sessions, then the lines of the one that is shown.
  const layers = () => {
    const look = lookOf(shown()?.look ?? 1);
    return [
      ...others().map(({ key, name, run, look: own }) => ({
        id: key, key, row: "mean", words: name, hint: `Mean of run ${run}`,
        stroke: lookOf(own), width: 1.75, dash: dashOf(own),
      })),
      ...drawn().map(({ name, words, hint: about, width, dash, alpha }) => ({
        id: name, key: shown()?.key, row: name, hint: about, width, dash, alpha,
        words: name === "mean" && paired() ? "predicted" : words,
        stroke: { best: "--rlplay-quiet", measured: "--rlplay-text" }[name] ?? look,
        stepped: name === "best", quiet: name === "value",
      })),
    ];
  };

  const say = () => {
    const at = plot?.at() ?? null;
    for (const { key, row, value } of entries) {
      const points = held.get(key) ?? noPoints();
      const across = points[model.get("axis")];
      const index = at === null ? across.length - 1 : nearest(across, at);
      value.textContent = figure(points[row][index]);
    }
  };

  const placeMarks = (u) => {
    const wide = u.over.clientWidth;
    const groups = [];
    for (const change of model.get("changes")) {
      const at = change[model.get("axis")];
      const x = at === null ? -1 : u.valToPos(at, "x");
      if (x < 0 || x > wide) continue;
      const last = groups.at(-1);
      if (last && x - last.x < MARK) last.words.push(change.words);
      else groups.push({ x, words: [change.words] });
    }
    while (marks.children.length > groups.length) marks.lastChild.remove();
    groups.forEach(({ x, words }, i) => {
      let mark = marks.children[i];
      if (!mark) {
        mark = make("button");
        mark.type = "button";
        mark.onpointerenter = mark.onfocus = () => {
          tip.textContent = mark.getAttribute("aria-label");
          box.append(tip);
          const from = u.over.getBoundingClientRect().left - box.getBoundingClientRect().left;
          const spare = box.clientWidth - tip.offsetWidth;
          const left = from + mark.offsetLeft + mark.offsetWidth / 2 - tip.offsetWidth / 2;
          tip.style.left = `${Math.min(Math.max(left, 0), spare)}px`;
          tip.style.top = `${place.offsetTop + 18}px`;
        };
        mark.onpointerleave = mark.onblur = () => tip.remove();
        marks.append(mark);
      }
      mark.style.left = `${x}px`;
      const label = words.length > 4 ? [...words.slice(0, 3), `and ${words.length - 3} more`] : words;
      if (mark.getAttribute("aria-label") !== label.join("\n")) mark.setAttribute("aria-label", label.join("\n"));
    });
    if (marks.parentNode !== u.over) u.over.append(marks);
  };

  const build = () => {
    plot?.destroy();
    plot = null;
    const order = layers();
    entries = fillLegend(legend, order, hidden, ({ id }, show) => {
      plot?.chart.setSeries(order.findIndex((layer) => layer.id === id) + 1, { show });
    });
    // What is shown comes first, its mean before all; the others follow.
    const count = others().length;
    for (const { button } of [...entries.slice(count).reverse(), ...entries.slice(0, count)]) legend.append(button);
  };

  const data = () => {
    const across = model.get("axis");
    const mine = own();
    const curves = [
      ...others().map(({ key }) => {
        const points = held.get(key) ?? noPoints();
        return [points[across], points.mean];
      }),
      [mine[across], ...drawn().map(({ name }) => mine[name])],
    ];
    return joined(curves);
  };

  const draw = () => {
    queued = 0;
    const count = Math.max(0, ...lines().map(({ key }) => held.get(key)?.value.length ?? 0));
    box.classList.toggle("rlplay-empty", count === 0);
    if (count === 0) {
      plot?.destroy();
      plot = null;
    } else {
      plot ??= makePlot(box, place, {
        across: () => model.get("axis"),
        floor: scored,
        onCursor: say,
        onDraw: placeMarks,
        series: entries.map(({ id, stroke, width, dash, alpha, stepped }) => ({
          stroke, width, dash, alpha,
          paths: stepped && uPlot.paths.stepped({ align: 1 }),
          show: !hidden.has(id),
        })),
      });
      plot.draw(data());
    }
    const mine = own();
    const name = metric.select.selectedOptions[0]?.textContent ?? "Score";
    place.setAttribute(
      "aria-label",
      mine.value.length === 0
        ? `${name} curve, empty so far`
        : `${name} curve: mean ${figure(mine.mean.at(-1) ?? 0)}`
          + (scored() ? `, best ${mine.best.at(-1)}` : "")
          + (paired() ? `, measured ${figure(mine.measured.at(-1) ?? 0)}` : ""),
    );
    say();
  };
  const soon = () => { queued ||= requestAnimationFrame(draw); };

  const receive = (content, buffers) => {
    if (content.metric !== model.get("metric")) return;
    content.parts.forEach(({ key, reset, rows, count }, i) => {
      if (reset || !held.has(key)) held.set(key, noPoints());
      append(held.get(key), rowsOf(buffers[i], rows, count));
    });
    soon();
  };
  const turn = () => {
    axis.press(model.get("axis"));
    plot?.all();
    soon();
  };
  const offer = () => metric.offer(model.get("metrics"), model.get("metric"));
  const other = () => {
    // The points of another metric are on their way.
    held.clear();
    offer();
    rearrange();
  };
  const rearrange = () => {
    const keys = new Set(lines().map(({ key }) => key));
    for (const key of held.keys()) if (!keys.has(key)) held.delete(key);
    build();
    soon();
  };

  const heard = {
    "msg:custom": receive,
    "change:axis": turn,
    "change:metrics": offer,
    "change:metric": other,
    "change:lines": rearrange,
    "change:changes": soon,
  };
  for (const [event, listener] of Object.entries(heard)) model.on(event, listener);
  offer();
  build();
  turn();
  model.send({ kind: "need" });

  return () => {
    for (const [event, listener] of Object.entries(heard)) model.off(event, listener);
    cancelAnimationFrame(queued);
    plot?.destroy();
  };
}

export default alive({ render });
