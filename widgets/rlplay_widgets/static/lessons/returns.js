// Rewards as bars, the same discounted, and what they add up to, under a slider of gamma.

const WIDTH = 860;
const HEIGHT = 116;
const LEFT = 46;

// Bars over the steps; 0 in the middle of what the rewards reach.
function bars(rewards, title, color) {
  const high = Math.max(0, ...rewards);
  const low = Math.min(0, ...rewards);
  const reach = high - low || 1;
  const y = (value) => 24 + ((high - value) / reach) * (HEIGHT - 32);
  const wide = (WIDTH - LEFT) / rewards.length;
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: "img" });
  picture.append(draw("text", { x: LEFT, y: 13, class: "rlplay-strong" }, title));
  for (const value of new Set([high, 0, low])) {
    picture.append(
      draw("line", {
        x1: LEFT,
        x2: WIDTH,
        y1: y(value),
        y2: y(value),
        stroke: value === 0 ? "var(--rlplay-quiet)" : "var(--rlplay-grid)",
      }),
      draw("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, String(+value.toFixed(2))),
    );
  }
  const pieces = rewards.map((_, step) => {
    const gap = wide > 4 ? 0.18 * wide : 0;
    const piece = draw("rect", { x: LEFT + step * wide + gap / 2, width: wide - gap, fill: color });
    picture.append(piece);
    return piece;
  });
  const every = [1, 2, 5, 10, 20, 50, 100].find((count) => rewards.length / count <= 14) ?? 100;
  rewards.forEach((_, step) => {
    if ((step + 1) % every === 0 || step === 0) {
      const middle = LEFT + (step + 0.5) * wide;
      const place = { x: middle, y: HEIGHT + 12, "text-anchor": "middle" };
      picture.append(draw("text", place, String(step + 1)));
    }
  });
  const set = (values, words) => {
    pieces.forEach((piece, step) => {
      const value = values[step];
      const height = Math.abs(y(value) - y(0));
      // What is too small to see still has a place.
      const tall = value === 0 ? 0 : Math.max(height, Math.abs(value) > 1e-4 ? 1.2 : 0);
      piece.setAttribute("height", tall);
      piece.setAttribute("y", value > 0 ? y(0) - tall : y(0));
    });
    picture.setAttribute("aria-label", words);
  };
  return { picture, set };
}

function render({ model, el }) {
  const card = make("section", "rlplay-card");
  card.setAttribute("aria-label", "The return of one game");
  const line = make("div", "rlplay-card-line");
  const { label, slider, shown } = slide(
    "gamma γ",
    "gamma, the discount of each step",
    { min: 0, max: 1, step: 0.005 },
    (gamma) => {
      model.set("gamma", gamma);
      compute();
    },
  );
  line.append(label);
  const { list, add } = tiles();
  const total = add("Return G of the first step", "return");
  const plain = add("Sum without discount", "sum");
  const horizon = add("Effective horizon 1 / (1 − γ)", "horizon");
  const worth = add("1 in the last step is worth now", "last");
  const note = make("p", "rlplay-card-note");
  note.setAttribute("role", "status");
  const places = make("div");
  card.append(line, places, list, note);
  let upper, lower;

  const compute = () => {
    const rewards = model.get("rewards");
    const gamma = model.get("gamma");
    const factors = rewards.map((_, step) => gamma ** step);
    const discounted = rewards.map((reward, step) => factors[step] * reward);
    const g = discounted.reduce((sum, value) => sum + value, 0);
    const reach = gamma < 1 ? 1 / (1 - gamma) : Infinity;
    if (Number(slider.value) !== gamma) slider.value = gamma;
    shown.textContent = gamma.toFixed(3);
    total.textContent = g.toFixed(3);
    plain.textContent = rewards.reduce((sum, value) => sum + value, 0).toFixed(3);
    horizon.textContent = reach === Infinity ? "no end" : `${reach.toFixed(reach < 10 ? 1 : 0)} steps`;
    const last = factors[factors.length - 1];
    worth.textContent = last !== 0 && last < 0.001 ? last.toExponential(0) : last.toFixed(3);
    const seen = discounted.filter((value) => Math.abs(value) >= 0.05).length;
    const all = rewards.filter((value) => Math.abs(value) >= 0.05).length;
    note.textContent = `${seen} of the ${all} apples and deaths still weigh 0.05 or more.`;
    lower.set(discounted, `Discounted rewards; they add up to ${g.toFixed(3)}`);
  };
  const build = () => {
    const rewards = model.get("rewards");
    upper = bars(rewards, "Rewards, as they were paid, step by step", "var(--rlplay-look-1)");
    lower = bars(rewards, "Discounted: γ to the power of the steps before, times the reward", "var(--rlplay-look-2)");
    upper.set(rewards, `The rewards of ${rewards.length} steps`);
    places.replaceChildren(upper.picture, lower.picture);
    compute();
  };
  slider.onchange = () => model.save_changes();
  model.on("change:rewards", build);
  model.on("change:gamma", compute);
  build();
  el.append(card);
  return () => {
    model.off("change:rewards", build);
    model.off("change:gamma", compute);
  };
}

export default alive({ render: keepingKeys(render) });
