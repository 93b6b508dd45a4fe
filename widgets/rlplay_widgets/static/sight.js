// Reports whether the panel can be seen and whether the page is dark, echoes frames, and keeps the
// keys that are pressed in the panel from the notebook.

function dark() {
  const theme = document.body.dataset.jpThemeLight;
  if (theme !== undefined) return theme === "false";
  const [r, g, b, a = 1] = (getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g) ?? [])
    .map(Number);
  if (b !== undefined && a > 0) return 0.299 * r + 0.587 * g + 0.114 * b < 128;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  let inView = false;
  let said = "";

  el.classList.add("rlplay-sight");
  el.setAttribute("aria-hidden", "true");

  const state = () => ({
    view,
    visible: inView && document.visibilityState === "visible",
    dark: dark(),
  });
  const report = () => {
    const now = state();
    // Every panel carries the page's light or dark as a class, for colours that JupyterLab's own
    // variables do not cover.
    el.closest(".rlplay-playground")?.classList.toggle("rlplay-dark", now.dark);
    if (JSON.stringify(now) === said) return;
    said = JSON.stringify(now);
    model.send({ kind: "report", ...now });
  };
  const echo = (content) => model.send({ kind: "echo", frame: content.frame, ...state() });
  const leave = () => model.send({ kind: "gone", view });

  const inViewport = new IntersectionObserver((entries) => {
    inView = entries[entries.length - 1].isIntersecting;
    report();
  });
  inViewport.observe(el);
  const theme = new MutationObserver(report);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  document.addEventListener("visibilitychange", report);
  window.addEventListener("pagehide", leave);
  const freeKeys = keepKeys(() => el.closest(".rlplay-playground"));
  model.on("msg:custom", echo);

  return () => {
    inViewport.disconnect();
    theme.disconnect();
    document.removeEventListener("visibilitychange", report);
    window.removeEventListener("pagehide", leave);
    freeKeys();
    model.off("msg:custom", echo);
    leave();
  };
}

export default alive({ render });
