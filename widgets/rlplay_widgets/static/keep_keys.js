// Keeps the keys that are pressed in a place of the page from the notebook around it.

// JupyterLab has keys for whatever has the focus in a notebook: "r" on a list of the panel would
// make its cell raw. It asks each element alone, from the one with the focus upwards, so the mark
// that keeps them off stands on that one. Ctrl+S still saves the notebook.
function keepKeys(place) {
  const keep = (event) => {
    const { target } = event;
    if (!place()?.contains(target)) return;
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
    target.toggleAttribute("data-lm-suppress-shortcuts", !saves);
  };
  window.addEventListener("keydown", keep, true); // before JupyterLab hears of it
  return () => window.removeEventListener("keydown", keep, true);
}

// Draw a widget that keeps the keys that are pressed in it.
function keepingKeys(render) {
  return (context) => {
    const free = keepKeys(() => context.el);
    const leave = render(context);
    return () => {
      free();
      leave?.();
    };
  };
}
