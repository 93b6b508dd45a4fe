// A pace in moves a second: a slider over the usual ones, and a field for any other.

const STEPS = 200; // positions of the slider, each faster by the same factor
const SLOWEST = 0.01;
const FASTEST = 1e6;

let last = 0; // of all fields of this page, for the labels
const written = (pace) => String(pace >= 10 ? Math.round(pace) : Number(pace.toPrecision(2)));

function render({ model, el }) {
  const make = (tag, name, words = "") => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = words;
    return element;
  };
  const label = make("label", "widget-label", "Moves/s");
  const slider = make("input", "rlplay-pace-slider");
  const field = make("input", "rlplay-pace-field");
  const reason = make("span", "rlplay-pace-reason");
  slider.type = "range";
  slider.min = 0;
  slider.max = STEPS;
  field.type = "text";
  field.inputMode = "decimal";
  field.autocomplete = "off";
  field.id = `rlplay-pace-${(last += 1)}`;
  label.htmlFor = field.id;
  slider.setAttribute("aria-label", "Moves a second, slider");
  reason.setAttribute("role", "alert");
  el.classList.add("rlplay-pace");
  el.append(label, slider, field, reason);

  const low = () => model.get("low");
  const high = () => model.get("high");
  const at = (position) => {
    const pace = low() * (high() / low()) ** (position / STEPS);
    return Number(pace >= 10 ? pace.toFixed(0) : pace.toPrecision(2));
  };
  const place = (pace) => Math.round((STEPS * Math.log(pace / low())) / Math.log(high() / low()));

  let typing = false;
  let drags = false;
  const say = (words) => {
    reason.textContent = words;
    reason.hidden = !words;
    field.setAttribute("aria-invalid", String(Boolean(words)));
  };
  const set = (pace) => {
    model.set("value", pace);
    model.save_changes();
  };
  const draw = () => {
    // While it is dragged, it shows what the hand says.
    const pace = drags ? at(Number(slider.value)) : model.get("value");
    slider.setAttribute("aria-valuetext", `${written(pace)} moves a second`);
    // A drag that comes back late is not to tear the slider from the hand.
    if (at(Number(slider.value)) !== pace) slider.value = place(pace);
    if (!typing) field.value = written(pace);
    slider.disabled = field.disabled = model.get("disabled");
    slider.title = field.title = model.get("hint");
  };
  const read = () => {
    if (!typing) return;
    const text = field.value.trim();
    const pace = Number(text.replace(",", "."));
    if (!text || !(pace >= SLOWEST && pace <= FASTEST)) {
      say(`A pace is a number from ${SLOWEST} to 1\u202f000\u202f000.`);
      return;
    }
    typing = false;
    say("");
    if (pace !== model.get("value")) set(pace);
    draw();
  };
  slider.oninput = () => {
    typing = false;
    drags = true;
    say("");
    // Each pace that a training hears of is a change of its own: it hears the last one.
    if (!model.get("recorded")) set(at(Number(slider.value)));
    draw();
  };
  // A drag that ends where it began changes nothing.
  slider.onpointerup = slider.onpointercancel = slider.onblur = () => {
    drags = false;
  };
  slider.onchange = () => {
    drags = false;
    set(at(Number(slider.value)));
    draw();
  };
  field.oninput = () => {
    typing = true;
  };
  field.onkeydown = (event) => {
    if (event.key === "Enter") read();
  };
  field.onblur = () => {
    read();
    typing = false;
    say("");
    draw();
  };
  say("");
  const changed = "change:value change:disabled change:low change:high change:hint";
  model.on(changed, draw);
  draw();
  return () => model.off(changed, draw);
}

export default alive({ render });
