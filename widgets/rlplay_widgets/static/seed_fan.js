// Two learners, seed by seed: their curves, their scores, and what the seeds show. The numbers come
// with them, for each number of seeds, from rlplay.statistics.

// With fewer seeds the bootstrap has too few values to draw from, and its interval is too narrow.
const FEW = 10;

function render({ model, el }) {
  const [theirs, ours] = model.get("learners");
  const most = model.get("most");
  const learners = [theirs, ours];
  const root = make("div", "rlplay-seeds");
  const verdict = make("p", "rlplay-seeds-verdict");
  verdict.setAttribute("role", "status");
  const acts = make("div", "rlplay-seeds-acts");
  const said = make("span", "rlplay-seeds-count");
  const stage = make("div");
  root.append(verdict, acts, stage);

  const button = (words, act) => {
    const made = make("button", "", words);
    made.type = "button";
    made.onclick = act;
    acts.append(made);
    return made;
  };
  const go = (count) => {
    model.set("count", Math.max(1, Math.min(most, count)));
    model.save_changes();
  };
  const add = button("Add a seed", () => go(model.get("count") + 1));
  const all = button(`All ${most}`, () => go(most));
  const less = button("Take one away", () => go(model.get("count") - 1));
  const poster = button(`Show only the best seed of ${ours.name}`, () => {
    model.set("best", !model.get("best"));
    model.save_changes();
  });
  acts.append(said);

  const top = Math.ceil(Math.max(...learners.flatMap((one) => [...one.scores, ...one.curves.flat()])));
  const steps = theirs.steps;
  const W = 900, LEFT = 40, SPLIT = 470, RIGHT = 560, H = 270, DOWN = 226;
  const px = (step) => LEFT + (step / steps[steps.length - 1]) * (SPLIT - LEFT);
  const py = (score) => DOWN - (score / top) * (DOWN - 14);
  const sx = (score) => RIGHT + (score / top) * (W - 18 - RIGHT);

  const draw = () => {
    const count = model.get("count");
    const lying = model.get("best");
    const parts = learners.map((one) => {
      const scores = one.scores.slice(0, count);
      return {
        ...one,
        scores,
        curves: one.curves.slice(0, count),
        iqm: one.means[count - 1],
        best: scores.indexOf(Math.max(...scores)),
        interval: one.intervals[count - 1],
        middle: one.middles[count - 1],
        band: one.bands[count - 1],
      };
    });
    const [a, b] = parts;
    add.disabled = all.disabled = count === most;
    less.disabled = count === 1;
    poster.setAttribute("aria-pressed", String(lying));
    said.textContent = `${count} of ${most} seeds each`;
    tell(verdict, a, b, model.get("differences")[count - 1], count, lying);
    stage.replaceChildren(picture(parts, count, lying));
  };

  function picture(parts, count, lying) {
    const svg = shape("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
    svg.setAttribute(
      "aria-label",
      parts.map((one) => `${one.name}: scores ${one.scores.join(", ")}`).join("; "),
    );
    for (let score = 0; score <= top; score += 5) {
      svg.append(shape("line", { class: "grid", x1: LEFT, x2: SPLIT, y1: py(score), y2: py(score) }));
      svg.append(words(LEFT - 6, py(score) + 4, score, "end"));
      svg.append(shape("line", { class: "grid", x1: sx(score), x2: sx(score), y1: 14, y2: DOWN }));
      svg.append(words(sx(score), DOWN + 16, score, "middle"));
    }
    svg.append(words((LEFT + SPLIT) / 2, H - 8, "steps of training, to 300 000", "middle", "quiet"));
    svg.append(words((RIGHT + W) / 2, H - 8, "score of each run at the end", "middle", "quiet"));
    parts.forEach((one, place) => {
      const group = shape("g", { class: `of-${place + 1}` });
      const shows = (seed) => !lying || place === 0 || seed === one.best;
      if (count > 1 && !(lying && place === 1)) group.append(band(one));
      one.curves.forEach((curve, seed) => {
        const name = lying && place === 1 && seed === one.best ? "middle" : "single";
        const line = shape("path", { class: name, d: path(curve.map((y, i) => [px(steps[i]), py(y)])) });
        if (!shows(seed)) line.classList.add("hidden-by-the-poster");
        group.append(line);
      });
      if (!(lying && place === 1)) {
        const middle = steps.map((step, i) => [px(step), py(one.middle[i])]);
        group.append(shape("path", { class: "middle", d: path(middle) }));
      }
      strip(group, one, place, shows, lying && place === 1);
      svg.append(group);
    });
    return svg;
  }

  function strip(group, one, place, shows, alone) {
    const y = place ? 176 : 84;
    group.append(shape("path", { class: "middle", d: `M${RIGHT} ${y - 48}h34` }));
    group.append(words(RIGHT + 42, y - 44, one.name, "start"));
    one.scores.forEach((score, seed) => {
      const [x, up] = [sx(score), y - 14 - (seed % 4) * 5];
      const dot = place
        ? shape("rect", { class: "dot", x: x - 4, y: up - 4, width: 8, height: 8 })
        : shape("circle", { class: "dot", cx: x, cy: up, r: 4.5 });
      if (!shows(seed)) dot.classList.add("hidden-by-the-poster");
      const about = shape("title", {});
      about.textContent = `seed ${one.seeds[seed]}: ${score.toFixed(1)}`;
      dot.append(about);
      group.append(dot);
    });
    if (alone) return;
    if (one.interval) {
      const [low, high] = one.interval.map(sx);
      group.append(
        shape("path", {
          class: "interval",
          d: `M${low} ${y - 6}V${y + 14}M${low} ${y + 4}H${high}M${high} ${y - 6}V${y + 14}`,
        }),
      );
    }
    group.append(shape("circle", { class: "mean", cx: sx(one.iqm), cy: y + 4, r: 5 }));
    const range = one.interval ? `, ${one.interval.map((x) => x.toFixed(1)).join(" to ")}` : "";
    const middle = Math.min(sx(one.iqm), W - 66); // so that the words stay on the page
    group.append(words(middle, y + 28, `${one.iqm.toFixed(1)}${range}`, "middle"));
  }

  function band(one) {
    const [low, high] = one.band.map((edge) => edge.map((y, i) => [px(steps[i]), py(y)]));
    return shape("path", { class: "band", d: `${path([...high, ...low.reverse()])}Z` });
  }

  model.on("change:count", draw);
  model.on("change:best", draw);
  draw();
  el.append(root);
  return () => {
    model.off("change:count", draw);
    model.off("change:best", draw);
  };
}

// What the seeds show, or what a poster would say.
function tell(verdict, a, b, between, count, lying) {
  const line = make("b");
  if (lying) {
    const best = b.scores[b.best];
    const gain = Math.round((best / a.iqm - 1) * 100);
    line.textContent = `The poster: ${b.name} reaches ${best.toFixed(1)}, ${a.name} only ${a.iqm.toFixed(1)}. ${gain >= 0 ? "+" : ""}${gain} %!`;
    verdict.replaceChildren(
      line,
      `What it does not say: the best of ${count} seeds, and all others left out.`,
    );
    return;
  }
  const difference = b.iqm - a.iqm;
  const signed = (x) => `${x < 0 ? "\u2212" : "+"}${Math.abs(x).toFixed(1)}`;
  if (count === 1) {
    line.textContent = `One seed each: ${b.name} is ${signed(difference)}. Nothing is shown.`;
    verdict.replaceChildren(line, "One run has no interval.");
    return;
  }
  const [low, high] = between;
  const word = count < FEW ? "looks" : "is";
  const side = low > 0 ? "better" : high < 0 ? "worse" : "";
  line.textContent = side ? `${b.name} ${word} ${side}.` : "Not shown.";
  verdict.replaceChildren(
    line,
    `${b.name} minus ${a.name}, interquartile means: ${signed(difference)}, with 95 % of the resamples between ${signed(low)} and ${signed(high)}.`,
    side && count < FEW ? ` But ${count} seeds know too little: with so few, the interval is too narrow.` : "",
  );
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function words(x, y, text, anchor, name = "") {
  const made = shape("text", { x, y, "text-anchor": anchor, class: name });
  made.textContent = text;
  return made;
}

const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

export default alive({ render: keepingKeys(render) });
