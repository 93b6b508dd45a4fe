// The line below the board, and the buttons of a person who plays. All text is set as text.

const ARROWS = [["up", "↑"], ["left", "←"], ["right", "→"], ["down", "↓"]];

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

function button(text, label, press) {
  const made = make("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  // At once where it is touched; a click that follows is the same press, one without is a key's.
  made.onpointerdown = (event) => { if (event.button === 0) press(); };
  made.onmousedown = (event) => {
    // The focus goes to the board, where the keys do the same.
    event.preventDefault();
    made.closest(".rlplay-place-watch")?.querySelector(".rlplay-board")?.focus({ preventScroll: true });
  };
  made.onclick = (event) => { if (event.detail === 0) press(); };
  return made;
}

function render({ model, el }) {
  const root = make("div", "rlplay-caption");
  const line = make("p", "rlplay-caption-line");
  const words = make("span", "rlplay-caption-words");
  const numbers = make("span", "rlplay-caption-numbers");
  const ending = make("span", "rlplay-caption-ending");
  const mark = make("i", "rlplay-look");
  const how = make("b");
  mark.setAttribute("aria-hidden", "true");
  ending.setAttribute("role", "status");
  ending.append(mark, how);
  line.append(words, numbers, ending);
  const problem = make("div", "rlplay-message rlplay-message-error");
  problem.setAttribute("role", "alert");
  const text = make("p");
  const fold = make("details");
  const details = make("pre");
  fold.append(make("summary", "", "Details"), details);
  problem.append(text, fold);
  const hint = make("p", "rlplay-caption-hint");
  const pad = make("div", "rlplay-pad");
  pad.setAttribute("role", "group");
  pad.setAttribute("aria-label", "Play");
  root.append(line, problem, pad);

  const speak = () => {
    const said = model.get("line");
    write(words, said.words ?? "");
    write(numbers, said.numbers ?? "");
    write(how, said.ending ?? "");
    mark.className = `rlplay-look rlplay-look-${said.look ?? ""}`;
    ending.hidden = !said.ending;
    write(text, said.problem ?? "");
    write(details, said.details ?? "");
    problem.hidden = !said.problem;
    fold.hidden = !said.details;
    write(hint, said.hint ?? "");
  };

  let built = "";
  let go = null;
  const build = () => {
    const wanted = model.get("pad");
    const shape = JSON.stringify([wanted.arrows, wanted.actions]);
    if (shape !== built) {
      built = shape;
      pad.replaceChildren();
      pad.hidden = !wanted.actions;
      pad.classList.toggle("rlplay-pad-arrows", Boolean(wanted.arrows));
      go = button("", "", () => model.send({ kind: "press", key: "space" }));
      go.dataset.key = "space";
      if (wanted.arrows) {
        for (const [key, sign] of ARROWS) {
          const arrow = button(sign, key, () => model.send({ kind: "press", key }));
          arrow.dataset.key = key;
          pad.append(arrow);
        }
      }
      (wanted.actions ?? []).forEach((name, action) => {
        pad.append(button(name, name, () => model.send({ kind: "act", action })));
      });
      pad.append(go, hint);
    }
    write(go, wanted.go ?? "");
    go.setAttribute("aria-label", wanted.go ?? "");
  };

  model.on("change:line", speak);
  model.on("change:pad", build);
  speak();
  build();
  el.append(root);
  return () => {
    model.off("change:line", speak);
    model.off("change:pad", build);
  };
}

export default alive({ render });
