// PPO's objective of one action over the ratio: once for a good action, once for a bad one.
// Everything is computed here. parts.js stands above this file.

const SPACE = "http://www.w3.org/2000/svg";
const WIDE = 360;
const HIGH = 210;
const EDGE = { left: 34, right: 10, top: 14, bottom: 30 };
const MOST = 2;

function draw(tag, attributes = {}) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const bounded = (ratio, clip) => Math.min(Math.max(ratio, 1 - clip), 1 + clip);
const objective = (ratio, advantage, clip) => Math.min(ratio * advantage, bounded(ratio, clip) * advantage);
// Where the objective does not change with the ratio: the gradient is 0 there.
const isFlat = (ratio, advantage, clip) => (advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip);

function makeSide(advantage) {
  const box = make("section", "rlplay-clip-side");
  const title = make("p", "rlplay-clip-title");
  title.append(
    make("b", "", `A = ${advantage > 0 ? "+1" : "\u22121"}`),
    make("span", "", advantage > 0 ? "the action was better than expected" : "the action was worse than expected"),
  );
  const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  const low = advantage > 0 ? 0 : -MOST;
  const x = (ratio) => EDGE.left + (ratio / MOST) * (WIDE - EDGE.left - EDGE.right);
  const y = (value) => HIGH - EDGE.bottom - ((value - low) / MOST) * (HIGH - EDGE.top - EDGE.bottom);
  const band = draw("rect", { class: "rlplay-clip-band", y: EDGE.top, height: HIGH - EDGE.top - EDGE.bottom });
  svg.append(band);
  for (let tick = 0; tick <= MOST; tick += 0.5) {
    const across = draw("text", { x: x(tick), y: HIGH - 14, "text-anchor": "middle" });
    across.textContent = String(tick);
    const up = draw("text", { x: EDGE.left - 6, y: y(low + tick) + 4, "text-anchor": "end" });
    up.textContent = String(low + tick).replace("-", "\u2212");
    svg.append(across, up, draw("line", { class: "rlplay-clip-grid", x1: x(0), x2: x(MOST), y1: y(low + tick), y2: y(low + tick) }));
  }
  const name = draw("text", { x: x(1), y: HIGH - 1, "text-anchor": "middle" });
  name.textContent = "ratio r";
  const free = draw("line", { class: "rlplay-clip-free", x1: x(0), y1: y(0), x2: x(MOST), y2: y(MOST * advantage) });
  const curve = draw("polyline", { class: "rlplay-clip-curve" });
  const dot = draw("circle", { class: "rlplay-clip-dot", r: 6 });
  const words = make("p", "rlplay-clip-words");
  words.setAttribute("role", "status");
  svg.append(name, free, curve, dot);
  box.append(title, svg, words);

  const paint = (clip, ratio) => {
    band.setAttribute("x", x(1 - clip));
    band.setAttribute("width", x(1 + clip) - x(1 - clip));
    const bend = advantage > 0 ? 1 + clip : 1 - clip;
    const points = [0, Math.min(bend, MOST), MOST].map((at) => `${x(at)},${y(objective(at, advantage, clip))}`);
    curve.setAttribute("points", points.join(" "));
    const value = objective(ratio, advantage, clip);
    dot.setAttribute("cx", x(ratio));
    dot.setAttribute("cy", y(value));
    const flat = isFlat(ratio, advantage, clip);
    const way = advantage > 0 ? "make it more likely" : "make it less likely";
    words.textContent = flat ? `objective ${value.toFixed(2)}: flat, no push any more` : `objective ${value.toFixed(2)}: slope ${advantage > 0 ? "+1" : "\u22121"}, push to ${way}`;
    box.dataset.flat = String(flat);
    svg.setAttribute("aria-label", `The clipped objective for advantage ${advantage}: at ratio ${ratio.toFixed(2)} it is ${value.toFixed(2)}, ${flat ? "flat" : "with a slope"}`);
  };
  return { box, paint };
}

function render({ model, el }) {
  const box = make("div", "rlplay-clip");
  const sides = [makeSide(1), makeSide(-1)];
  const plots = make("div", "rlplay-clip-sides");
  plots.append(...sides.map((side) => side.box));
  const knobs = make("div", "rlplay-clip-knobs");
  const sliders = [["ratio", "ratio r", 0, MOST], ["clip", "clip \u03b5", 0, 0.9]].map(([name, words, low, high]) => {
    const label = make("label");
    const input = make("input");
    const value = make("output");
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01 });
    input.oninput = () => {
      model.set(name, +input.value);
      paint();
    };
    input.onchange = () => model.save_changes();
    label.append(make("span", "", words), input, value);
    knobs.append(label);
    return { name, input, value };
  });
  const key = make("p", "rlplay-clip-key", "Solid line: min(r A, clip(r) A), which PPO climbs. Dashed line: r A, not clipped. Shaded: the band.");
  const paint = () => {
    for (const { name, input, value } of sliders) {
      const now = model.get(name);
      if (+input.value !== now) input.value = now;
      value.textContent = now.toFixed(2);
    }
    for (const side of sides) side.paint(model.get("clip"), model.get("ratio"));
  };
  box.append(knobs, plots, key);
  el.append(box);
  model.on("change:clip", paint);
  model.on("change:ratio", paint);
  paint();
  return () => {
    model.off("change:clip", paint);
    model.off("change:ratio", paint);
  };
}

export default alive({ render: keepingKeys(render) });
