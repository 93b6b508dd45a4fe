// Makes the board around it take arrows, space and Escape while it has the focus, and the digits that
// the game uses, no other key; and clicks on points of it, where they mean something.

const KEYS = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  " ": "space", Escape: "escape",
};
const DIGITS = "1234567890";

function focusOutside(board) {
  // Back to whatever holds the board: in JupyterLab the cell, with its own keys.
  for (let place = board.parentElement; place; place = place.parentElement) {
    if (place.tabIndex >= 0 || place.hasAttribute("tabindex")) {
      place.focus({ preventScroll: true });
      if (document.activeElement === place) return;
    }
  }
  board.blur();
}

function take(board, model) {
  // ipycanvas makes its canvas focusable, and would swallow every key there, Tab too.
  const strip = () => {
    for (const canvas of board.querySelectorAll("canvas[tabindex]")) {
      canvas.removeAttribute("tabindex");
    }
  };
  const parts = new MutationObserver(strip);
  parts.observe(board, { childList: true, subtree: true });
  strip();

  const describe = () => {
    const active = model.get("active");
    board.setAttribute("role", active ? "application" : "img");
    board.setAttribute("aria-label", model.get("label"));
    if (active) {
      board.tabIndex = 0;
      board.dataset.lmSuppressShortcuts = "true";
    } else {
      if (document.activeElement === board) focusOutside(board);
      board.removeAttribute("tabindex");
      delete board.dataset.lmSuppressShortcuts;
    }
  };

  const press = (key) => model.send({ kind: "key", key });
  const onKey = (event) => {
    const digit = DIGITS.slice(0, model.get("digits")).includes(event.key) ? event.key : undefined;
    const key = KEYS[event.key] ?? digit;
    if (!key || !model.get("active")) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    press(key);
    if (key === "escape") focusOutside(board);
  };
  // Who looks elsewhere does not steer: the same as Escape. The pad below the board is not elsewhere.
  const onLeave = (event) => {
    const near = board.closest(".rlplay-place-watch") ?? board;
    if (model.get("active") && !near.contains(event.relatedTarget)) press("escape");
  };
  const onMessage = (message) => {
    const panel = board.closest(".rlplay-playground");
    if (message.kind !== "focus" || !panel?.contains(document.activeElement)) return;
    describe();
    board.focus({ preventScroll: true });
    board.scrollIntoView({ block: "nearest" }); // whole, and no further than that takes
  };

  const onClick = (event) => {
    const picture = board.querySelector("canvas");
    if (!model.get("points") || !picture) return;
    const place = picture.getBoundingClientRect();
    const x = (event.clientX - place.left) / place.width;
    const y = (event.clientY - place.top) / place.height;
    if (x >= 0 && x < 1 && y >= 0 && y < 1) model.send({ kind: "point", x, y });
  };
  const markPoints = () => { board.dataset.points = String(model.get("points")); };

  board.addEventListener("click", onClick);
  board.addEventListener("keydown", onKey);
  board.addEventListener("focusout", onLeave);
  model.on("change:points", markPoints);
  model.on("change:active", describe);
  model.on("change:label", describe);
  model.on("msg:custom", onMessage);
  describe();
  markPoints();
  return () => {
    parts.disconnect();
    board.removeEventListener("click", onClick);
    board.removeEventListener("keydown", onKey);
    board.removeEventListener("focusout", onLeave);
    model.off("change:points", markPoints);
    model.off("change:active", describe);
    model.off("change:label", describe);
    model.off("msg:custom", onMessage);
  };
}

function render({ model, el }) {
  el.classList.add("rlplay-keys");
  el.setAttribute("aria-hidden", "true");
  let leave = () => {};
  let waiting = 0;
  // The board is there as soon as the page has put the widgets together.
  const look = () => {
    const board = el.closest(".rlplay-board");
    if (board) leave = take(board, model);
    else waiting = requestAnimationFrame(look);
  };
  look();
  return () => {
    cancelAnimationFrame(waiting);
    leave();
  };
}

export default alive({ render });
