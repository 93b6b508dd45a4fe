// A row of small buttons of which at most one is chosen.

function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "rlplay-chips";
  row.setAttribute("role", "group");

  const mark = () => {
    for (const button of row.children) {
      button.setAttribute("aria-pressed", String(button.dataset.key === model.get("chosen")));
    }
  };
  const draw = () => {
    const focused = row.querySelector("button:focus")?.dataset.key;
    row.setAttribute("aria-label", model.get("title"));
    row.replaceChildren(
      ...model.get("chips").map(({ key, label, about }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.key = key;
        button.textContent = label;
        if (about) button.title = about;
        button.onclick = () => model.send({ kind: "choose", key });
        return button;
      }),
    );
    if (focused) row.querySelector(`button[data-key="${CSS.escape(focused)}"]`)?.focus();
    mark();
  };
  model.on("change:chips", draw);
  model.on("change:chosen", mark);
  draw();
  el.append(row);
  return () => {
    model.off("change:chips", draw);
    model.off("change:chosen", mark);
  };
}

export default alive({ render });
