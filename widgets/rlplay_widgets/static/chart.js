// The score curve. uPlot stands above this file, as published.

const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';

function short(value) {
  const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
  for (const [size, unit] of units) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}\u202f${unit}`;
  }
  return String(+value.toPrecision(3));
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")}` : `${+seconds.toPrecision(3)} s`;
}

// Episodes over which the mean reaches back; a point of more episodes stands for itself.
const WINDOW = 100;

// From the back to the front.
const LINES = [
  { name: "score", words: "points", hint: "Mean of each line of the metrics", color: "--rlplay-points", width: 1, kind: "thin" },
  { name: "best", words: "best", hint: "Highest score so far", color: "--rlplay-best", width: 1.5, dash: [6, 4], kind: "dashed" },
  { name: "mean", words: "mean", hint: "Mean of at least the last 100 episodes", color: "--rlplay-mean", width: 2.5, kind: "thick" },
];

const noPoints = () => ({ steps: [], elapsed: [], episodes: [], score: [], best: [], mean: [] });

// The mean score over the episodes of the newest points, as many as the window needs.
function trailingMean(points) {
  let sum = 0;
  let episodes = 0;
  for (let i = points.score.length - 1; i >= 0 && episodes < WINDOW; i -= 1) {
    if (points.score[i] === null) continue;
    sum += points.score[i] * points.episodes[i];
    episodes += points.episodes[i];
  }
  return episodes ? sum / episodes : null;
}

function make(tag, name, words = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = words;
  return element;
}

function render({ model, el }) {
  const box = make("div", "rlplay-chart");
  const head = make("div", "rlplay-chart-head");
  const legend = make("div", "rlplay-legend");
  const choice = make("div", "rlplay-axis");
  const plot = make("div", "rlplay-plot");
  const hint = make("p", "rlplay-hint", "The curve begins with the first episodes that end.");
  choice.setAttribute("role", "group");
  choice.setAttribute("aria-label", "What the curve runs over");
  plot.setAttribute("role", "img");
  plot.title = "Drag to look closer, double click to see all";
  plot.append(hint);
  head.append(make("span", "rlplay-chart-title", "Score"), legend, choice);
  box.append(head, plot);
  el.append(box);

  // Points so far, one array a column, and the best score up to each.
  let points = noPoints();
  let zoomed = false;
  let chart = null;
  let queued = 0;

  const axes = [["steps", "steps"], ["elapsed", "time"]].map(([axis, words]) => {
    const button = make("button", "", words);
    button.type = "button";
    button.onclick = () => {
      model.set("axis", axis);
      model.save_changes();
    };
    choice.append(button);
    return { axis, button };
  });
  const entries = LINES.map(({ words, hint: about, color, kind }, i) => {
    const button = make("button", `rlplay-${kind}`);
    const mark = make("i", "");
    const value = make("b", "");
    button.type = "button";
    button.title = `${about}; click to hide or show`;
    button.style.setProperty("--line", `var(${color})`);
    button.setAttribute("aria-pressed", "true");
    mark.setAttribute("aria-hidden", "true");
    button.append(mark, words, kind === "thin" ? "" : value);
    button.onclick = () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      chart?.setSeries(i + 1, { show: shown });
    };
    legend.prepend(button);
    return { button, value };
  });

  const color = (name) => () => getComputedStyle(box).getPropertyValue(name).trim() || "gray";
  const data = () => [points[model.get("axis")], ...LINES.map(({ name }) => points[name])];
  const below = (x) => (model.get("axis") === "steps" ? short(x) : clock(x));
  const size = () => ({
    width: Math.max(120, Math.floor(plot.clientWidth)),
    height: Math.max(90, Math.floor(plot.clientHeight)),
  });
  const resize = () => chart?.setSize(size());

  // The legend says the newest values, or those under the cursor.
  const say = () => {
    const index = chart?.cursor.idx ?? points.score.length - 1;
    LINES.forEach(({ name }, i) => {
      const value = points[name][index] ?? null;
      entries[i].value.textContent = value === null ? "" : String(+value.toFixed(1));
    });
  };

  const axis = (values, extent) => ({
    stroke: color("--rlplay-quiet"),
    font: FONT,
    size: extent,
    gap: 4,
    grid: { stroke: color("--rlplay-grid"), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map((split) => (split === null ? "" : values(split))),
  });

  const build = () => {
    chart = new uPlot(
      {
        ...size(),
        padding: [8, 22, 0, 0],
        cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
        legend: { show: false },
        scales: {
          x: { time: false, range: (_, low, top) => [zoomed ? low : 0, Math.max(top, low + 1e-6)] },
          y: { range: (_, low, top) => [Math.min(0, low ?? 0), Math.max(1, (top ?? 1) * 1.06)] },
        },
        axes: [axis(below, 24), axis(short, 40)],
        series: [
          {},
          ...LINES.map((line, i) => ({
            label: line.words,
            stroke: color(line.color),
            width: line.width,
            dash: line.dash,
            points: { show: false },
            paths: line.dash && uPlot.paths.stepped({ align: 1 }),
            show: entries[i].button.getAttribute("aria-pressed") === "true",
          })),
        ],
        hooks: {
          setCursor: [say],
          setSelect: [(u) => { zoomed ||= u.select.width > 0; }],
        },
      },
      data(),
      plot,
    );
    chart.over.addEventListener("dblclick", () => {
      zoomed = false;
      soon();
    });
  };

  const draw = () => {
    queued = 0;
    const count = points.score.length;
    box.classList.toggle("rlplay-empty", count === 0);
    if (count === 0) {
      chart?.destroy();
      chart = null;
    } else if (chart === null) {
      build();
    } else {
      chart.setData(data(), !zoomed);
      if (zoomed) chart.redraw();
    }
    plot.setAttribute(
      "aria-label",
      count === 0
        ? "Score curve, empty so far"
        : `Score curve: mean ${(points.mean.at(-1) ?? 0).toFixed(1)}, best ${points.best.at(-1)}`,
    );
    say();
  };
  const soon = () => { queued ||= requestAnimationFrame(draw); };

  const receive = (content, buffers) => {
    if (content.reset) {
      points = noPoints();
      zoomed = false;
    }
    if (content.count) {
      const view = buffers[0];
      const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
      const numbers = new Float64Array(bytes);
      const row = (name) => {
        const first = content.columns.indexOf(name) * content.count;
        return numbers.subarray(first, first + content.count);
      };
      const [steps, elapsed, score, top, episodes] = [
        "steps", "elapsed", "score", "score_max", "episodes",
      ].map(row);
      const known = (x) => (Number.isNaN(x) ? null : x);
      let best = points.best.at(-1) ?? null;
      for (let i = 0; i < content.count; i += 1) {
        const highest = known(top[i]) ?? known(score[i]);
        best = best === null ? highest : Math.max(best, highest ?? best);
        points.steps.push(steps[i]);
        points.elapsed.push(elapsed[i]);
        points.episodes.push(known(episodes[i]) ?? 1);
        points.score.push(known(score[i]));
        points.best.push(best);
        points.mean.push(trailingMean(points));
      }
    }
    soon();
  };
  const turn = () => {
    for (const { axis: name, button } of axes) {
      button.setAttribute("aria-pressed", String(name === model.get("axis")));
    }
    zoomed = false;
    soon();
  };

  const sizes = new ResizeObserver(resize);
  const theme = new MutationObserver(() => chart?.redraw(false, true));
  sizes.observe(plot);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  model.on("msg:custom", receive);
  model.on("change:axis", turn);
  turn();
  model.send({ kind: "need" });

  return () => {
    sizes.disconnect();
    theme.disconnect();
    cancelAnimationFrame(queued);
    model.off("msg:custom", receive);
    model.off("change:axis", turn);
    chart?.destroy();
  };
}

export default { render };
