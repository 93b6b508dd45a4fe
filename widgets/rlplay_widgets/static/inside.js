// Inside the agent: switches, the actions, the value of the state and its history, the network's
// activations, the table of inputs. Python sends numbers of one moment; nothing is asked twice.

const SWITCHES = [
  ["sees", "Sees", "The window that the agent sees, and what blocks in it"],
  ["thinks", "Thinks", "An arrow for each action, and its probability or Q-value"],
  ["mattered", "Mattered", "Which inputs speak for what it does, and which against"],
  ["value", "Value", "The value of the state, and how it changed"],
  ["network", "Network", "What each unit of the network puts out"],
];
const LEGENDS = [
  ["sees", "square", "blocked, the larger the longer"],
  ["sees", "bar", "wall beyond the edge"],
  ["sees", "ring", "food in the window"],
  ["sees", "fog", "not seen"],
  ["mattered", "plus", "for the preferred action"],
  ["mattered", "minus", "against it"],
];
const SVG = "http://www.w3.org/2000/svg";
const HISTORY = 300;
const COLUMNS = 32; // units in a row of cells
const CELL = 12; // pixels of the store for a cell

function make(tag, name, words = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = words;
  return element;
}

function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function bytes(view) {
  return new Int8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

const written = (value) => value.toFixed(2).replace("-", "\u2212");

function section(name, title, hint) {
  const box = make("section", `rlplay-inside-${name}`);
  const head = make("h4", "", title);
  if (hint) box.title = hint;
  box.append(head);
  return { box, head };
}

function render({ model, el }) {
  const root = make("div", "rlplay-inside");
  const bar = make("div", "rlplay-inside-switches");
  const legend = make("ul", "rlplay-inside-legend");
  const missing = make("p", "rlplay-inside-missing");
  const body = make("div", "rlplay-inside-body");
  const left = make("div", "rlplay-inside-left");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "What is shown of the agent");
  legend.setAttribute("aria-label", "What the signs on the board mean");
  missing.setAttribute("role", "status");
  body.append(left);
  root.append(bar, legend, missing, body);
  el.append(root);

  // Switches ---------------------------------------------------------------------------------

  const group = (words, names) => {
    bar.append(make("span", "", words));
    return names.map((name) => {
      const [, title, hint] = SWITCHES.find(([known]) => known === name);
      const button = make("button", "", title);
      button.type = "button";
      button.title = hint;
      button.onclick = () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        model.send({ kind: "switch", name, on });
      };
      bar.append(button);
      return [name, button];
    });
  };
  const buttons = new Map([
    ...group("Over the board", ["sees", "thinks", "mattered"]),
    ...group("Here", ["value", "network"]),
  ]);
  const off = make("button", "rlplay-inside-off", "All off");
  off.type = "button";
  off.title = "Show nothing of the agent; it is then not asked, and nothing is sent";
  off.onclick = () => model.send({ kind: "off" });
  bar.append(off);
  const signs = LEGENDS.map(([name, kind, words]) => {
    const entry = make("li", "", words);
    const sign = make("i", `rlplay-sign-${kind}`);
    sign.setAttribute("aria-hidden", "true");
    entry.prepend(sign);
    legend.append(entry);
    return [name, entry];
  });

  // What it thinks ---------------------------------------------------------------------------

  const thinks = section("thinks", "Actions");
  const actions = make("dl", "");
  thinks.box.append(actions);
  let bars = [];

  // The value --------------------------------------------------------------------------------

  const value = section(
    "value",
    "State value",
    "What the agent expects to collect from here on, later rewards discounted",
  );
  const worth = make("b", "", "–");
  const picture = drawn("svg", { viewBox: "0 0 300 64", preserveAspectRatio: "none", role: "img" });
  const line = drawn("polyline", { class: "rlplay-inside-line" });
  const starts = drawn("path", { class: "rlplay-inside-starts" });
  const range = make("small", "");
  picture.append(starts, line);
  value.head.append(" ", worth);
  value.box.append(picture, range);
  left.append(thinks.box, value.box);
  let points = [];

  const drawValue = () => {
    const values = points.map(([worthThen]) => worthThen);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const spread = Math.max(high - low, 1e-3 * Math.abs(high), 1e-6);
    const step = 300 / (Math.min(HISTORY, Math.max(60, points.length)) - 1);
    const x = (i) => 300 - (points.length - 1 - i) * step;
    const y = (v) => 60 - (56 * (v - low)) / spread;
    line.setAttribute("points", values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(" "));
    starts.setAttribute(
      "d", points.map(([, begins], i) => (begins ? `M${x(i).toFixed(1)} 0V64` : "")).join(""),
    );
    const words = points.length
      ? `${written(low)} to ${written(high)} · ${points.length} boards`
      : "The line begins with the first board.";
    range.textContent = words;
    picture.setAttribute("aria-label", `History of the value: ${words}`);
  };

  // The network ------------------------------------------------------------------------------

  const network = section("network", "The network");
  body.append(network.box);
  const scale = make("p", "rlplay-inside-scale");
  for (const [kind, words] of [["none", "0"], ["filled", "positive"], ["hollow", "negative"]]) {
    const sign = make("i", `rlplay-sign-${kind}`);
    const entry = make("span", "", words);
    sign.setAttribute("aria-hidden", "true");
    entry.prepend(sign);
    scale.append(entry);
  }
  let layers = [];
  let cells = new Int8Array(0);

  const drawNetwork = () => {
    const style = getComputedStyle(root);
    const [plus, minus, none] = ["--rlplay-plus", "--rlplay-minus", "--rlplay-grid"].map(
      (name) => style.getPropertyValue(name).trim() || "gray",
    );
    let at = 0;
    for (const { count, canvas } of layers) {
      const paint = canvas.getContext("2d");
      paint.clearRect(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < count; i += 1) {
        const strength = (cells[at + i] ?? 0) / 127;
        const left = (i % COLUMNS) * CELL + 1;
        const top = Math.floor(i / COLUMNS) * CELL + 1;
        paint.globalAlpha = 1;
        paint.fillStyle = none;
        paint.fillRect(left, top, CELL - 2, CELL - 2);
        if (!strength) continue;
        paint.globalAlpha = 0.12 + 0.88 * Math.abs(strength);
        if (strength > 0) {
          paint.fillStyle = plus;
          paint.fillRect(left, top, CELL - 2, CELL - 2);
        } else {
          paint.strokeStyle = minus;
          paint.lineWidth = 3;
          paint.strokeRect(left + 1.5, top + 1.5, CELL - 5, CELL - 5);
        }
      }
      at += count;
    }
  };

  // The inputs -------------------------------------------------------------------------------

  const inputs = section("inputs", "Numbers that it sees");
  const table = make("table", "");
  const rows = make("tbody", "");
  const titles = make("tr", "");
  for (const words of ["Input", "Value", "Mattered"]) {
    const title = make("th", "", words);
    title.scope = "col";
    titles.append(title);
  }
  const tableHead = make("thead", "");
  tableHead.append(titles);
  table.append(tableHead, rows);
  inputs.box.append(table);
  body.append(inputs.box);
  let entries = [];

  // What there is, and what is switched on --------------------------------------------------

  const build = () => {
    const about = model.get("about");
    thinks.head.textContent = about.kind ? `Actions: ${about.kind}` : "Actions";
    actions.replaceChildren();
    bars = about.actions.map((words) => {
      const name = make("dt", "", words);
      const entry = make("dd", "");
      const track = make("span", "rlplay-inside-track");
      const fill = make("i", "");
      const amount = make("b", "");
      track.append(fill);
      entry.append(track, amount);
      actions.append(name, entry);
      return { fill, amount, entry };
    });
    for (const layer of layers) layer.figure.remove();
    scale.remove();
    layers = about.layers.map(({ title, units, cells: count }) => {
      const figure = make("figure", "");
      const caption = make("figcaption", "", `${title} · ${units} units`);
      const most = make("small", "");
      most.title = "What the strongest shade stands for";
      const canvas = make("canvas", "");
      canvas.width = COLUMNS * CELL;
      canvas.height = Math.ceil(count / COLUMNS) * CELL;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Activations: ${title}, ${units} units`);
      if (count < units) canvas.title = "Each cell shows the strongest of its neighbouring units";
      caption.append(most);
      figure.append(caption, canvas);
      network.box.append(figure);
      return { figure, canvas, count, most };
    });
    if (layers.length) network.box.append(scale);
    rows.replaceChildren();
    entries = about.inputs.map(({ label, meaning, count }) => {
      const entry = make("tr", "");
      const name = make("th", "", label);
      const amount = make("td", "");
      const weight = make("td", "");
      const track = make("span", "rlplay-inside-weight");
      const fill = make("i", "");
      const share = make("b", "");
      name.scope = "row";
      entry.title = meaning ? `${label}: ${meaning}` : label;
      track.append(fill);
      weight.append(track, share);
      entry.append(name, amount, weight);
      rows.append(entry);
      return { amount, fill, share, count };
    });
    turn();
  };

  const turn = () => {
    const on = new Set(model.get("on"));
    const about = model.get("about");
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(on.has(name)));
    for (const [name, entry] of signs) entry.hidden = !on.has(name);
    const looksAtInputs = on.has("sees") || on.has("mattered");
    legend.hidden = !looksAtInputs;
    off.disabled = on.size === 0;
    thinks.box.hidden = !on.has("thinks") || !about.actions.length;
    value.box.hidden = !on.has("value") || !points.length;
    network.box.hidden = !on.has("network") || !about.layers.length;
    inputs.box.hidden = !looksAtInputs || !about.inputs.length;
    table.classList.toggle("rlplay-inside-weighed", on.has("mattered"));
    left.hidden = thinks.box.hidden && value.box.hidden;
    const sentences = model.get("missing");
    missing.textContent = on.size
      ? sentences.join(" ")
      : "Everything is switched off: the agent is not asked, and nothing is sent.";
    missing.hidden = !missing.textContent;
  };

  const receive = (content, buffers) => {
    const [shares, activations, numbers, news] = buffers;
    const best = floats(shares);
    const top = Math.max(...best);
    bars.forEach(({ fill, amount, entry }, i) => {
      if (!(i < best.length)) return;
      fill.style.width = `${100 * best[i]}%`;
      amount.textContent = content.written[i];
      entry.classList.toggle("rlplay-inside-best", best[i] === top);
    });
    if (content.scales) {
      cells = bytes(activations);
      layers.forEach(({ most }, i) => {
        most.textContent = content.scales[i] === undefined ? "" : content.scales[i];
      });
      drawNetwork();
    }
    const [values, weights] = [0, 1].map((row) => {
      const all = floats(numbers);
      return all.subarray((row * all.length) / 2, ((row + 1) * all.length) / 2);
    });
    entries.forEach(({ amount, fill, share, count }, i) => {
      if (!(i < values.length)) return;
      amount.textContent = count > 1 ? `${values[i]} of ${count}` : written(values[i]);
      const weight = Number.isNaN(weights[i]) ? 0 : weights[i];
      fill.className = weight < 0 ? "rlplay-inside-against" : "rlplay-inside-for";
      fill.style.width = `${50 * Math.abs(weight)}%`;
      share.textContent = Number.isNaN(weights[i])
        ? "" : `${weight > 0 ? "+" : ""}${(100 * weight).toFixed(0).replace("-", "\u2212")}`;
    });
    if (content.reset !== undefined) {
      if (content.reset) points = [];
      const fresh = floats(news);
      for (let i = 0; i < fresh.length; i += 2) points.push([fresh[i], fresh[i + 1] > 0]);
      points = points.slice(-HISTORY);
      if (content.value !== undefined) worth.textContent = content.value;
      drawValue();
      if (value.box.hidden) turn();
    }
  };

  const theme = new MutationObserver(drawNetwork);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  model.on("msg:custom", receive);
  model.on("change:about", build);
  model.on("change:on", turn);
  model.on("change:missing", turn);
  build();
  model.send({ kind: "need" });

  return () => {
    theme.disconnect();
    model.off("msg:custom", receive);
    model.off("change:about", build);
    model.off("change:on", turn);
    model.off("change:missing", turn);
  };
}

export default alive({ render });
