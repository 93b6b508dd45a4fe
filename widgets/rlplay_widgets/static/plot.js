// What all charts share: how lines are told apart, and axes drawn. uPlot stands above this file, as
// published, and parts.js.

const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';

// What stands below a curve, and how its numbers are written.
const ACROSS = { steps: ["steps", short], elapsed: ["time", clock] };

// Runs are told apart by colour and by dashes; the looks are numbered from 1.
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 2], [16, 5]];
const lookOf = (look) => `--rlplay-look-${(look - 1) % DASHES.length + 1}`;
// Whoever comes after the last colour has the first one again, with other dashes.
const dashOf = (look) => DASHES[(look - 1 + Math.floor((look - 1) / DASHES.length)) % DASHES.length];

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

// The points of a message: of each row that it names, so many 32-bit numbers.
function rowsOf(buffer, names, count) {
  const bytes = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
  const numbers = new Float32Array(bytes);
  return Object.fromEntries(
    names.map((name, i) => [name, numbers.subarray(i * count, (i + 1) * count)]),
  );
}

// A number that came as NaN is one that there is not.
const known = (x) => (x === undefined || Number.isNaN(x) ? null : x);

// A button for each line, which hides and shows it; it says the value under the cursor.
function fillLegend(legend, layers, hidden, show) {
  legend.replaceChildren();
  return layers.map((layer) => {
    const button = make("button", layer.quiet ? "rlplay-legend-quiet" : "");
    const value = make("b");
    button.type = "button";
    button.title = `${layer.hint}; click to hide or show`;
    button.setAttribute("aria-pressed", String(!hidden.has(layer.id)));
    button.append(swatch(layer), make("span", "", layer.words));
    if (!layer.quiet) button.append(value);
    button.onclick = () => {
      const on = hidden.delete(layer.id) || !hidden.add(layer.id);
      button.setAttribute("aria-pressed", String(on));
      show(layer, on);
    };
    return { ...layer, button, value };
  });
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
      // The looks are given as #rrggbb: two more digits make them see-through.
      bands: bands.map((band) => ({ ...band, fill: () => `${color(band.fill)()}33` })),
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
