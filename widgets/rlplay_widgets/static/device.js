// Where the networks compute: three choices, and bars of what was measured.

function make(tag, look = "", text = "") {
  const element = document.createElement(tag);
  if (look) element.className = look;
  if (text) element.textContent = text;
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  const send = (content) => model.send(content);
  const root = make("section", "rlplay-device");
  root.setAttribute("aria-label", "Device");

  // The choices -------------------------------------------------------------------------------------

  const choices = make("div", "rlplay-device-choices");
  const groups = [
    ["device", "Networks compute on"],
    ["precision", "Precision"],
    ["num_threads", "CPU threads"],
  ].map(([option, title]) => {
    const group = make("fieldset", "rlplay-device-group");
    const items = make("div", "rlplay-device-items");
    const about = make("p", "rlplay-device-about");
    const problem = make("p", "rlplay-device-problem");
    problem.setAttribute("role", "alert");
    group.append(make("legend", "", title), items, about, problem);
    choices.append(group);
    return { option, items, about, problem, inputs: [], options: "" };
  });

  const choose = (option, value) => send({ kind: "set", option, value });

  const radio = (option, { value, label, words }) => {
    const line = make("label", "rlplay-device-item");
    const input = make("input");
    const text = make("span");
    const small = make("small", "", words);
    input.type = "radio";
    input.name = `rlplay-${view}-${option}`;
    input.onchange = () => choose(option, value);
    text.append(make("b", "", label), " ", small);
    line.append(input, text);
    return { line, input, value };
  };

  const fillGroup = (group) => {
    const { value, choices: list, about, problem, locked } = model.get("state")[group.option];
    const options = JSON.stringify(list);
    if (group.options !== options) {
      group.options = options;
      const focused = group.inputs.findIndex(({ input }) => input.matches(":focus"));
      // Many threads to choose from fit into a list, not into a column of buttons.
      if (list.length > 5) {
        const select = make("select");
        select.setAttribute("aria-label", "CPU threads");
        select.append(...list.map(({ label, words }) => make("option", "", words ? `${label} · ${words}` : label)));
        select.onchange = () => choose(group.option, list[select.selectedIndex].value);
        group.items.replaceChildren(select);
        group.inputs = [];
        group.select = select;
      } else {
        group.select = null;
        group.inputs = list.map((choice) => radio(group.option, choice));
        group.items.replaceChildren(...group.inputs.map(({ line }) => line));
        group.inputs[focused]?.input.focus();
      }
    }
    for (const { input, value: own } of group.inputs) {
      if (input.checked !== (own === value)) input.checked = own === value;
      input.disabled = locked;
    }
    if (group.select) group.select.disabled = locked;
    if (group.select) group.select.selectedIndex = list.findIndex((choice) => choice.value === value);
    write(group.about, locked ? "This lesson keeps it as it is." : about);
    write(group.problem, problem);
  };

  // Which is fastest? -------------------------------------------------------------------------------

  const question = make("div", "rlplay-device-question");
  const ask = make("div", "rlplay-device-ask");
  const buttons = make("span", "rlplay-device-buttons");
  const cancel = make("button", "", "Cancel");
  const hint = make("span", "rlplay-device-about");
  const bars = make("ol", "rlplay-device-bars");
  const notes = make("p", "rlplay-device-about");
  const note = make("p", "rlplay-device-note");
  cancel.type = "button";
  cancel.onclick = () => send({ kind: "cancel" });
  notes.setAttribute("role", "status");
  note.setAttribute("role", "status");
  ask.append(make("b", "", "Which is fastest?"), buttons, cancel, hint);
  question.append(ask, bars, notes);
  let asked = "";
  let rows = [];

  const bar = (_, index) => {
    const row = make("li");
    const label = make("span", "rlplay-device-label");
    const track = make("span", "rlplay-device-track");
    const fill = make("span", "rlplay-device-fill");
    const speed = make("span", "rlplay-device-speed");
    const use = make("button", "", "Use");
    use.type = "button";
    use.onclick = () => send({ kind: "adopt", bar: index });
    track.append(fill);
    track.setAttribute("aria-hidden", "true");
    row.append(label, track, speed, use);
    return { row, label, track, fill, speed, use };
  };

  const fillQuestion = (state) => {
    const kinds = JSON.stringify(state.comparisons);
    if (asked !== kinds) {
      asked = kinds;
      buttons.replaceChildren(...state.comparisons.map(({ what, words }) => {
        const button = make("button", "", words);
        button.type = "button";
        button.title = `Measure this very config with ${words}: two seconds each`;
        button.onclick = () => send({ kind: "measure", what });
        return button;
      }));
    }
    const { running = false, bars: list = [], notes: said = [] } = state.measurement;
    for (const button of buttons.children) button.disabled = running;
    cancel.hidden = !running;
    write(hint, running ? "" : "this very config, two seconds on each");
    if (rows.length !== list.length) {
      rows = list.map(bar);
      bars.replaceChildren(...rows.map(({ row }) => row));
    }
    list.forEach(({ label, share, speed, measuring, reason, best, used }, i) => {
      const row = rows[i];
      write(row.label, label);
      row.fill.style.width = `${100 * share}%`;
      row.track.classList.toggle("rlplay-device-busy", measuring);
      row.row.classList.toggle("rlplay-device-best", best);
      const words = measuring ? "measuring…" : reason || speed || "waits";
      write(row.speed, best ? `${words} · fastest` : words);
      row.row.classList.toggle("rlplay-device-failed", Boolean(reason));
      row.use.hidden = !speed;
      row.use.disabled = used;
      write(row.use, used ? "in use" : "Use");
      row.use.setAttribute("aria-label", used ? `${label} is in use` : `Use ${label}`);
    });
    write(notes, said.join(" "));
  };

  const paint = () => {
    const state = model.get("state");
    root.classList.toggle("rlplay-device-waiting", !state.device);
    if (!state.device) return;
    groups.forEach(fillGroup);
    write(note, state.note);
    fillQuestion(state);
  };

  root.append(make("p", "rlplay-device-wait", "Looking at this machine…"), note, choices, question);
  el.append(root);
  model.on("change:state", paint);
  paint();
  return () => model.off("change:state", paint);
}

export default alive({ render });
