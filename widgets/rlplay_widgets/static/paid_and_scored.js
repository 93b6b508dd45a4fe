// Two charts over the same steps: what a session is paid, and what was meant.

const CHARTS = [
  { name: "reward", words: "Return", about: "what it is paid in an episode", stroke: "--rlplay-look-2", dash: [8, 4] },
  { name: "score", words: "Score", about: "what we want: apples in an episode", stroke: "--rlplay-look-1", dash: [] },
];

function render({ model, el }) {
  const box = make("div", "rlplay-strip-charts");
  const problem = make("p", "rlplay-strip-problem");
  problem.setAttribute("role", "alert");
  el.append(problem, box);
  const charts = CHARTS.map((about) => {
    const one = make("section", "rlplay-chart");
    const head = make("p", "rlplay-strip-head");
    const now = make("b", "rlplay-strip-now");
    const place = make("div", "rlplay-plot");
    const hint = make("p", "rlplay-hint", "The curve begins with the first episodes that end.");
    head.append(swatch({ stroke: about.stroke, width: 2.5, dash: about.dash }), make("b", "", about.words), make("span", "", about.about), now);
    place.setAttribute("role", "img");
    place.append(hint);
    one.append(head, place);
    box.append(one);
    return { ...about, one, place, now, plot: null };
  });

  // A line at each change.
  const mark = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = getComputedStyle(box).getPropertyValue("--rlplay-quiet").trim() || "gray";
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const { steps } of model.get("changes")) {
      const x = u.valToPos(steps, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };

  const draw = () => {
    const curves = model.get("curves");
    for (const chart of charts) {
      const values = curves[chart.name];
      const empty = !values.some((value) => value !== null);
      chart.one.classList.toggle("rlplay-empty", empty);
      if (empty) {
        chart.plot?.destroy();
        chart.plot = null;
      } else {
        chart.plot ??= makePlot(chart.one, chart.place, {
          across: () => "steps",
          floor: () => chart.name === "score",
          onCursor: () => {},
          onDraw: mark,
          series: [{ stroke: chart.stroke, width: 2.5, dash: chart.dash }],
        });
        chart.plot.draw([curves.steps, values]);
      }
      const last = values.findLast((value) => value !== null) ?? null;
      chart.now.textContent = figure(last);
      chart.place.setAttribute("aria-label", empty ? `${chart.words} curve, empty so far` : `${chart.words} curve: ${figure(last)} now`);
    }
  };
  const say = () => {
    problem.textContent = model.get("problem");
    problem.hidden = !model.get("problem");
  };
  const heard = { "change:curves": draw, "change:changes": draw, "change:problem": say };
  for (const [event, listener] of Object.entries(heard)) model.on(event, listener);
  draw();
  say();
  return () => {
    for (const [event, listener] of Object.entries(heard)) model.off(event, listener);
    for (const { plot } of charts) plot?.destroy();
  };
}

export default alive({ render: keepingKeys(render) });
