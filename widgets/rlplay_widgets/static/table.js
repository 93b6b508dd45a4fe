// A table of thousands of rows. Only those in sight are elements; all text is set as text.

const HEIGHT = 26; // of a row, as the style sheet has it
const SPARE = 6; // rows kept above and below those in sight
const NOTHING = "–";

const plain = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// Cells ------------------------------------------------------------------------------------------

function number(value, digits) {
  const [whole, rest] = value.toFixed(digits).split(".");
  const parts = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return rest ? `${parts}.${rest}` : parts;
}

function bytesOf(bytes) {
  if (bytes < 1000) return `${bytes}\u202fB`;
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(value < 10 ? 1 : 0)}\u202f${["B", "kB", "MB", "GB"][power]}`;
}

function count(value) {
  if (value < 1e4) return number(value, 0);
  const [part, unit] = value < 999_500 ? [value / 1e3, "k"] : [value / 1e6, "M"];
  return `${number(part, part < 99.95 ? 1 : 0)}\u202f${unit}`;
}

function ago(seconds) {
  const past = Date.now() / 1000 - seconds;
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  const days = Math.floor(past / 86400);
  if (days < 2) return "yesterday";
  if (days < 31) return `${days} days ago`;
  return new Date(1000 * seconds).toLocaleDateString(undefined, { dateStyle: "medium" });
}

function words(value, column) {
  if (value === null || value === undefined) return column.kind === "text" ? "" : NOTHING;
  switch (column.kind) {
    case "number": return number(value, column.digits);
    case "count": return count(value);
    case "size": return bytesOf(value);
    case "when": return ago(value);
    case "tag": return column.tags[value]?.[1] ?? String(value);
    case "look": return "";
    default: return String(value);
  }
}

function hint(value, column) {
  if (value === null || value === undefined) return "";
  if (column.kind === "when") return new Date(1000 * value).toLocaleString();
  if (column.kind === "size") return `${number(value, 0)} bytes`;
  if (column.kind === "tag") return column.tags[value]?.[2] ?? "";
  if (column.kind === "count" && value >= 1e4) return number(value, 0);
  return column.kind === "text" ? String(value) : "";
}

const fromRight = (column) => ["number", "count", "size"].includes(column.kind);

function fill(cell, value, column) {
  cell.textContent = words(value, column);
  cell.title = hint(value, column);
  if (column.kind === "tag" && column.tags[value]) {
    const sign = document.createElement("i");
    sign.setAttribute("aria-hidden", "true");
    sign.textContent = column.tags[value][0];
    cell.prepend(sign, " ");
    cell.dataset.tag = value;
  }
  if (column.kind === "look" && value) {
    const dot = document.createElement("i");
    dot.className = "rlplay-table-look";
    dot.style.background = `var(--rlplay-look-${Number(value)})`;
    cell.append(dot);
  }
}

// What is known of one table, for all places that show it ------------------------------------------

function makeTable() {
  const rows = new Map(); // key -> { key, cells, note, text }
  const views = new Set();
  const table = {
    rows, views,
    version: null, whole: 0, sorted: [], selected: new Set(), cursor: null, anchor: null,
    order: null, filter: "",
  };
  let columns = [];
  let model = null;

  const compare = (a, b) => {
    const [at, down] = table.order;
    const one = a.cells[at] ?? null;
    const other = b.cells[at] ?? null;
    if (one === null || other === null) {
      // Rows without a value come last, whichever way the table is sorted.
      return one === other ? plain.compare(a.key, b.key) : one === null ? 1 : -1;
    }
    const way = typeof one === "number" && typeof other === "number"
      ? one - other : plain.compare(String(one), String(other));
    return (down ? -way : way) || plain.compare(a.key, b.key);
  };

  table.arrange = () => {
    const wanted = table.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...rows.values()].filter((row) => {
      if (!wanted.length) return true;
      row.text ??= [row.key, ...row.cells.map((cell, i) => words(cell, columns[i])), row.note]
        .join(" ").toLowerCase();
      return wanted.every((word) => row.text.includes(word));
    });
    table.sorted = found.sort(compare);
    for (const view of views) view();
  };

  table.choose = (keys, tell = true) => {
    table.selected = new Set(keys);
    if (tell) model.send({ kind: "select", keys: [...keys] });
    for (const view of views) view();
  };

  table.open = (key) => model.send({ kind: "open", key });

  const receive = (message) => {
    if (message.kind === "selected") {
      const [first] = message.keys;
      table.cursor = table.anchor = first ?? table.cursor;
      table.choose(message.keys, false);
      for (const view of views) view(first !== undefined);
    } else if (message.kind === "rows") {
      if (message.after === null) rows.clear();
      else if (message.after !== table.version) {
        // Something was lost on the way.
        if (table.version !== null) model.send({ kind: "rows" });
        table.version = null;
        return;
      }
      table.version = message.version;
      table.whole = message.whole;
      for (const key of message.gone) rows.delete(key);
      for (const [key, cells, note] of message.put) rows.set(key, { key, cells, note });
      for (const key of table.selected) if (!rows.has(key)) table.selected.delete(key);
      table.arrange();
    }
  };

  table.begin = (of) => {
    model = of;
    columns = table.columns = model.get("columns");
    table.order = [...model.get("order")];
    model.on("msg:custom", receive);
    model.send({ kind: "rows" });
    return () => model.off("msg:custom", receive);
  };
  return table;
}

// One place that shows it --------------------------------------------------------------------------

function show(table, model, el) {
  const { columns } = table;
  const several = model.get("several");
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const root = make("div", "rlplay-table");

  const bar = make("div", "rlplay-table-bar");
  const search = make("input");
  search.type = "search";
  search.placeholder = "Filter";
  search.setAttribute("aria-label", `Filter: ${model.get("label")}`);
  search.value = table.filter;
  const counted = make("span");
  counted.setAttribute("role", "status");
  bar.append(search, counted);

  const grid = make("div", "rlplay-table-grid");
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", model.get("label"));
  grid.setAttribute("aria-multiselectable", String(several));
  grid.tabIndex = 0;
  const head = make("div", "rlplay-table-head");
  head.setAttribute("role", "row");
  head.setAttribute("aria-rowindex", "1");
  const body = make("div", "rlplay-table-body");
  body.setAttribute("role", "rowgroup");
  const empty = make("p", "rlplay-table-empty");
  grid.append(head, body, empty);
  root.append(bar, grid);
  el.append(root);
  const name = `rlplay-table-${Math.random().toString(36).slice(2)}`;

  const headings = columns.map((column, i) => {
    const heading = make("div");
    heading.setAttribute("role", "columnheader");
    const button = make("button");
    button.type = "button";
    const sign = make("i");
    sign.setAttribute("aria-hidden", "true");
    button.append(make("span", "", column.label), sign);
    button.title = column.hint || `Sort by ${column.label.toLowerCase()}`;
    button.tabIndex = -1;
    if (fromRight(column)) heading.classList.add("rlplay-table-right");
    button.onclick = () => {
      const [at, down] = table.order;
      table.order = [i, at === i ? !down : column.kind !== "text"];
      table.arrange();
      grid.focus();
    };
    heading.append(button);
    head.append(heading);
    return { heading, sign };
  });

  let wide = columns; // those that are shown
  const drawn = new Map(); // key -> { row, element }
  const element = (row) => {
    const line = make("div", "rlplay-table-row");
    line.setAttribute("role", "row");
    line.classList.toggle("rlplay-table-muted", Boolean(row.note));
    if (row.note) line.title = row.note;
    row.cells.forEach((value, i) => {
      const cell = make("div");
      cell.setAttribute("role", "gridcell");
      if (fromRight(columns[i])) cell.className = "rlplay-table-right";
      cell.hidden = !wide.includes(columns[i]);
      fill(cell, value, columns[i]);
      if (row.note) cell.title = row.note;
      line.append(cell);
    });
    line.dataset.key = row.key;
    return line;
  };

  const draw = (reveal = false) => {
    const { sorted, order, selected } = table;
    headings.forEach(({ heading, sign }, i) => {
      const on = order[0] === i;
      heading.setAttribute("aria-sort", !on ? "none" : order[1] ? "descending" : "ascending");
      sign.textContent = !on ? "" : order[1] ? "▾" : "▴";
    });
    const all = table.whole;
    counted.textContent = table.filter && all
      ? `${number(sorted.length, 0)} of ${number(all, 0)}` : all ? number(all, 0) : "";
    body.style.height = `${HEIGHT * sorted.length}px`;
    empty.textContent = sorted.length ? ""
      : all ? (table.filter ? "Nothing fits the filter." : "…") : model.get("hint");
    grid.setAttribute("aria-rowcount", String(sorted.length + 1));
    if (reveal) bring(sorted.findIndex((row) => row.key === table.cursor));
    const from = Math.max(0, Math.floor(grid.scrollTop / HEIGHT) - SPARE);
    const count = Math.ceil((grid.clientHeight || 400) / HEIGHT) + 2 * SPARE;
    const inSight = new Set();
    sorted.slice(from, from + count).forEach((row, i) => {
      inSight.add(row.key);
      let there = drawn.get(row.key);
      if (there?.row !== row) {
        const fresh = element(row);
        if (there) there.element.replaceWith(fresh);
        else body.append(fresh);
        drawn.set(row.key, there = { row, element: fresh });
      }
      const { element: line } = there;
      line.id = `${name}-${from + i}`;
      line.style.transform = `translateY(${HEIGHT * (from + i)}px)`;
      line.setAttribute("aria-rowindex", String(from + i + 2));
      line.setAttribute("aria-selected", String(selected.has(row.key)));
      line.classList.toggle("rlplay-table-cursor", row.key === table.cursor);
    });
    for (const [key, { element: line }] of drawn) {
      if (!inSight.has(key)) {
        line.remove();
        drawn.delete(key);
      }
    }
    const active = drawn.get(table.cursor)?.element.id;
    if (active) grid.setAttribute("aria-activedescendant", active);
    else grid.removeAttribute("aria-activedescendant");
  };

  const bring = (at) => {
    if (at < 0) return;
    const top = HEIGHT * at;
    const room = grid.clientHeight - head.offsetHeight - HEIGHT;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top > grid.scrollTop + room) grid.scrollTop = top - room;
  };

  const between = (one, other) => {
    const places = [one, other].map((key) => table.sorted.findIndex((row) => row.key === key));
    if (places.includes(-1)) return [other];
    const [from, to] = places.sort((a, b) => a - b);
    return table.sorted.slice(from, to + 1).map((row) => row.key);
  };

  const toggles = several && model.get("toggles");
  const pick = (key, event) => {
    table.cursor = key;
    if (toggles && event.type === "keydown") {
      draw();
    } else if (several && event.shiftKey && table.anchor !== null) {
      table.choose(between(table.anchor, key));
    } else if (several && (toggles || event.ctrlKey || event.metaKey)) {
      table.anchor = key;
      const { selected } = table;
      table.choose(selected.has(key) ? [...selected].filter((k) => k !== key) : [...selected, key]);
    } else {
      table.anchor = key;
      table.choose([key]);
    }
  };

  body.onclick = (event) => {
    const line = event.target.closest(".rlplay-table-row");
    if (line) pick(line.dataset.key, event);
  };
  body.ondblclick = (event) => {
    const line = event.target.closest(".rlplay-table-row");
    if (line) table.open(line.dataset.key);
  };
  grid.onkeydown = (event) => {
    const { sorted } = table;
    const at = sorted.findIndex((row) => row.key === table.cursor);
    const page = Math.max(1, Math.floor(grid.clientHeight / HEIGHT) - 2);
    const to = {
      ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), PageDown: at + page, PageUp: at - page,
      Home: 0, End: sorted.length - 1,
    }[event.key];
    if (to !== undefined && sorted.length) {
      const key = sorted[Math.min(sorted.length - 1, Math.max(0, to))].key;
      pick(key, { type: "keydown", shiftKey: event.shiftKey });
      draw(true);
    } else if (event.key === "Enter" && at >= 0) {
      table.open(table.cursor);
    } else if (event.key === " " && at >= 0) {
      pick(table.cursor, { ctrlKey: true });
    } else if (event.key === "/") {
      search.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  search.oninput = () => {
    table.filter = search.value;
    grid.scrollTop = 0;
    table.arrange();
    draw(true);
  };
  search.onkeydown = (event) => {
    if (event.key === "Escape" && search.value) {
      search.value = "";
      search.oninput();
    } else if (event.key === "ArrowDown") {
      grid.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  let asked = 0;
  grid.onscroll = () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
  // Where it is narrow, some columns give way; the filter still finds what stands in them.
  const size = () => {
    const now = columns.filter((column) => column.least <= grid.clientWidth);
    if (now.length !== wide.length || !root.style.length) {
      wide = now;
      root.style.setProperty("--columns", wide.map((column) => column.width).join(" "));
      headings.forEach(({ heading }, i) => { heading.hidden = !wide.includes(columns[i]); });
      drawn.forEach((there) => { there.row = null; });
    }
    draw();
  };
  const sized = new ResizeObserver(size);
  sized.observe(grid);
  // "5 min ago" grows old.
  const clock = setInterval(() => { drawn.forEach((there) => { there.row = null; }); draw(); }, 30e3);
  table.views.add(draw);
  draw();
  return () => {
    table.views.delete(draw);
    clearInterval(clock);
    sized.disconnect();
    cancelAnimationFrame(asked);
  };
}

export default () => {
  const table = makeTable();
  return alive({
    initialize: ({ model }) => table.begin(model),
    render: ({ model, el }) => show(table, model, el),
  });
};
