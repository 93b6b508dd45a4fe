// What entering one cell of a gridworld pays: which cell, and how much on top. Text is set as text.

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

const written = (value) => `${value > 0 ? "+" : ""}${value}`.replace("-", "\u2212");

function render({ model, el }) {
  const root = make("form", "rlplay-cell");
  root.setAttribute("aria-label", "What a cell pays");
  root.noValidate = true;

  const field = (words, change) => {
    const label = make("label", "", words);
    const input = make("input");
    input.type = "number";
    input.onchange = change;
    label.append(input);
    root.append(label);
    return input;
  };
  const move = () => {
    const [x, y] = [Number(column.value), Number(row.value)];
    model.send({ kind: "cell", column: x, row: y });
  };
  const pay = () => {
    const value = Number(worth.value);
    if (worth.value !== "" && Number.isFinite(value)) model.send({ kind: "pay", value });
    else draw();
  };
  const column = field("Column", move);
  const row = field("row", move);
  const worth = field("on top", pay);
  worth.step = "any";
  const back = make("button", "", "Put back");
  const close = make("button", "", "\u2715");
  const kind = make("span", "rlplay-cell-kind");
  for (const button of [back, close]) button.type = "button";
  back.title = "The cell pays nothing on top";
  back.onclick = () => model.send({ kind: "pay", value: 0 });
  close.title = "Choose no cell any more";
  close.setAttribute("aria-label", "Done");
  kind.setAttribute("role", "status");
  column.title = row.title = "Counted from 0";
  worth.title = "What entering the cell pays on top of all else, from now on";
  close.onclick = () => model.send({ kind: "close" });
  root.append(back, close, kind);
  root.onsubmit = (event) => event.preventDefault();
  root.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && event.target === worth) pay();
    if (event.key === "Escape") model.send({ kind: "close" });
  };

  const put = (input, value) => {
    const text = String(value);
    if (input.value !== text) input.value = text;
  };
  let shown = "";
  const draw = () => {
    const cell = model.get("cell");
    root.hidden = cell.column === undefined;
    if (root.hidden) {
      shown = "";
      return;
    }
    const place = `${cell.column},${cell.row}`;
    column.max = cell.columns - 1;
    row.max = cell.rows - 1;
    column.min = row.min = 0;
    put(column, cell.column);
    put(row, cell.row);
    kind.textContent = `${cell.kind} pays ${written(cell.pays)}`;
    root.title = kind.textContent;
    // What a person types stays, until another cell is chosen or it is taken over.
    if (place !== shown || document.activeElement !== worth || Number(worth.value) === cell.extra) {
      put(worth, cell.extra);
    }
    shown = place;
    for (const control of [worth, back]) control.disabled = cell.locked;
    back.disabled = cell.locked || !cell.extra;
  };
  const receive = (content) => {
    if (content.kind !== "focus" || root.hidden) return;
    draw();
    worth.focus({ preventScroll: true });
    worth.select();
  };
  model.on("change:cell", draw);
  model.on("msg:custom", receive);
  draw();
  el.append(root);
  return () => {
    model.off("change:cell", draw);
    model.off("msg:custom", receive);
  };
}

export default alive({ render });
