// A table that is read, not edited; a row may have more to say behind a fold.

function render({ model, el }) {
  const figure = document.createElement("div");
  figure.className = "rlplay-listing";
  const open = new Set(); // keys of the rows that are folded out

  const cell = (row, tag, { text, about }) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (about) element.title = about;
    row.append(element);
    return element;
  };

  const draw = () => {
    const table = document.createElement("table");
    table.setAttribute("aria-label", model.get("title"));
    const head = document.createElement("tr");
    const columns = model.get("columns");
    const rows = model.get("rows");
    const details = model.get("details");
    for (const text of columns) cell(head, "th", { text }).scope = "col";
    table.createTHead().append(head);
    const body = table.createTBody();
    const folds = rows.some(({ more }) => more);
    for (const { key, cells, more } of rows) {
      const row = document.createElement("tr");
      cells.forEach((text, i) => {
        const made = cell(row, i === 0 ? "th" : "td", { text });
        if (i === 0) made.scope = "row";
        if (i === 0 && folds && !more) made.className = "rlplay-listing-plain";
      });
      body.append(row);
      if (!more) continue;
      const fold = document.createElement("button");
      const lines = document.createElement("tr");
      const place = document.createElement("td");
      fold.type = "button";
      fold.className = "rlplay-listing-fold";
      fold.setAttribute("aria-label", `${more}: ${cells[0]}`);
      fold.title = more;
      place.colSpan = columns.length;
      place.className = "rlplay-listing-more";
      lines.append(place);
      const turn = () => {
        const on = open.has(key);
        fold.textContent = on ? "▾" : "▸";
        fold.setAttribute("aria-expanded", String(on));
        lines.hidden = !on;
        place.textContent = on ? details[key] ?? "…" : "";
      };
      fold.onclick = () => {
        if (!open.delete(key)) {
          open.add(key);
          if (!(key in details)) model.send({ kind: "unfold", key });
        }
        turn();
      };
      row.firstChild.prepend(fold);
      body.append(lines);
      turn();
    }
    const focused = figure.querySelector("button:focus")?.getAttribute("aria-label");
    figure.replaceChildren(table);
    if (focused) {
      [...figure.querySelectorAll("button")]
        .find((button) => button.getAttribute("aria-label") === focused)?.focus();
    }
    for (const key of open) {
      if (rows.some((row) => row.key === key && row.more) && !(key in details)) {
        model.send({ kind: "unfold", key });
      }
    }
  };
  const changes = "change:columns change:rows change:details";
  model.on(changes, draw);
  draw();
  el.append(figure);
  return () => model.off(changes, draw);
}

export default alive({ render });
