// Epsilon over the pulls, drawn by hand; below, the regret that it leads to, against others that
// have the same machines and the same luck.

const WIDTH = 860;
const LEFT = 58;
const RIGHT = 150;
const TOP = 24;
const UPPER = 150;
const LOWER = 230;
const COLUMNS = 120; // points of a curve
const OTHERS = [
  { epsilon: 0, words: "ε = 0", look: 1, dash: "7 5" },
  { epsilon: 0.1, words: "ε = 0.1", look: 3, dash: "2 4" },
];

function render({ model, el }) {
  const [size, pulls, arms] = model.get("size");
  const packed = floats(model.get("packed"));
  const ends = [size * arms, size * (arms + pulls), size * (arms + 2 * pulls)];
  const means = packed.subarray(0, ends[0]);
  const noise = packed.subarray(ends[0], ends[1]);
  const luck = packed.subarray(ends[1], ends[2]);
  const other = packed.subarray(ends[2]);
  const places = Array.from({ length: COLUMNS }, (_, at) => Math.round((at * (pulls - 1)) / (COLUMNS - 1)));

  const at = (points, pull) => {
    const place = (pull * (points.length - 1)) / (pulls - 1);
    const low = Math.min(Math.floor(place), points.length - 2);
    return points[low] + (place - low) * (points[low + 1] - points[low]);
  };

  // Mean regret over the machines after each pull, and 1.96 standard errors of it.
  const play = (epsilon) => {
    const sums = new Float64Array(pulls);
    const squares = new Float64Array(pulls);
    const values = new Float64Array(arms);
    const counts = new Float64Array(arms);
    for (let one = 0; one < size; one += 1) {
      values.fill(0);
      counts.fill(0);
      const real = means.subarray(one * arms, (one + 1) * arms);
      const best = Math.max(...real);
      let regret = 0;
      for (let pull = 0; pull < pulls; pull += 1) {
        const now = one * pulls + pull;
        let arm = 0;
        if (luck[now] < epsilon[pull]) arm = other[now];
        else for (let i = 1; i < arms; i += 1) if (values[i] > values[arm]) arm = i;
        counts[arm] += 1;
        values[arm] += (real[arm] + noise[now] - values[arm]) / counts[arm];
        regret += best - real[arm];
        sums[pull] += regret;
        squares[pull] += regret * regret;
      }
    }
    const mean = sums.map((sum) => sum / size);
    const band = squares.map((square, pull) => {
      const variance = Math.max(0, (square - size * mean[pull] ** 2) / Math.max(1, size - 1));
      return 1.96 * Math.sqrt(variance / size);
    });
    return { mean, band };
  };

  const card = make("section", "rlplay-card");
  card.setAttribute("aria-label", "A schedule of epsilon and its regret");
  const line = make("div", "rlplay-card-line");
  const presets = [
    ["Always 0", () => 0],
    ["Always 0.1", () => 0.1],
    ["Falling", (share) => Math.max(0, 1 - 2.5 * share)],
    ["Rising", (share) => share],
    ["Always 1", () => 1],
  ];
  line.append(make("span", "", "Drag the points, or begin with"));
  for (const [words, shape] of presets) {
    line.append(
      press(words, `Lay all points: ${words}`, () => {
        const count = model.get("points").length;
        model.set("points", Array.from({ length: count }, (_, i) => shape(i / (count - 1))));
        model.save_changes();
      }),
    );
  }

  const right = WIDTH - RIGHT;
  const x = (pull) => LEFT + (pull / (pulls - 1)) * (right - LEFT);
  const axes = (picture, height, y, ticks, title) => {
    picture.append(draw("text", { x: LEFT, y: 13, class: "rlplay-strong" }, title));
    for (const value of ticks) {
      const stroke = value ? "var(--rlplay-grid)" : "var(--rlplay-quiet)";
      picture.append(
        draw("line", { x1: LEFT, x2: right, y1: y(value), y2: y(value), stroke }),
        draw("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)),
      );
    }
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const pull = Math.round(share * pulls);
      picture.append(
        draw("text", { x: x(share * (pulls - 1)), y: height + 17, "text-anchor": "middle" }, String(pull)),
      );
    }
  };

  const upper = draw("svg", { viewBox: `0 0 ${WIDTH} ${UPPER + 22}` });
  const level = (epsilon) => TOP + 6 + (1 - epsilon) * (UPPER - TOP - 6);
  axes(upper, UPPER, level, [0, 0.5, 1], "epsilon at each pull: yours to draw");
  const drawn = draw("polyline", { fill: "none", stroke: "var(--rlplay-look-2)", "stroke-width": 3 });
  upper.append(drawn);
  const set = (which, epsilon) => {
    const points = [...model.get("points")];
    points[which] = Math.min(1, Math.max(0, Math.round(epsilon * 100) / 100));
    model.set("points", points);
  };
  const handles = model.get("points").map((_, which) => {
    const pull = (which * (pulls - 1)) / (model.get("points").length - 1);
    const handle = draw("circle", {
      cx: x(pull),
      r: 9,
      fill: "var(--rlplay-surface)",
      stroke: "var(--rlplay-look-2)",
      "stroke-width": 3,
      tabindex: 0,
      role: "slider",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
      "aria-orientation": "vertical",
      "aria-label": `epsilon at pull ${Math.round(pull) + 1}`,
      class: "rlplay-handle",
    });
    let dragged = false;
    const follow = (event) => {
      const place = upper.getBoundingClientRect();
      const height = ((event.clientY - place.top) / place.height) * (UPPER + 22);
      set(which, 1 - (height - TOP - 6) / (UPPER - TOP - 6));
    };
    handle.onpointerdown = (event) => {
      dragged = true;
      handle.setPointerCapture(event.pointerId);
      handle.focus();
      event.preventDefault();
    };
    handle.onpointermove = (event) => dragged && follow(event);
    handle.onpointerup = handle.onpointercancel = () => {
      dragged = false;
      model.save_changes();
    };
    handle.onkeydown = (event) => {
      const steps = { ArrowUp: 0.05, ArrowDown: -0.05, ArrowRight: 0.01, ArrowLeft: -0.01, PageUp: 0.2, PageDown: -0.2 };
      const now = model.get("points")[which];
      if (event.key in steps) set(which, now + steps[event.key]);
      else if (event.key === "Home") set(which, 0);
      else if (event.key === "End") set(which, 1);
      else return;
      event.preventDefault();
      event.stopPropagation(); // the notebook has keys of its own
      model.save_changes();
    };
    upper.append(handle);
    return handle;
  });

  const lower = draw("svg", { viewBox: `0 0 ${WIDTH} ${LOWER + 40}`, role: "img" });
  const rivals = OTHERS.map((one) => ({ ...one, ...play(new Float64Array(pulls).fill(one.epsilon)) }));
  const highest = Math.max(...rivals.map(({ mean, band }) => mean[pulls - 1] + band[pulls - 1]));
  const round = 10 ** Math.floor(Math.log10(highest));
  const top = Math.ceil((1.25 * highest) / round) * round;
  const y = (regret) => LOWER - (Math.min(regret, top) / top) * (LOWER - TOP);
  axes(lower, LOWER, y, [0, top / 4, top / 2, (3 * top) / 4, top], "Regret so far: lower is better");
  lower.append(draw("text", { x: (LEFT + right) / 2, y: LOWER + 35, "text-anchor": "middle" }, "pulls"));
  const curve = (look, dash, thick) => {
    const color = `var(--rlplay-look-${look})`;
    const area = draw("polygon", { fill: color, "fill-opacity": 0.18 });
    const path = draw("polyline", { fill: "none", stroke: color, "stroke-width": thick, "stroke-dasharray": dash });
    const words = draw("text", { x: right + 8, class: "rlplay-strong" });
    words.style.fill = color;
    lower.append(area, path, words);
    return ({ mean, band }) => {
      const edge = (sign) => places.map((pull) => `${x(pull)},${y(Math.max(0, mean[pull] + sign * band[pull]))}`);
      area.setAttribute("points", [...edge(1), ...edge(-1).reverse()].join(" "));
      path.setAttribute("points", places.map((pull) => `${x(pull)},${y(mean[pull])}`).join(" "));
      return words;
    };
  };
  const curves = [curve(2, "none", 3.5), ...rivals.map((rival) => curve(rival.look, rival.dash, 2.5))];

  const { list, add } = tiles();
  const mine = add("Your regret at the end", "mine");
  const those = rivals.map((rival) => add(`with ${rival.words}`, `epsilon-${rival.epsilon}`));
  const note = make("p", "rlplay-card-note");
  note.setAttribute("role", "status");
  card.append(line, upper, lower, list, note);
  const written = ({ mean, band }) => `${mean[pulls - 1].toFixed(1)} ± ${band[pulls - 1].toFixed(1)}`;
  rivals.forEach((rival, i) => (those[i].textContent = written(rival)));

  let frame = null;
  const paint = () => {
    frame = null;
    const points = model.get("points");
    const epsilon = Float64Array.from({ length: pulls }, (_, pull) => at(points, pull));
    const own = play(epsilon);
    drawn.setAttribute("points", handles.map((handle, i) => `${handle.getAttribute("cx")},${level(points[i])}`).join(" "));
    handles.forEach((handle, i) => {
      handle.setAttribute("cy", level(points[i]));
      handle.setAttribute("aria-valuenow", points[i].toFixed(2));
    });
    const lines = [{ ...own, words: "yours" }, ...rivals];
    const labels = lines.map((one, i) => ({ element: curves[i](one), place: y(one.mean[pulls - 1]) + 5, words: one.words }));
    // Labels that would lie over each other move apart.
    labels.sort((a, b) => a.place - b.place);
    labels.forEach((label, i) => {
      if (i) label.place = Math.max(label.place, labels[i - 1].place + 16);
      label.element.setAttribute("y", label.place);
      label.element.textContent = label.words;
    });
    const end = own.mean[pulls - 1];
    mine.textContent = written(own);
    const beaten = rivals.filter((rival) => end < rival.mean[pulls - 1]).map((rival) => rival.words);
    note.textContent =
      `Mean of ${size} machines with ${arms} arms, each with the same luck for everybody; the band is 1.96 standard errors. ` +
      (end > top ? "Your curve leaves the picture. " : "") +
      (beaten.length ? `Yours is below ${beaten.join(" and ")}.` : "Yours is below neither of the others.");
    lower.setAttribute("aria-label", `Regret at the end: yours ${written(own)}, ${rivals.map((rival) => `${rival.words} ${written(rival)}`).join(", ")}`);
  };
  const changed = () => {
    frame ??= requestAnimationFrame(paint);
  };
  model.on("change:points", changed);
  paint();
  el.append(card);
  return () => {
    cancelAnimationFrame(frame);
    model.off("change:points", changed);
  };
}

export default alive({ render: keepingKeys(render) });
