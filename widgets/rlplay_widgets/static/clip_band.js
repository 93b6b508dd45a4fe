// The ratios of PPO's last minibatch as bars over the band in which they are paid. parts.js stands
// above this file.

const SPACE = "http://www.w3.org/2000/svg";
const WIDE = 760;
const HIGH = 150;
const LEFT = 6;
const BASE = HIGH - 22;
const TOP = 18;
const TURNS = [
  { turn: "clip", words: "clip \u03b5", low: 0.01, high: 1, about: "how far a ratio may move and still be paid" },
  { turn: "entropy", words: "entropy bonus", low: 0.0001, high: 0.3, about: "pay for staying random" },
];
const TILES = [
  ["clip_fraction", "outside the band", (x) => `${(100 * x).toFixed(1)}\u202f%`, "Share of the minibatch whose ratio has left the band"],
  ["kl", "KL", (x) => figure(x), "How far the update moved the policy, in nats"],
  ["entropy", "entropy", (x) => x.toFixed(3), "How undecided the policy is, in nats; 0 is always the same action"],
  ["total_steps", "steps", (x) => short(x), "Environment steps when this update was made"],
];

function draw(tag, attributes = {}) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function render({ model, el }) {
  const box = make("div", "rlplay-band");
  const problem = make("p", "rlplay-strip-problem");
  const head = make("p", "rlplay-strip-head");
  const note = make("p", "rlplay-band-note");
  problem.setAttribute("role", "alert");
  head.append(make("b", "", "Ratio \u03c0new / \u03c0old"), make("span", "", "of the actions in the last minibatch of each update; dark bars are inside the band, hatched ones outside"));
  const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  const to = model.get("ratios_to");
  const across = (ratio) => LEFT + (ratio / to) * (WIDE - 2 * LEFT);
  const pattern = draw("pattern", { id: `hatch-${Math.random().toString(36).slice(2)}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(draw("rect", { class: "rlplay-band-hatch-ground", width: 5, height: 5 }), draw("rect", { class: "rlplay-band-hatch", width: 2.4, height: 5 }));
  const defs = draw("defs");
  defs.append(pattern);
  const band = draw("rect", { class: "rlplay-band-inside", y: TOP, height: BASE - TOP });
  const bars = draw("g");
  const ends = [draw("text", { class: "rlplay-band-end", y: 12 }), draw("text", { class: "rlplay-band-end", y: 12 })];
  const one = draw("line", { class: "rlplay-band-one", x1: across(1), x2: across(1), y1: TOP, y2: BASE });
  const ground = draw("line", { class: "rlplay-band-ground", x1: LEFT, x2: WIDE - LEFT, y1: BASE, y2: BASE });
  svg.append(defs, band, ground, bars, one, ...ends);
  for (let tick = 0; tick <= to; tick += 0.25) {
    const text = draw("text", { class: "rlplay-band-tick", x: across(tick), y: HIGH - 6, "text-anchor": tick === 0 ? "start" : tick === to ? "end" : "middle" });
    text.textContent = tick === to ? `${to} or more` : String(tick);
    svg.append(text);
  }
  const place = make("div", "rlplay-band-place");
  place.append(svg, note);

  const tiles = make("dl", "rlplay-band-tiles");
  const cells = TILES.map(([key, words, write, about]) => {
    const tile = make("div");
    const value = make("dd", "", "\u2013");
    tile.title = about;
    tile.append(make("dt", "", words), value);
    tiles.append(tile);
    return { key, write, value };
  });

  // The sliders run over powers: each centimetre is the same factor.
  const held = new Set();
  const sliders = TURNS.map(({ turn, words, low, high, about }) => {
    const label = make("label", "rlplay-band-slider");
    const input = make("input");
    const value = make("output");
    input.type = "range";
    input.min = 0;
    input.max = 100;
    input.step = 1;
    input.title = about;
    const read = () => +(low * (high / low) ** (input.value / 100)).toPrecision(2);
    const say = (number) => {
      value.textContent = String(number);
      input.setAttribute("aria-valuetext", String(number));
    };
    input.oninput = () => {
      held.add(turn);
      say(read());
      if (turn === "clip") paint();
    };
    input.onchange = () => {
      model.send({ turn, value: read() });
      setTimeout(() => { held.delete(turn); follow(); }, 800);
    };
    label.append(make("span", "", words), input, value);
    const set = (number) => {
      const at = Math.log(Math.max(number, low) / low) / Math.log(high / low);
      input.value = Math.round(100 * Math.min(1, at));
      say(number);
    };
    return { turn, label, set, read };
  });
  const knobs = make("div", "rlplay-band-knobs");
  knobs.append(...sliders.map(({ label }) => label));
  const foot = make("div", "rlplay-band-foot");
  foot.append(knobs, tiles);
  box.append(head, place, foot);
  el.append(problem, box);

  const clipNow = () => (held.has("clip") ? sliders[0].read() : model.get("options").clip ?? 0.2);

  const paint = () => {
    const did = model.get("did");
    const counts = did.ratios ?? [];
    const clip = clipNow();
    const [low, high] = [Math.max(0, 1 - clip), Math.min(to, 1 + clip)];
    band.setAttribute("x", across(low));
    band.setAttribute("width", across(high) - across(low));
    ends.forEach((end, i) => {
      end.textContent = i ? `1 + \u03b5 = ${+(1 + clip).toPrecision(3)}` : `1 \u2212 \u03b5 = ${+(1 - clip).toPrecision(3)}`;
      end.setAttribute("text-anchor", i ? (high > 1.8 ? "end" : "start") : (low < 0.2 ? "start" : "end"));
      end.setAttribute("x", across(i ? high : low));
    });
    while (bars.children.length > counts.length) bars.lastChild.remove();
    while (bars.children.length < counts.length) bars.append(draw("rect"));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const most = Math.max(1, ...counts);
    const wide = (WIDE - 2 * LEFT) / Math.max(1, counts.length);
    counts.forEach((count, i) => {
      const bar = bars.children[i];
      const middle = ((i + 0.5) / counts.length) * to;
      // Roots, so that few ratios far out are seen beside many near 1.
      const high = Math.sqrt(count / most) * (BASE - TOP);
      const outside = middle < 1 - clip || middle > 1 + clip;
      bar.setAttribute("x", LEFT + i * wide + 0.5);
      bar.setAttribute("width", wide - 1);
      bar.setAttribute("y", BASE - high);
      bar.setAttribute("height", high);
      bar.setAttribute("class", outside ? "rlplay-band-out" : "rlplay-band-in");
      bar.style.fill = outside ? `url(#${pattern.id})` : "";
    });
    note.textContent = model.get("note");
    note.hidden = !model.get("note");
    for (const { key, write, value } of cells) {
      const words = did[key] === undefined ? "\u2013" : write(did[key]);
      if (value.textContent !== words) value.textContent = words;
    }
    svg.setAttribute("aria-label", total
      ? `Histogram of ${total} ratios; the band goes from ${+(1 - clip).toPrecision(3)} to ${+(1 + clip).toPrecision(3)}; ${(100 * did.clip_fraction).toFixed(1)} percent lie outside`
      : "Histogram of ratios, empty so far");
  };
  const follow = () => {
    const options = model.get("options");
    for (const { turn, set } of sliders) if (!held.has(turn) && options[turn] !== undefined) set(options[turn]);
    paint();
  };
  const say = () => {
    problem.textContent = model.get("problem");
    problem.hidden = !model.get("problem");
  };
  const heard = { "change:did": paint, "change:note": paint, "change:options": follow, "change:problem": say };
  for (const [event, listener] of Object.entries(heard)) model.on(event, listener);
  follow();
  say();
  return () => {
    for (const [event, listener] of Object.entries(heard)) model.off(event, listener);
  };
}

export default alive({ render: keepingKeys(render) });
