// A button that gives files to the kernel, in pieces, one file after the other.

const PIECE = 512 * 1024;

function render({ model, el }) {
  const button = document.createElement("button");
  const input = document.createElement("input");
  button.type = "button";
  button.className = "jupyter-button rlplay-upload";
  button.title = model.get("hint");
  input.type = "file";
  input.multiple = true;
  input.hidden = true;
  input.accept = model.get("accept");
  input.setAttribute("aria-label", model.get("label"));
  el.append(button, input);

  let arrived = () => {};
  let failed = () => {};
  const label = (share) => {
    button.textContent = share === undefined ? model.get("label") : `${Math.floor(100 * share)} %`;
    button.disabled = share !== undefined;
  };
  const give = async (file) => {
    for (let at = 0; at === 0 || at < file.size; at += PIECE) {
      label(file.size ? at / file.size : 0);
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      const last = at + PIECE >= file.size;
      const there = new Promise((resolve, reject) => { [arrived, failed] = [resolve, reject]; });
      model.send({ kind: "piece", name: file.name, at, last }, undefined, [piece]);
      await there;
    }
  };
  const receive = (message) => {
    if (message.kind === "arrived") arrived();
    if (message.kind === "failed") failed();
  };
  const all = async (files) => {
    if (button.disabled) return;
    try {
      for (const file of files) await give(file);
    } catch {
      // The kernel says why; the button can be tried again.
    }
    label();
    input.value = "";
  };
  input.onchange = () => all([...input.files]);
  button.onclick = () => input.click();
  button.ondragover = (event) => event.preventDefault();
  button.ondrop = (event) => {
    event.preventDefault();
    all([...event.dataTransfer.files]);
  };
  model.on("msg:custom", receive);
  label();
  return () => model.off("msg:custom", receive);
}

export default alive({ render });
