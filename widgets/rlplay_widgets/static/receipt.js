// A line that says what was done; a file comes in pieces, and is saved when it is whole.

const shorter = (path) => path.split(/[\\/]/).pop();

function size(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))}\u202fkB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)}\u202fMB`;
}

function render({ model, el }) {
  const make = (tag, name) => {
    const element = document.createElement(tag);
    element.className = name;
    return element;
  };
  const line = make("div", "rlplay-receipt");
  const words = make("span", "rlplay-receipt-words");
  const path = make("code", "rlplay-path");
  const save = make("button", "jupyter-button");
  const undo = make("button", "jupyter-button");
  const away = make("button", "rlplay-receipt-away");
  words.setAttribute("role", "status");
  save.type = undo.type = away.type = "button";
  away.textContent = "×";
  away.title = "Put this line away";
  away.setAttribute("aria-label", away.title);
  line.append(words, save, undo, away, path);
  el.append(line);

  let pieces = null; // of the file that is on its way
  let from = "";

  const draw = () => {
    const file = model.get("path");
    words.textContent = model.get("words");
    path.textContent = file;
    undo.textContent = model.get("undo");
    if (from !== file) pieces = null;
    const got = pieces?.reduce((sum, piece) => sum + piece.byteLength, 0) ?? 0;
    const share = Math.floor(100 * got / Math.max(1, model.get("size")));
    save.textContent = pieces ? `${share} %` : `Download (${size(model.get("size"))})`;
    save.title = pieces ? "Coming from the notebook's machine" : `Save ${shorter(file)} here`;
    save.disabled = Boolean(pieces);
    path.hidden = save.hidden = !file;
    undo.hidden = !undo.textContent;
    away.hidden = words.textContent.endsWith("…"); // it is being done
    line.hidden = !words.textContent;
  };

  const ask = () => {
    const at = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    model.send({ kind: "piece", path: from, at });
    draw();
    return at;
  };

  const receive = (message, buffers) => {
    if (message.path !== from || !pieces) return;
    if (message.kind === "failed") { // the kernel says why
      pieces = null;
      draw();
    }
    if (message.kind !== "piece") return;
    const at = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (message.at !== at) return; // asked for by another window
    const [piece] = buffers;
    if (piece.byteLength) pieces.push(piece.buffer.slice(piece.byteOffset,
      piece.byteOffset + piece.byteLength));
    if (piece.byteLength && at + piece.byteLength < model.get("size")) {
      ask();
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(pieces));
    link.download = shorter(from);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
    pieces = null;
    draw();
  };

  save.onclick = () => {
    from = model.get("path");
    pieces = [];
    ask();
  };
  undo.onclick = () => {
    undo.hidden = true;
    model.send({ kind: "undo" });
  };
  away.onclick = () => model.send({ kind: "away" });
  model.on("msg:custom", receive);
  model.on("change:words change:path change:size change:undo", draw);
  draw();
  return () => {
    model.off("msg:custom", receive);
    model.off("change:words change:path change:size change:undo", draw);
  };
}

export default alive({ render });
