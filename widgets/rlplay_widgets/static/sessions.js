// The sessions of this kernel, one of them in sight: a row of choices with their colours.

function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "rlplay-sessions";
  row.setAttribute("role", "radiogroup");
  row.setAttribute("aria-label", "Session that is shown");
  let chips = new Map(); // key -> the elements of a session

  const choose = (key) => model.send({ kind: "select", key });
  const chip = ({ key }) => {
    const button = document.createElement("button");
    const mark = document.createElement("i");
    const name = document.createElement("span");
    const sign = document.createElement("small");
    button.type = "button";
    button.setAttribute("role", "radio");
    mark.setAttribute("aria-hidden", "true");
    sign.setAttribute("aria-hidden", "true");
    button.append(mark, name, sign);
    button.onclick = () => choose(key);
    button.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const buttons = [...row.children];
      const to = buttons[(buttons.indexOf(button) + step + buttons.length) % buttons.length];
      to.focus();
      to.click();
    };
    return { button, mark, name, sign };
  };

  const draw = () => {
    const sessions = model.get("sessions");
    const chosen = model.get("chosen");
    const old = chips;
    chips = new Map(sessions.map((session) => [session.key, old.get(session.key) ?? chip(session)]));
    for (const [key, { button }] of old) if (!chips.has(key)) button.remove();
    for (const { key, name: words, look, sign: mark, state, hint } of sessions) {
      const { button, mark: dot, name, sign } = chips.get(key);
      const on = key === chosen;
      dot.style.background = `var(--rlplay-look-${Number(look)})`;
      name.textContent = words;
      sign.textContent = mark;
      button.title = hint;
      button.setAttribute("aria-label", `${words}, ${state}`);
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
      if (row.children[[...chips.keys()].indexOf(key)] !== button) row.append(button);
    }
    row.hidden = !model.get("offered");
    // Where none is in sight, Tab reaches the first one.
    if (!row.querySelector('[tabindex="0"]') && row.firstChild) row.firstChild.tabIndex = 0;
  };
  model.on("change:sessions change:chosen change:offered", draw);
  draw();
  el.append(row);
  return () => model.off("change:sessions change:chosen change:offered", draw);
}

export default alive({ render });
