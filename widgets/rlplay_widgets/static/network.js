// The layers of a network as cards, and below them its picture.
//
// A change is shown at once, and sent as the whole list of layers; the kernel answers with its
// state. What it says of an older change than the last one made here is left out, so that nobody's
// typing is undone.

const NODES = 12; // at most so many of a layer are drawn
const STEP = 16; // units that an arrow adds
const HEIGHT = 142; // of the picture, without a line of words above it
const LINE = 22;
const ANSWER = 2000; // ms to wait for the kernel's answer to a change

const SVG = "http://www.w3.org/2000/svg";

function make(tag, look = "", text = "") {
  const element = document.createElement(tag);
  if (look) element.className = look;
  if (text) element.textContent = text;
  return element;
}

function button(look, sign, words, onclick) {
  const element = make("button", look);
  const mark = make("span", "", sign);
  mark.setAttribute("aria-hidden", "true");
  element.type = "button";
  element.append(mark);
  element.onclick = onclick;
  say(element, words);
  return element;
}

function say(element, words) {
  if (element.getAttribute("aria-label") === words) return;
  element.setAttribute("aria-label", words);
  element.title = words;
}

function draw(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

function number(value) {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function plural(count, one) {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}

// What can be drawn: a list of layers without a wrong value.
function sound(layers, limits, activations) {
  const [low, high] = limits.units;
  return layers.length <= limits.layers && layers.every(
    ({ units, activation }) => Number.isInteger(units) && units >= low && units <= high
      && activations.some(({ name }) => name === activation),
  );
}

// Weights and biases of each layer, its activation's own parameters included; the output's last.
function countParameters(layers, facts) {
  const own = new Map(facts.activations.map(({ name, parameters }) => [name, parameters]));
  const counts = [];
  let inputs = facts.size;
  for (const { units, activation } of layers) {
    counts.push((inputs + 1) * units + (own.get(activation) ?? 0));
    inputs = units;
  }
  if (facts.outputs.length) counts.push((inputs + 1) * facts.outputs.length);
  return counts;
}

function render({ model, el }) {
  const limits = model.get("limits");
  const view = Math.random().toString(36).slice(2);
  let edit = 0;
  let asked = -Infinity; // when the last change was made here
  let facts = {};
  let state = {};
  let layers = [];
  let shown = []; // the last layers that can be drawn

  const root = make("section", "rlplay-net");
  root.setAttribute("aria-label", "Network");

  // Presets and the number of parameters ----------------------------------------------------------

  const bar = make("div", "rlplay-net-bar");
  const choice = make("label", "rlplay-net-choice");
  const preset = make("select");
  const saving = make("form", "rlplay-net-saving");
  const name = make("input");
  const keep = make("button", "rlplay-net-button", "Save as…");
  const remove = make("button", "rlplay-net-button", "Delete");
  const confirm = make("button", "rlplay-net-button", "Save");
  const cancel = make("button", "rlplay-net-button", "Cancel");
  const total = make("output", "rlplay-net-total");
  choice.append(make("span", "", "Network"), preset);
  preset.onchange = () => {
    if (preset.value) send({ kind: "choose", preset: preset.value });
  };
  keep.type = remove.type = "button";
  keep.title = "Save these layers under a name";
  remove.title = "Delete this saved network";
  keep.onclick = () => ask(true);
  remove.onclick = () => erase();
  name.type = "text";
  name.maxLength = 60;
  name.placeholder = "name";
  name.title = "Lower-case letters, digits, - and _";
  name.oninput = () => {
    const allowed = name.value.toLowerCase().replace(/[^a-z0-9_-]+/g, "-");
    if (allowed !== name.value) name.value = allowed;
  };
  name.required = true;
  name.setAttribute("aria-label", "Name of the network");
  confirm.type = "submit";
  cancel.type = "button";
  cancel.onclick = () => ask(false);
  saving.append(name, confirm, cancel);
  saving.hidden = true;
  saving.onsubmit = (event) => {
    event.preventDefault();
    send({ kind: "save", name: name.value });
    ask(false);
  };
  name.onkeydown = (event) => {
    if (event.key === "Escape") ask(false);
    if (event.key === "Enter") {
      event.preventDefault(); // JupyterLab would open the cell, and submit nothing
      saving.requestSubmit();
    }
  };
  bar.append(choice, keep, remove, saving, total);

  const ask = (open) => {
    saving.hidden = !open;
    keep.hidden = choice.hidden = open;
    if (open) {
      const own = state.chosen?.startsWith("own:");
      name.value = own ? state.chosen.slice(4) : "";
      name.focus();
      name.select();
    } else keep.focus();
    write();
  };

  // A second click deletes: the first one asks.
  let sure = 0;
  const erase = () => {
    if (Date.now() < sure) {
      sure = 0;
      send({ kind: "delete", name: state.chosen.slice(4) });
    } else sure = Date.now() + 4000;
    write();
    if (sure) setTimeout(write, 4100);
  };

  const fillPresets = () => {
    const options = JSON.stringify(state.presets);
    if (preset.dataset.options !== options) {
      preset.dataset.options = options;
      const groups = new Map([["", preset]]);
      preset.replaceChildren();
      for (const { id, label, words, group } of state.presets) {
        if (!groups.has(group)) {
          const part = document.createElement("optgroup");
          part.label = group;
          preset.append(part);
          groups.set(group, part);
        }
        const option = make("option", "", `${label} · ${words}`);
        option.value = id;
        groups.get(group).append(option);
      }
      const other = make("option", "", "Layers of your own");
      other.value = "";
      other.disabled = true;
      preset.append(other);
    }
    if (preset.value !== state.chosen) preset.value = state.chosen;
  };

  // Cards -------------------------------------------------------------------------------------------

  const list = make("ol", "rlplay-net-cards");
  const input = endCard("Input");
  const output = endCard("Output");
  const cards = [];
  list.append(input.root, output.root);

  function endCard(title) {
    const card = make("li", "rlplay-net-card rlplay-net-end");
    const size = make("b", "rlplay-net-size");
    const words = make("span", "rlplay-net-words");
    const count = make("small", "rlplay-net-count");
    card.append(make("header", "", title), size, words, count);
    return { root: card, size, words, count };
  }

  function layerCard(place) {
    const add = make("li", "rlplay-net-add");
    const card = make("li", "rlplay-net-card");
    const head = make("header");
    const title = make("span", "rlplay-net-title", `Layer ${place + 1}`);
    const left = button("rlplay-net-icon", "←", `Move layer ${place + 1} towards the input`,
      () => move(place, place - 1, "left"));
    const right = button("rlplay-net-icon", "→", `Move layer ${place + 1} towards the output`,
      () => move(place, place + 1, "right"));
    const drop = button("rlplay-net-icon", "×", `Remove layer ${place + 1}`, () => {
      change(layers.toSpliced(place, 1));
      (cards[Math.min(place, cards.length - 1)]?.drop ?? last.firstChild).focus();
    });
    const units = make("span", "rlplay-net-units");
    const field = make("input");
    const unit = make("span", "rlplay-net-unit", "units");
    const arrows = make("span", "rlplay-net-arrows");
    const shape = make("span", "rlplay-net-shape");
    const select = make("select");
    const curve = draw("svg", { class: "rlplay-net-curve", viewBox: "-2.2 -2.2 4.4 4.4" });
    const reasons = { units: reason(), activation: reason() };
    const count = make("small", "rlplay-net-count");
    const plus = button("rlplay-net-plus", "+", `Add a layer before layer ${place + 1}`,
      () => insert(place));

    head.append(title, left, right, drop);
    field.type = "number";
    [field.min, field.max] = limits.units;
    field.step = 1;
    field.setAttribute("aria-label", `Units of layer ${place + 1}`);
    field.oninput = () => {
      const text = field.value.trim();
      set(place, { units: /^-?\d+$/.test(text) ? Number(text) : text });
    };
    field.onkeydown = (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1, PageUp: 4, PageDown: -4 }[event.key];
      if (up === undefined) return;
      event.preventDefault();
      turn(place, up, event.shiftKey ? 1 : STEP);
    };
    for (const [sign, up, words] of [["▴", 1, "More units"], ["▾", -1, "Fewer units"]]) {
      const arrow = button("", sign, `${words} in layer ${place + 1}`,
        (event) => turn(place, up, event.shiftKey ? 1 : STEP));
      arrow.tabIndex = -1; // the arrow keys do the same in the field
      arrows.append(arrow);
    }
    units.append(field, unit, arrows);
    select.setAttribute("aria-label", `Activation of layer ${place + 1}`);
    select.onchange = () => set(place, { activation: select.value });
    curve.setAttribute("aria-hidden", "true");
    shape.append(select, curve);
    add.append(plus);
    card.append(head, units, reasons.units, shape, reasons.activation, count);
    for (const [what, control] of [["units", field], ["activation", select]]) {
      reasons[what].id = `rlplay-net-${view}-${place}-${what}`;
      control.setAttribute("aria-describedby", reasons[what].id);
    }
    drag(head, place);
    return { add, root: card, left, right, drop, field, arrows, select, curve, reasons, count };
  }

  function reason() {
    const text = make("p", "rlplay-net-reason");
    text.setAttribute("role", "alert");
    return text;
  }

  const last = make("li", "rlplay-net-add");
  last.append(button("rlplay-net-plus", "+", "Add a layer before the output",
    () => insert(layers.length)));
  output.root.before(last);

  // Changes -----------------------------------------------------------------------------------------

  const send = (content) => model.send(content);

  const change = (next) => {
    layers = next;
    asked = Date.now();
    edit += 1;
    send({ kind: "layers", layers, view, edit });
    write();
  };

  const set = (place, values) => {
    change(layers.map((layer, i) => (i === place ? { ...layer, ...values } : layer)));
  };

  const turn = (place, up, step) => {
    const [low, high] = limits.units;
    const now = Number.isFinite(layers[place].units) ? layers[place].units : limits.layer.units;
    // To the next multiple, so that 100 becomes 112 and 96.
    const next = up > 0 ? Math.floor(now / step + up) * step : Math.ceil(now / step + up) * step;
    set(place, { units: Math.min(high, Math.max(low, next)) });
    cards[place].field.value = layers[place].units;
  };

  const insert = (place) => {
    if (state.locked || layers.length >= limits.layers) return;
    const like = layers[place - 1] ?? layers[place] ?? limits.layer;
    change(layers.toSpliced(place, 0, { ...like }));
    cards[place].field.focus();
    cards[place].field.select();
  };

  const move = (from, to, hand) => {
    if (state.locked || to < 0 || to >= layers.length || to === from) return;
    const next = layers.toSpliced(from, 1);
    next.splice(to, 0, layers[from]);
    change(next);
    const card = cards[to];
    const button = card[hand];
    (button && !button.disabled ? button : card[hand === "left" ? "right" : "left"]).focus();
  };

  // A card follows the pointer; a line shows where it would go.
  function drag(head, place) {
    let began = null;
    let target = place;
    const card = () => cards[place].root;
    const mark = (to) => {
      target = to;
      cards.forEach(({ add }, i) => add.classList.toggle("rlplay-net-here", to === i && to !== place && to !== place + 1));
      last.classList.toggle("rlplay-net-here", to === layers.length && place !== layers.length - 1);
    };
    const end = (take) => {
      if (!began) return;
      card().classList.remove("rlplay-net-held");
      card().style.transform = "";
      const to = target > place ? target - 1 : target;
      began = null;
      mark(place);
      if (take) move(place, to, "right");
    };
    head.onpointerdown = (event) => {
      if (event.button !== 0 || state.locked || event.target.closest("button")) return;
      began = { x: event.clientX, y: event.clientY, held: false };
      target = place;
      head.setPointerCapture(event.pointerId);
    };
    head.onpointermove = (event) => {
      if (!began) return;
      const [x, y] = [event.clientX - began.x, event.clientY - began.y];
      if (!began.held && Math.hypot(x, y) < 5) return;
      began.held = true;
      card().classList.add("rlplay-net-held");
      card().style.transform = `translate(${x}px, ${y}px)`;
      // Before the first card, in reading order, whose middle lies behind the pointer.
      const behind = cards.findIndex(({ root }, i) => {
        if (i === place) return false;
        const box = root.getBoundingClientRect();
        if (event.clientY < box.top) return true;
        return event.clientY < box.bottom && event.clientX < box.left + box.width / 2;
      });
      mark(behind < 0 ? layers.length : behind);
    };
    head.onpointerup = () => end(began?.held);
    head.onpointercancel = () => end(false);
  }

  // Writing -----------------------------------------------------------------------------------------

  const fillCards = () => {
    while (cards.length < layers.length) {
      const card = layerCard(cards.length);
      last.before(card.add, card.root);
      cards.push(card);
    }
    while (cards.length > layers.length) {
      const card = cards.pop();
      card.add.remove();
      card.root.remove();
    }
    const names = facts.activations.map(({ name }) => name);
    layers.forEach(({ units, activation }, place) => {
      const card = cards[place];
      const typed = card.field.value.trim();
      const typing = card.field === root.getRootNode().activeElement;
      if (typed !== String(units) && !(typing && Date.now() - asked < ANSWER)) {
        card.field.value = units;
      }
      const known = names.includes(activation) ? names : [...names, String(activation)];
      if (card.select.dataset.options !== known.join()) {
        card.select.dataset.options = known.join();
        card.select.replaceChildren(...known.map((each) => make("option", "", each)));
      }
      if (card.select.value !== activation) card.select.value = activation;
      card.left.disabled = state.locked || place === 0;
      card.right.disabled = state.locked || place === layers.length - 1;
      card.drop.disabled = card.field.disabled = card.select.disabled = state.locked;
      for (const arrow of card.arrows.children) arrow.disabled = state.locked;
      fillCurve(card.curve, activation);
      for (const what of ["units", "activation"]) {
        const problem = pending() ? null : state.problems.find(
          (each) => each.layer === place && each.field === what,
        );
        const text = card.reasons[what];
        if (!pending() && text.textContent !== (problem?.reason ?? "")) {
          text.textContent = problem?.reason ?? "";
        }
        const control = what === "units" ? card.field : card.select;
        control.setAttribute("aria-invalid", String(text.textContent !== ""));
      }
    });
    const full = state.locked || layers.length >= limits.layers;
    preset.disabled = state.locked;
    for (const plus of list.querySelectorAll(".rlplay-net-plus")) plus.disabled = full;
  };

  const fillCurve = (svg, name) => {
    const points = facts.activations.find((each) => each.name === name)?.curve ?? [];
    const places = points.map((y, i) => `${-2 + (4 * i) / (points.length - 1)},${-y}`).join(" ");
    if (svg.dataset.places === places) return;
    svg.dataset.places = places;
    svg.replaceChildren(
      draw("path", { d: "M-2,0H2M0,-2V2", class: "rlplay-net-axes" }),
      draw("polyline", { points: places }),
    );
  };

  const pending = () => Date.now() - asked < ANSWER && !answered();
  const answered = () => state.seen?.view === view && state.seen.edit >= edit;

  const fillCounts = () => {
    const settled = JSON.stringify(shown) === JSON.stringify(state.valid);
    const counts = settled && state.parameters.length
      ? state.parameters : facts.size ? countParameters(shown, facts) : [];
    const same = JSON.stringify(shown) === JSON.stringify(layers);
    cards.forEach(({ count }, i) => {
      tell(count, same ? counts[i] : undefined);
    });
    const own = facts.outputs?.length > 0;
    tell(output.count, own && same ? counts.at(-1) : undefined);
    const sum = counts.reduce((all, each) => all + each, 0);
    const words = counts.length ? plural(sum, "parameter") : "";
    total.textContent = own || !words ? words : `${words} in these layers`;
  };

  // The word is left out in a narrow card.
  const tell = (place, count) => {
    const words = count === undefined ? "" : number(count);
    if (place.dataset.words === words) return;
    place.dataset.words = words;
    place.title = words && `${words} parameters`;
    place.replaceChildren(words, make("span", "", words && " parameters"));
  };

  const write = () => {
    if (!facts.activations) {
      root.classList.add("rlplay-net-waiting");
      return;
    }
    root.classList.remove("rlplay-net-waiting");
    if (sound(layers, limits, facts.activations)) shown = layers;
    fillPresets();
    fillCards();
    input.size.textContent = facts.size ? number(facts.size) : "–";
    input.words.textContent = "numbers that it sees";
    output.size.textContent = facts.outputs.length ? number(facts.outputs.length) : "–";
    output.words.textContent = facts.gives || "what the algorithm adds to these layers";
    remove.hidden = !state.chosen.startsWith("own:") || !saving.hidden;
    remove.textContent = Date.now() < sure ? "Really delete?" : "Delete";
    fillCounts();
    const stale = JSON.stringify(shown) !== JSON.stringify(layers);
    const words = [facts.problem, state.problem, state.note].filter(Boolean);
    if (stale) words.unshift("The picture shows the last network that is allowed.");
    if (!layers.length && !facts.problem) words.push("No hidden layer: a linear model.");
    if (state.locked) words.push("This lesson keeps the network as it is.");
    else if (layers.length >= limits.layers) words.push(`${limits.layers} layers are the most.`);
    const text = words.join(" ");
    if (note.textContent !== text) note.textContent = text;
    figure.classList.toggle("rlplay-net-stale", stale);
    paint();
  };

  // The picture -------------------------------------------------------------------------------------

  const figure = make("figure", "rlplay-net-figure");
  const picture = draw("svg", { role: "img" });
  const note = make("p", "rlplay-net-note");
  note.setAttribute("role", "status");
  figure.append(picture);

  let height = HEIGHT;
  const paint = () => {
    const width = figure.clientWidth;
    height = note.textContent ? HEIGHT - LINE : HEIGHT;
    if (!width || !facts.size) {
      picture.replaceChildren();
      return;
    }
    const ends = facts.outputs.length > 0;
    const places = columns(width, shown.length);
    const edges = draw("g", { class: "rlplay-net-edges" });
    const nodes = draw("g", {});
    const names = draw("g", {});
    let before = inputs(nodes, places[0]);
    const link = (after) => {
      const path = before.flatMap(([x1, y1]) => after.map(([x2, y2]) => {
        const bend = (x2 - x1) / 3;
        return `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
      })).join("");
      const faint = Math.max(0.1, 0.5 / Math.sqrt(Math.max(before.length, after.length)));
      edges.append(draw("path", { d: path, "stroke-opacity": faint.toFixed(3) }));
      before = after;
    };
    shown.forEach(({ units, activation }, i) => {
      const x = places[i + 1];
      link(column(nodes, x, units, "rlplay-net-hidden"));
      const name = label(x, height / 2 + 4, number(units), `${plural(units, "unit")}, ${activation}`, "middle");
      name.classList.add("rlplay-net-number");
      if (places[i + 1] - places[i] < 34) name.classList.add("rlplay-net-tight");
      if (units > NODES) names.append(name);
    });
    if (ends) link(outputs(nodes, places.at(-1)));
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
    picture.setAttribute("aria-label", inWords());
    picture.replaceChildren(edges, nodes, names);
  };

  // Where the columns stand: below their cards where those are in one row, else evenly.
  const columns = (width, count) => {
    const boxes = [input.root, ...cards.map(({ root: card }) => card), output.root];
    const row = boxes.every((box) => box.offsetTop === input.root.offsetTop);
    if (row && boxes.length === count + 2) {
      const first = input.root.offsetLeft + input.root.offsetWidth - 10;
      const end = output.root.offsetLeft + 12;
      const middle = cards.map(({ root: card }) => card.offsetLeft + card.offsetWidth / 2);
      return [Math.max(first, 112), ...middle, Math.min(end, width - 76)];
    }
    const [first, end] = [110, width - 80];
    return Array.from({ length: count + 2 }, (_, i) => first + ((end - first) * i) / (count + 1));
  };

  // Nodes from top to bottom around the middle; where some are left out there is a gap with dots,
  // and in a hidden layer with its number between them.
  const column = (group, x, count, look, gap = (height - 38) / (NODES - 1)) => {
    const cut = count > NODES;
    const rows = Math.min(count, NODES);
    const space = cut ? 30 : gap;
    const drawn = [];
    for (let row = 0; row < rows; row += 1) {
      const up = row - (rows - 1) / 2;
      const y = height / 2 + up * gap + (Math.sign(up) * (space - gap)) / 2;
      group.append(draw("circle", { cx: x, cy: y, r: Math.min(3.4, 0.36 * gap), class: look }));
      drawn.push([x, y]);
    }
    if (cut) for (const side of [-1, 1]) dots(group, x, height / 2 + side * 9, 0.7);
    return drawn;
  };

  const dots = (group, x, y, size = 1) => {
    for (const shift of [-2.6 * size, 0, 2.6 * size]) {
      group.append(draw("circle", { cx: x, cy: y + shift, r: 0.9, class: "rlplay-net-dots" }));
    }
  };

  // The blocks of the observation: numbers as nodes, a window as the grid that it is.
  const inputs = (group, x) => {
    const numbers = facts.blocks.filter((block) => !grid(block));
    const windows = facts.blocks.filter(grid);
    const most = numbers.length === 1 && !windows.length ? NODES : 4;
    const parts = numbers.map((block) => {
      const count = Math.min(block.size, most);
      return { block, count, height: Math.max(12, 7 + 7 * count) };
    });
    const sheet = windows.length ? 52 : 0;
    const slip = 4 * Math.max(0, windows.length - 1);
    const below = sheet ? sheet + slip + 7 : 0;
    const full = parts.reduce((sum, { height }) => sum + height, 0);
    const scale = Math.min(1, (height - below - 6) / Math.max(1, full));
    let y = Math.max(3, (height - full * scale - below) / 2);
    const drawn = [];
    for (const { block, count, height } of parts) {
      const step = Math.min(7.5, (height * scale) / (count + 0.4));
      const middle = y + (height * scale) / 2;
      const cut = block.size > count;
      for (let i = 0; i < count; i += 1) {
        const at = middle + (i - (count - 1) / 2) * step;
        if (cut && i === Math.floor(count / 2)) dots(group, x, at);
        else {
          group.append(draw("circle", { cx: x, cy: at, r: 3.2, class: "rlplay-net-input" }));
          drawn.push([x, at]);
        }
      }
      const words = cut ? `${block.name} (${number(block.size)})` : block.name;
      group.append(label(x - 9, middle + 3.5, words, block.meaning, "end"));
      y += height * scale;
    }
    if (windows.length) {
      const side = grid(windows[0]);
      y += 6;
      windows.forEach((_, i) => {
        const shift = 4 * (windows.length - 1 - i);
        lattice(group, x - sheet - shift, y + slip - shift, sheet, side, windows[0].size);
      });
      for (let i = 0; i < 6; i += 1) drawn.push([x, y + slip + (sheet * (i + 0.5)) / 6]);
      const channels = short(windows.map(({ name }) => name).join(", "), 13);
      const about = windows.map(({ name, meaning }) => `${name}: ${meaning}`).join("\n");
      ["window", `${side} × ${side}`, channels].forEach((words, i) => {
        const line = y + slip + sheet / 2 + 4 + 13 * (i - 1);
        group.append(label(x - sheet - slip - 6, line, words, about, "end"));
      });
    }
    return drawn;
  };

  const lattice = (group, left, top, size, side, count) => {
    const cells = Math.min(side, 15);
    const cell = size / cells;
    const hollow = count === side * side - 1; // the head's own cell
    const lines = Array.from({ length: cells - 1 }, (_, i) => {
      const at = (i + 1) * cell;
      return `M${left + at},${top}v${size}M${left},${top + at}h${size}`;
    }).join("");
    group.append(
      draw("rect", { x: left, y: top, width: size, height: size, rx: 2, class: "rlplay-net-window" }),
      draw("path", { d: lines, class: "rlplay-net-lattice" }),
    );
    if (hollow) {
      const at = (size - cell) / 2;
      group.append(draw("rect", {
        x: left + at, y: top + at, width: cell, height: cell, class: "rlplay-net-head",
      }));
    }
  };

  const outputs = (group, x) => {
    const many = facts.outputs.length > NODES;
    const drawn = column(group, x, facts.outputs.length, "rlplay-net-output",
      Math.min(24, (height - 12) / Math.min(NODES + 2, facts.outputs.length)));
    const half = NODES / 2;
    const rows = many
      ? [...facts.outputs.slice(0, half), ...facts.outputs.slice(-half)] : facts.outputs;
    rows.forEach(({ name, kind }, i) => {
      const [, y] = drawn[i];
      group.append(label(x + 9, y + 3.5, short(name, 14), `${kind}: ${name}`, "start"));
    });
    return drawn;
  };

  const label = (x, y, words, about, anchor) => {
    const text = draw("text", { x, y, "text-anchor": anchor }, words);
    text.append(draw("title", {}, about));
    return text;
  };

  const inWords = () => {
    const seen = facts.blocks.map(({ name, size }) => `${name} ${size}`).join(", ");
    const hidden = shown.map(({ units, activation }) => `${plural(units, "unit")} with ${activation}`);
    const given = facts.outputs.map(({ name }) => name).join(", ");
    return [
      `A network. ${plural(facts.size, "input")}: ${seen}.`,
      hidden.length ? `Hidden layers: ${hidden.join(", then ")}.` : "No hidden layer.",
      given ? `${plural(facts.outputs.length, "output")}: ${given}.` : "",
      `${total.textContent}.`,
    ].filter(Boolean).join(" ");
  };

  // A new picture where the place is wider, or the cards stand elsewhere.
  const observer = new ResizeObserver(() => paint());

  const take = () => {
    facts = model.get("facts");
    state = model.get("state");
    if (!state.layers) return;
    if (!pending()) {
      layers = state.layers;
      if (facts.activations && sound(state.valid, limits, facts.activations)) shown = state.valid;
    }
    write();
  };

  root.append(bar, list, note, figure);
  el.append(root);
  observer.observe(list);
  model.on("change:facts", take);
  model.on("change:state", take);
  take();
  return () => {
    observer.disconnect();
    model.off("change:facts", take);
    model.off("change:state", take);
  };
}

// The side of the square that a channel shows; 0 where it is none, or too small to be one.
function grid({ channel, size }) {
  if (!channel || size < 8) return 0;
  const side = Math.sqrt(size);
  if (Number.isInteger(side)) return side;
  const around = Math.sqrt(size + 1);
  return Number.isInteger(around) ? around : 0;
}

export default alive({ render });
