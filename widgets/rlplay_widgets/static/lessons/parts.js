// Small parts of the drawings of lessons.

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, words = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (words) element.textContent = words;
  return element;
}

function make(tag, name = "", words = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = words;
  return element;
}

function press(words, about, act) {
  const button = make("button", "", words);
  button.type = "button";
  button.title = about;
  button.onclick = act;
  return button;
}

// A slider with its name before it and its value behind.
function slide(words, about, { min, max, step }, act) {
  const label = make("label", "", words);
  const slider = make("input");
  Object.assign(slider, { type: "range", min, max, step });
  slider.setAttribute("aria-label", about);
  slider.oninput = () => act(Number(slider.value));
  const shown = make("output");
  label.append(slider, shown);
  return { label, slider, shown };
}

// A row of numbers, each with its words above.
function tiles() {
  const list = make("dl", "rlplay-card-numbers");
  const add = (words, key) => {
    const box = make("div");
    const value = make("dd");
    value.dataset.key = key;
    box.append(make("dt", "", words), value);
    list.append(box);
    return value;
  };
  return { list, add };
}

// The float32 numbers of a buffer, wherever it begins.
function floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
