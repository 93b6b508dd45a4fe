// Play, step and drag through a replay. Only the newest wish of a drag is sent, and the next one
// when that one was shown.

const PATIENCE = 150; // ms after which the next wish is sent anyway
const HANDS_OFF = 400; // ms after a drag in which the slider stays where a person put it

const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function render({ model, el }) {
  const root = make("div", "rlplay-replay-bar");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Replay");
  const button = (icon, label, kind) => {
    const made = make("button", "jupyter-button");
    made.type = "button";
    made.title = label;
    made.setAttribute("aria-label", label);
    const sign = make("i", `fa fa-${icon}`);
    sign.setAttribute("aria-hidden", "true");
    made.append(sign);
    made.onclick = () => model.send({ kind });
    return made;
  };
  const back = button("step-backward", "One step back", "back");
  const play = button("play", "Play", "play");
  const forth = button("step-forward", "One step forth", "forth");

  const track = make("div", "rlplay-replay-track");
  const marks = make("div", "rlplay-replay-marks");
  marks.setAttribute("aria-hidden", "true");
  const end = make("i", "rlplay-look");
  end.setAttribute("aria-hidden", "true");
  const slider = make("input");
  slider.type = "range";
  slider.min = 0;
  slider.step = 1;
  slider.setAttribute("aria-label", "Step of the replay");
  track.append(marks, slider, end);

  const rate = make("select");
  rate.setAttribute("aria-label", "Speed");
  rate.title = "How many times as fast as 8 moves a second";
  for (const times of model.get("rates")) {
    const option = make("option", "", `${times}×`);
    option.value = String(times);
    rate.append(option);
  }
  const where = make("span", "rlplay-replay-where");
  root.append(back, play, forth, track, where, rate);
  el.append(root);

  let wish = null; // the newest that was not sent yet
  let asked = null; // what is on its way
  let askedAt = 0;
  let touched = -Infinity;
  let timer = 0;

  const say = (step) => {
    where.textContent = `step ${number(step)} of ${number(model.get("length"))}`;
    slider.setAttribute("aria-valuetext", `${where.textContent}, score ${model.get("score")}`);
  };
  const next = () => {
    clearTimeout(timer);
    if (wish === null) return;
    const wait = asked === null ? 0 : askedAt + PATIENCE - performance.now();
    if (wait > 0) {
      timer = setTimeout(next, wait);
      return;
    }
    asked = wish;
    askedAt = performance.now();
    wish = null;
    model.send({ kind: "seek", to: asked });
  };
  slider.oninput = () => {
    touched = performance.now();
    wish = Number(slider.value);
    say(wish);
    next();
  };
  slider.onkeydown = (event) => {
    if (event.key === " ") play.click();
    else if (event.key === "ArrowLeft") back.click();
    else if (event.key === "ArrowRight") forth.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  rate.onchange = () => model.send({ kind: "rate", rate: Number(rate.value) });

  const move = () => {
    const position = model.get("position");
    if (position === asked) asked = null;
    next();
    if (performance.now() - touched < HANDS_OFF || wish !== null) return;
    slider.value = String(position);
    say(position);
  };
  const turn = () => {
    const playing = model.get("playing");
    play.firstChild.className = `fa fa-${playing ? "pause" : "play"}`;
    play.title = playing ? "Pause" : "Play";
    play.setAttribute("aria-label", play.title);
    rate.value = String(model.get("rate"));
  };
  const build = () => {
    const length = model.get("length");
    slider.max = String(Math.max(1, length));
    // One picture, however many there are.
    const stops = model.get("apples").flatMap((step) => {
      const at = `${100 * step / Math.max(1, length)}%`;
      const [from, to] = [`calc(${at} - 0.75px)`, `calc(${at} + 0.75px)`];
      const apple = "var(--rlplay-apple)";
      return [`transparent ${from}`, `${apple} ${from}`, `${apple} ${to}`, `transparent ${to}`];
    });
    marks.style.backgroundImage = stops.length ? `linear-gradient(90deg, ${stops})` : "none";
    const ending = model.get("ending");
    end.className = `rlplay-look rlplay-look-${ending.look ?? ""}`;
    end.title = ending.words ?? "";
    end.hidden = !length;
    for (const part of [back, play, forth, slider, rate]) part.disabled = !length;
    root.classList.toggle("rlplay-empty", !length);
    asked = wish = null;
    touched = -Infinity;
    move();
    if (!length) where.textContent = "no replay";
  };
  model.on("change:position", move);
  model.on("change:playing change:rate", turn);
  model.on("change:length change:apples change:ending", build);
  build();
  turn();
  return () => {
    clearTimeout(timer);
    model.off("change:position", move);
    model.off("change:playing change:rate", turn);
    model.off("change:length change:apples change:ending", build);
  };
}

export default alive({ render });
