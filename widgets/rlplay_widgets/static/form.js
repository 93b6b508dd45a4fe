// A form from a description of its fields. What a person is typing or dragging, and what the kernel
// has not dealt with yet, is not overwritten.

const PAUSE = 300; // ms after the last key until what is typed is sent
const LATER = "from next start";
const LOCKED = "kept by the lesson";

let last = 0; // of all views of this page: later entries have larger numbers
const stamp = () => (last = Math.max(last + 1, Date.now()));

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

// A slider's positions and the values that they stand for.

const inGroups = (value) =>
  Number.isInteger(value) && Math.abs(value) >= 10000
    ? String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f")
    : String(value);

function powers(low, high) {
  // 1, 2, 3, 4, 6, 8, 12, 16, … : what batches, boards and steps are mostly made of.
  const values = new Set([low, high]);
  for (let power = 1; power <= high; power *= 2) {
    for (const value of [power, 1.5 * power]) {
      if (Number.isInteger(value) && value >= low && value <= high) values.add(value);
    }
  }
  return [...values].sort((a, b) => a - b);
}

function ruler({ kind, low, high, step, zero, whole }) {
  if (kind === "linear") {
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return {
      steps: Math.round((high - low) / step),
      value: (position) => Number((low + position * step).toFixed(digits)),
      position: (value) => (value - low) / step,
    };
  }
  if (whole) {
    const values = powers(low, high);
    return {
      steps: values.length - 1,
      value: (position) => values[position],
      position: (value) => {
        const above = values.findIndex((other) => other >= value);
        if (above <= 0) return above < 0 ? values.length - 1 : 0;
        return above - (values[above] - value) / (values[above] - values[above - 1]);
      },
    };
  }
  // The lowest position is 0 itself, where 0 is allowed.
  const decades = Math.log10(high / low);
  const first = zero ? 1 : 0;
  const count = Math.round(decades * 20);
  return {
    steps: count + first,
    value: (position) =>
      zero && position === 0
        ? 0
        : Number((low * 10 ** (((position - first) / count) * decades)).toPrecision(2)),
    position: (value) =>
      value <= 0 ? 0 : first + (Math.log10(Math.max(value, low) / low) / decades) * count,
  };
}

// One field: its label, its control, and what is said of it.

function build(field, id, rows, send) {
  const cell = make("div", `rlplay-field rlplay-field-${field.kind}`);
  const head = make("div", "rlplay-field-head");
  const label = make("label", "rlplay-field-label", field.label);
  const mark = make("span", "rlplay-field-mark", "•");
  const range = make("span", "rlplay-field-range", field.range);
  const body = make("fieldset", "rlplay-field-body");
  const reset = make("button", "rlplay-field-reset", "↺");
  const note = make("div", "rlplay-field-note");
  const reason = make("div", "rlplay-field-reason");
  cell.dataset.option = field.name;
  cell.title = field.about;
  label.htmlFor = id;
  mark.setAttribute("aria-hidden", "true");
  reset.type = "button";
  reason.id = `${id}-reason`;
  reason.setAttribute("role", "status");
  head.append(label, mark, range);
  cell.append(head, body, note, reason);

  // What is not the kernel's to overwrite: typed and not sent, dragged, or sent and not heard.
  const hands = { timer: 0, typed: false, drags: false, sent: 0 };
  let now = { value: null, text: "" };
  const enter = (value) => {
    clearTimeout(hands.timer);
    hands.timer = 0;
    hands.sent = stamp();
    send({ kind: "set", name: field.name, value, at: hands.sent });
  };

  const show = control(field, id, body, hands, enter, { now: () => now, settle: () => settle() });
  body.append(reset);
  reset.onclick = () => {
    clearTimeout(hands.timer);
    hands.timer = 0;
    hands.typed = false;
    hands.sent = stamp();
    send({ kind: "reset", name: field.name, at: hands.sent });
  };

  let heard = 0;
  const settle = () => {
    if (hands.timer || hands.drags || hands.sent > heard) return;
    show.value(now, hands.typed);
  };
  const refresh = (state, latest) => {
    now = state;
    heard = latest;
    const differs = state.default !== "";
    mark.hidden = !differs;
    cell.classList.toggle("rlplay-field-changed", differs);
    reset.style.visibility = differs && !state.locked ? "visible" : "hidden";
    const back = `${field.label} back to its default: ${state.default}`;
    if (differs && reset.title !== back) {
      reset.title = back;
      reset.setAttribute("aria-label", back);
    }
    body.disabled = state.locked;
    const beside = state.locked ? LOCKED : state.later ? LATER : field.range;
    if (range.textContent !== beside) range.textContent = beside;
    range.title = state.later ? "What is set here counts from the next start on" : "";
    range.classList.toggle("rlplay-field-later", state.locked || state.later !== "");
    range.classList.toggle("rlplay-field-waits", state.later === "changed");
    // In a row of its own there is room for the meaning.
    const said = state.note || (rows ? field.meaning : "");
    if (note.textContent !== said) note.textContent = said;
    note.classList.toggle("rlplay-field-noted", state.note !== "");
    if (reason.textContent !== state.reason) reason.textContent = state.reason;
    cell.classList.toggle("rlplay-field-wrong", state.reason !== "");
    show.valid(state.reason === "", reason.id);
    settle();
  };
  return { cell, refresh, leave: () => clearTimeout(hands.timer) };
}

// The control itself: gives what writes a value into it, and what marks it as wrong.
function control(field, id, body, hands, enter, kernel) {
  const about = (element, name = field.label) => {
    element.setAttribute("aria-label", name);
    element.setAttribute("aria-description", field.about);
    return element;
  };
  const marked = (element) => (fine, reason) => {
    element.setAttribute("aria-invalid", String(!fine));
    if (fine) element.removeAttribute("aria-errormessage");
    else element.setAttribute("aria-errormessage", reason);
  };

  if (field.kind === "switch") {
    const box = about(make("input"));
    const words = make("label", "rlplay-field-word");
    box.type = "checkbox";
    box.id = words.htmlFor = id;
    body.append(box, words);
    const say = () => { words.textContent = box.checked ? "on" : "off"; };
    box.onchange = () => { say(); enter(box.checked); };
    return {
      value: (state) => { box.checked = Boolean(state.value); say(); },
      valid: marked(box),
    };
  }

  if (field.kind === "choice") {
    const list = about(make("select"));
    list.id = id;
    for (const [words] of field.choices) list.append(make("option", "", words));
    body.append(list);
    list.onchange = () => enter(field.choices[list.selectedIndex][1]);
    return {
      value: (state) => {
        const index = field.choices.findIndex(([, value]) => value === state.value);
        if (list.selectedIndex !== index) list.selectedIndex = index;
      },
      valid: marked(list),
    };
  }

  const text = about(make("input", "rlplay-field-text"));
  text.type = "text";
  text.id = id;
  text.spellcheck = false;
  text.autocomplete = "off";
  if (field.kind === "number") text.inputMode = "decimal";
  const scale = field.scale && ruler(field.scale);
  let slider = null;
  let none = null;

  if (scale) {
    slider = about(make("input"), `${field.label}, slider`);
    slider.type = "range";
    slider.min = 0;
    slider.max = scale.steps;
    slider.step = 1;
    body.append(slider);
    const follow = () => {
      const value = scale.value(Number(slider.value));
      text.value = inGroups(value);
      slider.setAttribute("aria-valuetext", text.value);
      return value;
    };
    slider.oninput = () => {
      const value = follow();
      hands.drags = true;
      // Each value that a running session hears of is a change of its own: it hears the last one.
      if (!field.live && !hands.timer) {
        hands.timer = setTimeout(() => enter(scale.value(Number(slider.value))), PAUSE / 3);
      }
      return value;
    };
    slider.onchange = () => {
      hands.drags = hands.typed = false;
      enter(follow());
    };
  }

  if (field.none) {
    none = about(make("input"), `${field.label}: ${field.none}`);
    const words = make("label", "rlplay-field-word", field.none);
    none.type = "checkbox";
    none.id = `${id}-none`;
    words.htmlFor = none.id;
    body.append(none, words);
    none.onchange = () => {
      text.disabled = none.checked;
      if (none.checked) {
        text.value = "";
        hands.typed = false;
        enter(null);
      } else {
        hands.typed = true; // the number is to be typed yet
        text.focus();
      }
    };
  }
  body.append(text);

  const flush = () => {
    clearTimeout(hands.timer);
    hands.timer = 0;
    if (none && text.value.trim() === "") return;
    if (hands.typed && text.value !== kernel.now().text) enter(text.value);
  };
  text.oninput = () => {
    hands.typed = true;
    clearTimeout(hands.timer);
    hands.timer = setTimeout(flush, PAUSE);
  };
  text.onkeydown = (event) => { if (event.key === "Enter") flush(); };
  text.onblur = () => {
    flush();
    hands.typed = false;
    kernel.settle();
  };
  const value = (state, typing) => {
    if (slider && typeof state.value === "number") {
      slider.value = scale.position(state.value);
      slider.setAttribute("aria-valuetext", state.text);
    }
    if (typing) return;
    if (text.value !== state.text) text.value = state.text;
    if (none) {
      none.checked = state.value === null;
      text.disabled = none.checked;
      text.placeholder = none.checked ? "" : field.range;
    }
  };
  return { value, valid: marked(text) };
}

function render({ model, el }) {
  const form = make("div", "rlplay-form");
  const own = `rlplay-${Math.random().toString(36).slice(2)}`;
  form.setAttribute("role", "group");
  let cells = new Map();

  const draw = () => {
    for (const { leave } of cells.values()) leave();
    cells = new Map();
    form.setAttribute("aria-label", model.get("title") || "Options");
    const rows = model.get("rows");
    form.classList.toggle("rlplay-form-rows", rows);
    const groups = new Map();
    for (const field of model.get("fields")) {
      if (!groups.has(field.group)) {
        const group = make("div", "rlplay-form-group");
        group.setAttribute("role", "group");
        if (field.group) {
          group.setAttribute("aria-label", field.group);
          group.append(make("div", "rlplay-form-heading", field.group));
        }
        groups.set(field.group, group);
      }
      const cell = build(field, `${own}-${field.name}`, rows, (message) => model.send(message));
      cells.set(field.name, cell);
      groups.get(field.group).append(cell.cell);
    }
    form.replaceChildren(...groups.values());
    refresh();
  };
  const refresh = () => {
    const { heard = 0, options = {} } = model.get("now");
    for (const [name, cell] of cells) if (options[name]) cell.refresh(options[name], heard);
  };
  model.on("change:fields", draw);
  model.on("change:now", refresh);
  draw();
  el.append(form);
  return () => {
    for (const { leave } of cells.values()) leave();
    model.off("change:fields", draw);
    model.off("change:now", refresh);
  };
}

export default alive({ render });
