// A row of tabs, as a screen reader and a keyboard expect it.

function render({ model, el }) {
  const bar = document.createElement("div");
  bar.className = "rlplay-tab-bar";
  bar.setAttribute("role", "tablist");
  bar.setAttribute("aria-label", "Panels of the Playground");

  const choose = (name) => model.send({ kind: "choose", name });
  const buttons = model.get("names").map((name, i, names) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("role", "tab");
    button.onclick = () => { mark(name); choose(name); };
    button.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = step ? (i + step + names.length) % names.length
        : { Home: 0, End: names.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      buttons[to].focus();
      buttons[to].click();
    };
    bar.append(button);
    return button;
  });

  // The tab is marked at once; the panel follows as soon as the kernel has it.
  const mark = (chosen) => {
    for (const button of buttons) {
      const on = button.textContent === chosen;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
  };
  const turn = () => mark(model.get("chosen"));
  model.on("change:chosen", turn);
  turn();
  el.append(bar);
  return () => model.off("change:chosen", turn);
}

export default alive({ render });
