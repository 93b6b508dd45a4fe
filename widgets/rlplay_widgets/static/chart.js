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

function render({ model, el }) {
  const box = document.createElement("div");
  const head = document.createElement("div");
  const title = document.createElement("span");
  const choice = document.createElement("div");
  const plot = document.createElement("div");
  const hint = document.createElement("p");
  box.className = "rlplay-chart";
  head.className = "rlplay-chart-head";
  title.textContent = "Score";
  choice.className = "rlplay-axis";
  choice.setAttribute("role", "group");
  choice.setAttribute("aria-label", "What the curve runs over");
  plot.className = "rlplay-plot";
  plot.setAttribute("role", "img");
  hint.className = "rlplay-hint";
  hint.textContent = "The curve begins with the first episodes that end.";
  head.append(title, choice);
  plot.append(hint);
  box.append(head, plot);
  el.append(box);

  const buttons = [["steps", "steps"], ["elapsed", "time"]].map(([axis, words]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.onclick = () => {
      model.set("axis", axis);
      model.save_changes();
    };
    choice.append(button);
    return [axis, button];
  });

  // Points so far, one array a column, and the best score up to each.
  let points = { steps: [], elapsed: [], score: [], best: [] };
  let zoomed = false;
  let chart = null;
  let queued = 0;

  const color = (name) => () => getComputedStyle(box).getPropertyValue(name).trim() || "gray";
  const data = () => [points[model.get("axis")], points.best, points.score];

  const axis = (values, size) => ({
    stroke: color("--rlplay-quiet"),
    font: FONT,
    size,
    gap: 4,
    grid: { stroke: color("--rlplay-grid"), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map((split) => (split === null ? "" : values(split))),
  });
  const line = (label, stroke, extra) => ({
    label,
    stroke: color(stroke),
    width: 2,
    points: { show: false },
    value: (_, value) => (value === null || value === undefined ? "–" : String(+value.toFixed(2))),
    ...extra,
  });
  const wide = () => Math.max(160, Math.floor(plot.clientWidth));
  const legendHeight = () => chart?.root.querySelector(".u-legend")?.offsetHeight ?? 26;
  const high = () => Math.max(110, Math.floor(plot.clientHeight - legendHeight()));

  const build = () => {
    chart?.destroy();
    chart = new uPlot(
      {
        width: wide(),
        height: high(),
        padding: [10, 12, 0, 0],
        cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
        legend: { live: true },
        scales: {
          x: { time: false, range: (_, low, top) => [low, top > low ? top : low + 1] },
          y: { range: (_, low, top) => [Math.min(0, low ?? 0), Math.max(1, (top ?? 1) * 1.06)] },
        },
        axes: [
          axis((x) => (model.get("axis") === "steps" ? short(x) : clock(x)), 26),
          axis(short, 44),
        ],
        series: [
          { label: "at", value: (_, x) => (x === null || x === undefined ? "–" : model.get("axis") === "steps" ? short(x) : clock(x)) },
          line("best so far", "--rlplay-best", { dash: [6, 4], width: 1.5, paths: uPlot.paths.stepped({ align: 1 }) }),
          line("mean", "--rlplay-mean", { width: 2.5 }),
        ],
        hooks: {
          setSelect: [(u) => { zoomed = u.select.width > 0; }],
          ready: [(u) => u.over.addEventListener("dblclick", () => { zoomed = false; draw(); })],
        },
      },
      data(),
      plot,
    );
    resize();
  };

  const resize = () => chart?.setSize({ width: wide(), height: high() });

  const draw = () => {
    queued = 0;
    const count = points.score.length;
    box.classList.toggle("rlplay-empty", count === 0);
    plot.setAttribute(
      "aria-label",
      count === 0
        ? "Score curve, empty so far"
        : `Score curve: mean ${+points.score.at(-1)?.toFixed(1)}, best ${points.best.at(-1)}`,
    );
    if (count === 0) {
      chart?.destroy();
      chart = null;
    } else if (chart === null) {
      build();
    } else {
      chart.setData(data(), !zoomed);
      if (zoomed) chart.redraw();
    }
  };
  const soon = () => { queued ||= requestAnimationFrame(draw); };

  const receive = (content, buffers) => {
    if (content.reset) {
      points = { steps: [], elapsed: [], score: [], best: [] };
      zoomed = false;
    }
    if (content.count) {
      const [view] = buffers;
      const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
      const numbers = new Float64Array(bytes);
      const row = Object.fromEntries(
        content.columns.map((name, i) => [name, numbers.subarray(i * content.count, (i + 1) * content.count)]),
      );
      const known = (x) => (Number.isNaN(x) ? null : x);
      let best = points.best.at(-1) ?? null;
      for (let i = 0; i < content.count; i += 1) {
        const top = known(row.score_max[i]) ?? known(row.score[i]);
        best = best === null ? top : Math.max(best, top ?? best);
        points.steps.push(row.steps[i]);
        points.elapsed.push(row.elapsed[i]);
        points.score.push(known(row.score[i]));
        points.best.push(best);
      }
    }
    soon();
  };
  const turn = () => {
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === model.get("axis")));
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
