// What went wrong, each with its details behind a fold and a button that puts it away.

function render({ model, el }) {
  let shown = new Map(); // key -> its elements

  const build = (key) => {
    const box = document.createElement("div");
    const words = document.createElement("p");
    const away = document.createElement("button");
    const fold = document.createElement("details");
    const summary = document.createElement("summary");
    const details = document.createElement("pre");
    box.className = "rlplay-message rlplay-message-error";
    box.setAttribute("role", "alert");
    away.type = "button";
    away.textContent = "×";
    away.title = "Put this message away";
    away.setAttribute("aria-label", away.title);
    away.onclick = () => model.send({ kind: "dismiss", key });
    summary.textContent = "Details";
    fold.append(summary, details);
    box.append(away, words, fold);
    return { box, words, fold, details };
  };

  const draw = () => {
    const messages = model.get("messages");
    const old = shown;
    shown = new Map(messages.map(({ key }) => [key, old.get(key) ?? build(key)]));
    for (const [key, { box }] of old) if (!shown.has(key)) box.remove();
    for (const { key, text, details } of messages) {
      const parts = shown.get(key);
      if (parts.words.textContent !== text) parts.words.textContent = text;
      if (parts.details.textContent !== details) parts.details.textContent = details;
      parts.fold.hidden = !details;
      if (!parts.box.isConnected) el.append(parts.box);
    }
  };
  el.classList.add("rlplay-messages");
  model.on("change:messages", draw);
  draw();
  return () => model.off("change:messages", draw);
}

export default alive({ render });
