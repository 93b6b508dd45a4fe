// Any runs over each other: raw and smoothed, or the seeds of a config as one band.

function render({ model, el }) {
  const box = make("div", "rlplay-chart rlplay-compare");
  const bar = make("div", "rlplay-chart-head rlplay-compare-bar");
  const legend = make("div", "rlplay-legend");
  const place = make("div", "rlplay-plot");
  const hint = make("p", "rlplay-hint", "Choose runs in the table below to lay their curves over each other.");
  const note = make("p", "rlplay-note");
  const set = (name) => (value) => {
    model.set(name, value);
    model.save_changes();
  };
  const metric = chooser("What the curves show", set("metric"));
  const axis = toggle("What the curves run over", Object.entries(ACROSS).map(([n, [w]]) => [n, w]), set("axis"));

  const windows = model.get("windows");
  const smoothing = make("label", "rlplay-smoothing", "Mean of ");
  const slider = make("input");
  const extent = make("output");
  slider.type = "range";
  slider.min = 0;
  slider.max = windows.length - 1;
  slider.title = "The thick line is the mean over the last episodes, so many of them";
  slider.oninput = () => { extent.textContent = episodes(windows[slider.value]); };
  slider.onchange = () => set("window")(windows[slider.value]);
  smoothing.append(slider, extent);

  const checkbox = (name, words, title) => {
    const label = make("label", "rlplay-check");
    const input = make("input");
    input.type = "checkbox";
    input.onchange = () => set(name)(input.checked);
    label.title = title;
    label.append(input, ` ${words}`);
    return { label, input };
  };
  const raw = checkbox("raw", "raw", "Draw the lines of the metrics themselves too, thin");
  const grouped = checkbox(
    "grouped", "group seeds",
    "Runs that differ in their seed alone become one curve: the interquartile mean, in a band that "
    + "holds 95 % of what other draws of the seeds would give",
  );

  const format = make("select", "rlplay-choice-of rlplay-format");
  const save = make("button", "rlplay-save", "Save figure");
  format.setAttribute("aria-label", "File format of the figure");
  format.append(...["PNG", "SVG", "PDF"].map((name) => make("option", "", name)));
  save.type = "button";
  save.title = "Save what is drawn as a file of the models folder";
  save.onclick = () => model.send({ kind: "save", format: format.value.toLowerCase() });
  note.setAttribute("role", "status");
  place.setAttribute("role", "img");
  place.append(hint);
  const saving = make("span", "rlplay-saving");
  saving.append(format, save);
  const more = make("div", "rlplay-compare-more");
  more.append(raw.label, grouped.label, saving);
  bar.append(metric.select, axis.group, smoothing, more);
  box.append(bar, legend, place, note);
  el.append(box);

  const held = new Map(); // key of a line -> its rows
  const hidden = new Set();
  let plot = null;
  let entries = [];
  let queued = 0;

  const lines = () => model.get("lines");
  const across = (rows) => rows?.[model.get("axis")] ?? rows?.x ?? [];
  const rowsFor = ({ kind }) => (kind === "band" ? ["low", "high", "middle"] : ["raw", "smooth"]);
  const main = ({ kind }) => (kind === "band" ? "middle" : "smooth");

  // What uPlot draws of each line, in the order of its rows.
  const seriesOf = (line) => {
    const stroke = lookOf(line.look);
    const show = !hidden.has(line.key);
    const thick = { stroke, width: 2.25, dash: dashOf(line.look), show };
    return line.kind === "band"
      ? [{ show }, { show }, thick]
      : [{ stroke, width: 1, alpha: 0.3, show: show && model.get("raw") }, thick];
  };

  const say = () => {
    const at = plot?.at() ?? null;
    for (const { line, value } of entries) {
      const rows = held.get(line.key);
      const x = across(rows);
      const index = at === null ? x.length - 1 : nearest(x, at);
      value.textContent = figure(rows?.[main(line)][index]);
    }
  };

  const build = () => {
    plot?.destroy();
    plot = null;
    entries = fillLegend(
      legend,
      lines().map((line) => ({
        id: line.key, line, words: line.name, hint: line.about,
        stroke: lookOf(line.look), width: 2.25, dash: dashOf(line.look),
      })),
      hidden,
      ({ line }, show) => {
        let first = 1;
        for (const other of lines()) {
          const rows = rowsFor(other);
          if (other.key === line.key) {
            rows.forEach((name, i) => plot?.chart.setSeries(
              first + i, { show: show && (name !== "raw" || model.get("raw")) },
            ));
          }
          first += rows.length;
        }
      },
    );
    for (const { button } of entries) legend.append(button);
  };

  const draw = () => {
    queued = 0;
    const some = lines().some(({ key }) => across(held.get(key)).length);
    box.classList.toggle("rlplay-empty", !some);
    if (!some) {
      plot?.destroy();
      plot = null;
    } else {
      if (!plot) {
        let first = 1;
        const bands = [];
        for (const line of lines()) {
          if (line.kind === "band") bands.push({ series: [first + 1, first], fill: lookOf(line.look) });
          first += rowsFor(line).length;
        }
        plot = makePlot(box, place, {
          across: () => model.get("axis"),
          floor: () => model.get("metric") === "score",
          onCursor: say,
          series: lines().flatMap(seriesOf),
          bands,
        });
      }
      plot.draw(joined(lines().map((line) => {
        const rows = held.get(line.key);
        return [across(rows), ...rowsFor(line).map((name) => rows?.[name] ?? [])];
      })));
    }
    const name = metric.select.selectedOptions[0]?.textContent ?? "";
    place.setAttribute("aria-label", !some ? "No curves yet" : `${name}: ${
      entries.map(({ line }) => {
        const row = held.get(line.key)?.[main(line)];
        return `${line.name} ${figure(row?.at(-1)) || "without a value"}`;
      }).join(", ")}`);
    say();
  };
  const soon = () => { queued ||= requestAnimationFrame(draw); };

  const receive = (content, buffers) => {
    if (content.kind !== "curves") return;
    content.parts.forEach(({ key, reset, rows, count }, i) => {
      const fresh = rowsOf(buffers[i], rows, count);
      const old = held.get(key);
      const whole = Object.fromEntries(rows.map((name) => {
        const row = Array.from(fresh[name], known);
        return [name, reset || !old?.[name] ? row : old[name].concat(row)];
      }));
      held.set(key, whole);
    });
    soon();
  };
  const rearrange = () => {
    const keys = new Set(lines().map(({ key }) => key));
    for (const key of held.keys()) if (!keys.has(key)) held.delete(key);
    build();
    soon();
  };
  const turn = () => {
    axis.press(model.get("axis"));
    plot?.all();
    soon();
  };
  const offer = () => {
    metric.offer(model.get("metrics"), model.get("metric"));
    const at = windows.indexOf(model.get("window"));
    slider.value = at;
    extent.textContent = episodes(windows[at]);
    slider.setAttribute("aria-valuetext", extent.textContent);
    raw.input.checked = model.get("raw");
    grouped.input.checked = model.get("grouped");
    grouped.input.disabled = !model.get("groups");
    grouped.label.classList.toggle("rlplay-off", !model.get("groups"));
    save.disabled = lines().length === 0;
    note.textContent = model.get("note");
  };

  const heard = {
    "msg:custom": receive,
    "change:axis": turn,
    "change:lines": () => { offer(); rearrange(); },
    "change:raw": () => { offer(); build(); soon(); },
    "change:metrics change:metric change:window change:grouped change:groups change:note": offer,
  };
  for (const [events, listener] of Object.entries(heard)) {
    for (const event of events.split(" ")) model.on(event, listener);
  }
  offer();
  build();
  turn();
  model.send({ kind: "need" });
  return () => {
    for (const [events, listener] of Object.entries(heard)) {
      for (const event of events.split(" ")) model.off(event, listener);
    }
    cancelAnimationFrame(queued);
    plot?.destroy();
  };
}

function episodes(count) {
  if (count === 1) return "1 episode";
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f")} episodes`;
}

export default alive({ render });
