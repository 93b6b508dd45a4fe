// Code to read and to copy.

function render({ model, el }) {
  const box = document.createElement("section");
  const head = document.createElement("header");
  const title = document.createElement("span");
  const copy = document.createElement("button");
  const told = document.createElement("span");
  const code = document.createElement("pre");
  box.className = "rlplay-code";
  box.setAttribute("aria-label", "Code for these settings");
  title.textContent = "These settings in Python";
  copy.type = "button";
  copy.textContent = "Copy";
  told.setAttribute("role", "status");
  code.tabIndex = 0;
  head.append(title, told, copy);
  box.append(head, code);

  let later = 0;
  const tell = (words) => {
    told.textContent = words;
    clearTimeout(later);
    later = setTimeout(() => { told.textContent = ""; }, 3000);
  };
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      tell("Copied.");
    } catch {
      // Without the clipboard (a page that is not secure, or a refusal): the old way, or by hand.
      select();
      tell(document.execCommand("copy") ? "Copied." : "Selected: press Ctrl + C.");
    }
  };

  const draw = () => {
    box.hidden = !model.get("code");
    if (code.textContent !== model.get("code")) code.textContent = model.get("code");
  };
  model.on("change:code", draw);
  draw();
  el.append(box);
  return () => {
    clearTimeout(later);
    model.off("change:code", draw);
  };
}

export default alive({ render });
