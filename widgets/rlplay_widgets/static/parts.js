// What charts and their controls are made of: numbers in words, and small parts.

function make(tag, name = "", words = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = words;
  return element;
}

function short(value) {
  const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
  for (const [size, unit] of units) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}\u202f${unit}`;
  }
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(1) : String(+value.toPrecision(3));
}

// A value in a legend: as wide whatever it is, so that nothing moves.
function figure(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size >= 1e4) return short(value);
  if (size >= 10) return value.toFixed(1);
  return size && size < 0.01 ? value.toExponential(1) : value.toFixed(size < 1 ? 3 : 2);
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const two = (number) => String(number).padStart(2, "0");
  if (hours) return `${hours}\u202fh\u202f${two(minutes % 60)}`;
  return minutes ? `${minutes}:${two(Math.floor(seconds % 60))}` : `${+seconds.toPrecision(3)} s`;
}

// One of a few words, of which one is pressed.
function toggle(label, choices, choose) {
  const group = make("div", "rlplay-toggle");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const buttons = choices.map(([value, words]) => {
    const button = make("button", "", words);
    button.type = "button";
    button.onclick = () => choose(value);
    group.append(button);
    return [value, button];
  });
  const press = (chosen) => {
    for (const [value, button] of buttons) button.setAttribute("aria-pressed", String(value === chosen));
  };
  return { group, press };
}

// A list to choose from that is filled again only when the choices change.
function chooser(label, choose) {
  const select = make("select", "rlplay-choice-of");
  select.setAttribute("aria-label", label);
  select.onchange = () => choose(select.value);
  let known = "";
  const offer = (choices, chosen) => {
    if (known !== (known = JSON.stringify(choices))) {
      select.replaceChildren(...choices.map(([value, words, about]) => {
        const option = make("option", "", words);
        option.value = value;
        option.title = about ?? "";
        return option;
      }));
    }
    if (select.value !== chosen) select.value = chosen;
    select.title = choices.find(([value]) => value === chosen)?.[2] ?? "";
  };
  return { select, offer };
}
