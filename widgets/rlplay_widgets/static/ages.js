// A slider over the ages at which weights were kept, each with its words.

function render({ model, el }) {
  const label = document.createElement("label");
  const slider = document.createElement("input");
  const words = document.createElement("output");
  label.className = "widget-label";
  label.append("Age ", slider);
  slider.type = "range";
  slider.title = "Environment steps that the weights were trained for";
  words.className = "rlplay-age-words";
  el.classList.add("rlplay-age");
  el.append(label, words);

  const draw = () => {
    const options = model.get("options");
    const at = Math.max(0, options.findIndex(([, value]) => value === model.get("value")));
    slider.max = Math.max(0, options.length - 1);
    slider.disabled = options.length < 2;
    if (slider.valueAsNumber !== at) slider.value = at;
    words.textContent = options[at]?.[0] ?? "";
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.oninput = () => {
    const chosen = model.get("options")[slider.valueAsNumber];
    if (!chosen || chosen[1] === model.get("value")) return;
    model.set("value", chosen[1]);
    model.save_changes();
  };
  model.on("change:options change:value", draw);
  draw();
  return () => model.off("change:options change:value", draw);
}

export default alive({ render });
