// A stacked bar of shares. The legend says in words and numbers what the colours say, and opens an
// example of each; a click on a share of the bar does the same.

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
  const open = (name) => model.send({ kind: "open", name });
  caption.textContent = "How episodes ended";
  const hint = document.createElement("small");
  hint.textContent = "a click shows one";
  caption.append(" ", hint);
  figure.append(caption, bar, legend);
  const parts = new Map(); // name -> the elements of a share

  const part = (share) => {
    const piece = document.createElement("div");
    const label = document.createElement("span");
    const entry = document.createElement("li");
    const button = document.createElement("button");
    const mark = document.createElement("i");
    const words = document.createElement("span");
    const count = document.createElement("b");
    const portion = document.createElement("small");
    piece.className = mark.className = `rlplay-look rlplay-look-${share.look}`;
    mark.setAttribute("aria-hidden", "true");
    words.textContent = share.words;
    piece.append(label);
    button.type = "button";
    button.append(mark, words, " ", count, " ", portion);
    button.onclick = piece.onclick = () => open(share.name);
    entry.append(button);
    return { piece, label, entry, button, count, portion };
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
      const { piece, label, button, count, portion } = parts.get(share.name);
      const fraction = share.count / total;
      piece.style.flexGrow = String(fraction);
      piece.title = button.title = `Show a replay of an episode that ended so: ${share.words}`;
      button.setAttribute(
        "aria-label",
        `${share.words}: ${share.written}, ${percent(fraction)}; show a replay`,
      );
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

export default alive({ render });
