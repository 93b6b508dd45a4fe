// Keeps a widget in touch with its kernel, however slowly its script was loaded.

// anywidget gives a script two seconds to be loaded. If it takes longer, as on a busy page,
// everything that the kernel says later is thrown away (`AnyModel._handle_comm_msg` waits for
// `Runtime.ready`, which was refused), and the widget would show the past until the page is
// reloaded. Such a widget hears its kernel without anywidget, and asks for what it has missed.
function catchUp(model) {
  if (typeof model?._handle_comm_msg !== "function") return; // no anywidget that we know
  const nothing = { content: { data: { method: "" } } };
  Promise.resolve(model._handle_comm_msg(nothing)).catch(() => {
    if (!model.comm) return; // a page without a kernel
    const { _handle_comm_msg: hear } = Object.getPrototypeOf(Object.getPrototypeOf(model));
    model.comm.on_msg((message) => hear.call(model, message));
    model.comm.send({ method: "request_state" }, {});
  });
}

// The model itself, of which anywidget hands out some methods only: an event brings it.
function whole(model) {
  let itself;
  const take = (from) => {
    itself = from;
  };
  model.on("change:_alive", take);
  model.set("_alive", (model.get("_alive") ?? 0) + 1); // a saved one has it from before
  model.off("change:_alive", take);
  return itself;
}

// Keep a widget in touch with its kernel.
function alive(widget) {
  return {
    ...widget,
    initialize(context) {
      catchUp(whole(context.model));
      return widget.initialize?.(context);
    },
  };
}
