// A stacked bar of shares. The legend says in words and numbers what the colours say.

function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  return `${Math.round(100 * share)} %`;
}

function render({ model, el }) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const bar = document.createElement("div");
  const legend = document.createElement("ul");
  figure.className = "rlplay-endings";
  bar.className = "rlplay-endings-bar";
  bar.setAttribute("role", "img");
  caption.textContent = "How episodes ended";
  figure.append(caption, bar, legend);
  const parts = new Map(); // name -> the elements of a share

  const part = (share) => {
    const piece = document.createElement("div");
    const label = document.createElement("span");
    const entry = document.createElement("li");
    const mark = document.createElement("i");
    const words = document.createElement("span");
    const count = document.createElement("b");
    const portion = document.createElement("small");
    piece.className = mark.className = `rlplay-look rlplay-look-${share.look}`;
    mark.setAttribute("aria-hidden", "true");
    words.textContent = share.words;
    piece.append(label);
    entry.append(mark, words, " ", count, " ", portion);
    return { piece, label, entry, count, portion };
  };

  const draw = () => {
    const shares = model.get("shares");
    const total = shares.reduce((sum, share) => sum + share.count, 0);
    const names = shares.map((share) => share.name);
    if (names.length !== parts.size || names.some((name) => !parts.has(name))) {
      // A share is new, or another session is shown.
      for (const [name, { piece, entry }] of parts) {
        if (!names.includes(name)) {
          piece.remove();
          entry.remove();
          parts.delete(name);
        }
      }
      for (const share of shares) {
        if (!parts.has(share.name)) parts.set(share.name, part(share));
        const { piece, entry } = parts.get(share.name);
        bar.append(piece);
        legend.append(entry);
      }
    }
    for (const share of shares) {
      const { piece, label, count, portion } = parts.get(share.name);
      const fraction = share.count / total;
      piece.style.flexGrow = String(fraction);
      piece.title = `${share.words}: ${share.written} (${percent(fraction)})`;
      label.textContent = fraction >= 0.12 ? percent(fraction) : "";
      count.textContent = share.written;
      portion.textContent = percent(fraction);
    }
    figure.classList.toggle("rlplay-empty", total === 0);
    bar.setAttribute(
      "aria-label",
      total === 0
        ? "No episode has ended yet"
        : shares.map((share) => `${share.words} ${percent(share.count / total)}`).join(", "),
    );
  };
  model.on("change:shares", draw);
  draw();
  el.append(figure);
  return () => model.off("change:shares", draw);
}

export default { render };
