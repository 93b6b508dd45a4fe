// One machine: what each arm is believed to pay, and, when asked for, what it does pay.

const WIDTH = 860;
const HEIGHT = 250;
const LEFT = 52;
const REACH = 3;
const RARE = 5; // pulls that say little about an arm
const TICK = 130; // milliseconds between two pulls for the eye

function render({ model, el }) {
  const card = make("section", "rlplay-card");
  card.setAttribute("aria-label", "A bandit");
  const packed = floats(model.get("luck"));
  const pulls = packed.length / 3;
  const [noise, luck, other] = [0, 1, 2].map((part) => packed.subarray(part * pulls, (part + 1) * pulls));
  const arms = model.get("machines")[0].length;
  let machine = 0;
  let truth = false;
  let timer = null;
  let values, counts, pull, arm, paid, regret, explored;

  const means = () => model.get("machines")[machine].map(Math.fround);
  const bestOf = (numbers) => numbers.reduce((best, value, at) => (value > numbers[best] ? at : best), 0);

  const line = make("div", "rlplay-card-line");
  const { label, slider, shown } = slide(
    "epsilon ε",
    "epsilon, how often the player explores",
    { min: 0, max: 1, step: 0.01 },
    (epsilon) => {
      model.set("epsilon", epsilon);
      paint();
    },
  );
  slider.onchange = () => model.save_changes();
  const run = press("Run", "Pull at a pace for the eye", () => (timer === null ? start() : halt()));
  const one = press("1 pull", "Pull once", () => go(1));
  const many = press("1000 pulls at once", "Pull a thousand times", () => go(1000));
  const anew = press("Begin anew", "Forget everything, on the same machine with the same luck", () => begin());
  const next = press("Next machine", "Another machine", () => {
    machine = (machine + 1) % model.get("machines").length;
    begin();
  });
  const check = make("label", "", "");
  const box = make("input");
  box.type = "checkbox";
  box.onchange = () => {
    truth = box.checked;
    paint();
  };
  check.append(box, "Show the truth");
  line.append(label, check);
  const buttons = make("div", "rlplay-card-line");
  buttons.append(run, one, many, anew, next);

  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 78}`, role: "img" });
  const y = (value) => HEIGHT / 2 + 8 - (Math.max(-REACH, Math.min(REACH, value)) / REACH) * (HEIGHT / 2 - 12);
  for (const value of [-3, -2, -1, 0, 1, 2, 3]) {
    const stroke = value ? "var(--rlplay-grid)" : "var(--rlplay-quiet)";
    picture.append(
      draw("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), stroke }),
      draw("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    );
  }
  const wide = (WIDTH - LEFT) / arms;
  const columns = Array.from({ length: arms }, (_, at) => {
    const middle = LEFT + (at + 0.5) * wide;
    const bar = draw("rect", { x: middle - 26, width: 52, rx: 3, fill: "var(--rlplay-look-1)" });
    const real = draw("path", { fill: "none", stroke: "var(--rlplay-look-2)", "stroke-width": 4 });
    const sign = draw("text", { x: middle, y: 12, "text-anchor": "middle", class: "rlplay-strong" });
    const name = draw("text", { x: middle, y: HEIGHT + 24, "text-anchor": "middle", class: "rlplay-strong" }, `arm ${at + 1}`);
    const count = draw("text", { x: middle, y: HEIGHT + 42, "text-anchor": "middle" });
    const guess = draw("text", { x: middle, y: HEIGHT + 59, "text-anchor": "middle" });
    const told = draw("text", { x: middle, y: HEIGHT + 75, "text-anchor": "middle", class: "rlplay-strong" });
    told.style.fill = "var(--rlplay-look-2)";
    picture.append(bar, real, sign, name, count, guess, told);
    return { middle, bar, real, sign, count, guess, told };
  });
  const legend = make("div", "rlplay-card-line");
  legend.append(make("span", "rlplay-key rlplay-key-1", "bar: estimate, the mean of what the arm has paid"));
  const real = make("span", "rlplay-key rlplay-key-2", "line: the truth");
  legend.append(real);
  const { list, add } = tiles();
  const done = add("Pulls", "pulls");
  const mean = add("Mean reward", "mean");
  const missed = add("Regret so far", "regret");
  const share = add("Pulls of the best arm", "share");
  const note = make("p", "rlplay-card-note");
  note.setAttribute("role", "status");
  card.append(line, buttons, picture, legend, list, note);

  const begin = () => {
    halt();
    values = new Array(arms).fill(model.get("start"));
    counts = new Array(arms).fill(0);
    pull = paid = regret = 0;
    arm = null;
    explored = false;
    paint();
  };
  const step = () => {
    const real = means();
    explored = luck[pull] < model.get("epsilon");
    arm = explored ? other[pull] : bestOf(values);
    const reward = real[arm] + noise[pull];
    counts[arm] += 1;
    values[arm] += (reward - values[arm]) / counts[arm];
    paid += reward;
    regret += Math.max(...real) - real[arm];
    pull += 1;
  };
  const go = (count) => {
    for (let i = 0; i < count && pull < pulls; i += 1) step();
    if (pull === pulls) halt();
    paint();
  };
  const halt = () => {
    clearInterval(timer);
    timer = null;
    run.textContent = "Run";
  };
  const start = () => {
    if (pull === pulls) begin();
    timer = setInterval(() => go(1), TICK);
    run.textContent = "Pause";
  };
  const paint = () => {
    const trueMeans = means();
    const best = bestOf(trueMeans);
    const epsilon = model.get("epsilon");
    if (Number(slider.value) !== epsilon) slider.value = epsilon;
    shown.textContent = epsilon.toFixed(2);
    columns.forEach(({ middle, bar, real, sign, count, guess, told }, at) => {
      const known = counts[at] > 0 || model.get("start") !== 0;
      const [top, bottom] = [y(Math.max(0, values[at])), y(Math.min(0, values[at]))];
      bar.setAttribute("y", top);
      bar.setAttribute("height", known ? Math.max(1.5, bottom - top) : 0);
      bar.setAttribute("fill-opacity", at === arm ? 1 : 0.55);
      bar.setAttribute("stroke", at === arm ? "var(--rlplay-text)" : "none");
      const height = y(trueMeans[at]);
      real.setAttribute("d", truth ? `M${middle - 42} ${height}h84` : "");
      sign.textContent = at === arm ? (explored ? "▼ explores" : "▼ pulled") : "";
      const percent = pull ? Math.round((100 * counts[at]) / pull) : 0;
      count.textContent = `${counts[at]} pulls${pull ? `, ${percent} %` : ""}`;
      guess.textContent = counts[at] ? `estimate ${values[at].toFixed(2)}` : "never pulled";
      told.textContent = truth ? `true ${trueMeans[at].toFixed(2)}${at === best ? ", the best" : ""}` : "";
    });
    real.style.visibility = truth ? "visible" : "hidden";
    done.textContent = String(pull);
    mean.textContent = pull ? (paid / pull).toFixed(2) : "–";
    missed.textContent = truth ? regret.toFixed(0) : "hidden";
    share.textContent = truth && pull ? `${Math.round((100 * counts[best]) / pull)} %` : truth ? "–" : "hidden";
    const most = bestOf(counts);
    const rare = counts.filter((count) => count <= RARE).length;
    let words = `Machine ${machine + 1} of ${model.get("machines").length}. `;
    if (pull >= 20 && counts[most] / pull > 0.7) {
      words += `${Math.round((100 * counts[most]) / pull)} % of the pulls were arm ${most + 1}`;
      words += truth ? (most === best ? ", the best one." : `; the best is arm ${best + 1}.`) : ".";
    }
    if (pull >= 100 && rare) words += ` ${rare} of ${arms} arms were tried at most ${RARE} times.`;
    if (pull === pulls) words += " That was all the luck there is: begin anew.";
    note.textContent = words;
    one.disabled = many.disabled = pull === pulls;
    picture.setAttribute(
      "aria-label",
      columns.map((_, at) => `arm ${at + 1}: ${counts[at]} pulls, estimate ${values[at].toFixed(2)}`).join("; "),
    );
  };
  model.on("change:epsilon", paint);
  model.on("change:start", begin);
  begin();
  el.append(card);
  return () => {
    halt();
    model.off("change:epsilon", paint);
    model.off("change:start", begin);
  };
}

export default alive({ render: keepingKeys(render) });
