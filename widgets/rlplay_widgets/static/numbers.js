// Number tiles: only the words that changed are touched.

function render({ model, el }) {
  const list = document.createElement("dl");
  list.className = "rlplay-numbers";
  const cells = new Map();
  for (const { key, label, hint } of model.get("tiles")) {
    const tile = document.createElement("div");
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    tile.title = hint;
    tile.dataset.key = key;
    name.textContent = label;
    tile.append(name, value);
    list.append(tile);
    cells.set(key, value);
  }
  const write = () => {
    const values = model.get("values");
    for (const [key, cell] of cells) {
      const words = String(values[key] ?? "–");
      if (cell.textContent !== words) cell.textContent = words;
    }
  };
  model.on("change:values", write);
  write();
  el.append(list);
  return () => model.off("change:values", write);
}

export default alive({ render });
