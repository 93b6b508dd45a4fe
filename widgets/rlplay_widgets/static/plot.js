// What all charts share: how numbers are written, lines told apart, axes and marks drawn. uPlot
// stands above this file, as published.

const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';

function short(value) {
  const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
  for (const [size, unit] of units) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}\u202f${unit}`;
  }
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(1) : String(+value.toPrecision(3));
}

// A value in a legend: as wide whatever it is, so that nothing moves.
function figure(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size >= 1e4) return short(value);
  if (size >= 10) return value.toFixed(1);
  return size && size < 0.01 ? value.toExponential(1) : value.toFixed(size < 1 ? 3 : 2);
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const two = (number) => String(number).padStart(2, "0");
  if (hours) return `${hours}\u202fh\u202f${two(minutes % 60)}`;
  return minutes ? `${minutes}:${two(Math.floor(seconds % 60))}` : `${+seconds.toPrecision(3)} s`;
}

// What stands below a curve, and how its numbers are written.
const ACROSS = { steps: ["steps", short], elapsed: ["time", clock] };

function make(tag, name = "", words = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = words;
  return element;
}

// Runs are told apart by colour and by dashes; the looks are numbered from 1.
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 2], [16, 5]];
const dashOf = (look) => DASHES[(look - 1) % DASHES.length];
const lookOf = (look) => `--rlplay-look-${(look - 1) % DASHES.length + 1}`;

// A piece of a line, as the chart draws it.
function swatch({ stroke, width, dash = [], alpha = 1 }) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  picture.setAttribute("class", "rlplay-swatch");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("viewBox", "0 0 24 8");
  for (const [name, value] of Object.entries({ x1: 1, x2: 23, y1: 4, y2: 4 })) {
    line.setAttribute(name, value);
  }
  line.style.stroke = `var(${stroke})`;
  line.style.strokeWidth = width;
  line.style.opacity = alpha;
  line.style.strokeDasharray = dash.join(" ");
  picture.append(line);
  return picture;
}

// The place of the value that lies nearest in a sorted row; -1 in an empty one.
function nearest(row, value) {
  let low = 0;
  let high = row.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - row[low - 1] < row[low] - value ? low - 1 : high < 0 ? -1 : low;
}

// One of a few words, of which one is pressed.
function toggle(label, choices, choose) {
  const group = make("div", "rlplay-toggle");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const buttons = choices.map(([value, words]) => {
    const button = make("button", "", words);
    button.type = "button";
    button.onclick = () => choose(value);
    group.append(button);
    return [value, button];
  });
  const press = (chosen) => {
    for (const [value, button] of buttons) button.setAttribute("aria-pressed", String(value === chosen));
  };
  return { group, press };
}

// A list to choose from that is filled again only when the choices change.
function chooser(label, choose) {
  const select = make("select", "rlplay-chooser");
  select.setAttribute("aria-label", label);
  select.onchange = () => choose(select.value);
  let known = "";
  const offer = (choices, chosen) => {
    if (known !== (known = JSON.stringify(choices))) {
      select.replaceChildren(...choices.map(([value, words, about]) => {
        const option = make("option", "", words);
        option.value = value;
        option.title = about ?? "";
        return option;
      }));
    }
    if (select.value !== chosen) select.value = chosen;
    select.title = choices.find(([value]) => value === chosen)?.[2] ?? "";
  };
  return { select, offer };
}

// A uPlot that fills its place, follows the theme, can be looked at closely, and keeps its zoom.
function makePlot(box, place, { across, series, bands = [], floor, onCursor, onDraw = () => {} }) {
  let zoomed = false;
  const color = (name) => () => getComputedStyle(box).getPropertyValue(name).trim() || "gray";
  const axis = (values, extent) => ({
    stroke: color("--rlplay-quiet"),
    font: FONT,
    size: extent,
    gap: 5,
    grid: { stroke: color("--rlplay-grid"), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map((split) => (split === null ? "" : values(split))),
  });
  const size = () => ({
    width: Math.max(120, Math.floor(place.clientWidth)),
    height: Math.max(90, Math.floor(place.clientHeight)),
  });
  const upright = (_, low, high) => {
    if (low === null || high === null) return [0, 1];
    if (floor()) return [Math.min(0, low), Math.max(1, high * 1.06)];
    const spare = 0.06 * (high - low) || 0.1 * Math.abs(high) || 0.1;
    return [low - spare, high + spare];
  };
  const chart = new uPlot(
    {
      ...size(),
      padding: [10, 22, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false } },
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, low, high) => [zoomed ? low : 0, Math.max(high, low + 1e-6)] },
        y: { range: upright },
      },
      axes: [
        { ...axis((value) => ACROSS[across()][1](value), 24), space: 80 },
        { ...axis(short, 46), space: 32 },
      ],
      bands: bands.map((band) => ({ ...band, fill: color(band.fill) })),
      series: [{}, ...series.map((line) => ({
        points: { show: false },
        spanGaps: true,
        ...line,
        stroke: line.stroke && color(line.stroke),
        dash: line.dash?.length ? line.dash : undefined,
      }))],
      hooks: {
        setCursor: [onCursor],
        setSelect: [(u) => { zoomed ||= u.select.width > 0; }],
        draw: [onDraw],
      },
    },
    [[], ...series.map(() => [])],
    place,
  );
  const all = () => {
    zoomed = false;
    chart.setData(chart.data);
  };
  chart.over.addEventListener("dblclick", all);
  const sizes = new ResizeObserver(() => chart.setSize(size()));
  const theme = new MutationObserver(() => chart.redraw(false, true));
  sizes.observe(place);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  return {
    chart,
    all,
    draw: (data) => {
      chart.setData(data, !zoomed);
      if (zoomed) chart.redraw();
    },
    // Where the cursor stands on the axis below; null where it is not on the chart.
    at: () => (chart.cursor.left >= 0 ? chart.posToVal(chart.cursor.left, "x") : null),
    destroy: () => {
      sizes.disconnect();
      theme.disconnect();
      chart.destroy();
    },
  };
}

// Curves that do not share their points, over one axis: gaps where a curve has none.
function joined(curves) {
  const filled = curves.filter(([x]) => x.length);
  if (filled.length < 2) {
    const x = filled.length ? filled[0][0] : [];
    return [x, ...curves.flatMap(([own, ...rows]) => (own.length ? rows : rows.map(() => [])))];
  }
  return uPlot.join(curves);
}
