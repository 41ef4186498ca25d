"""A labelling widget in Chromium without Jupyter: its model passes messages to the widget's Python side."""

MODEL = """async ({ esm, traits }) => {
  const on = new Map();
  window.messages = [];
  window.model = {
    get: (name) => traits[name],
    on: (name, act) => on.set(name, [...(on.get(name) ?? []), act]),
    off: (name, act) => on.set(name, on.get(name).filter((other) => other !== act)),
    send: async (message) => {
      window.messages.push(message);
      const later = await window.kernel(message);
      const changed = Object.keys(later).filter((name) => JSON.stringify(later[name]) !== JSON.stringify(traits[name]));
      for (const name of changed) traits[name] = later[name];
      // Jupyter has no order; a status before its cards is the harder one.
      for (const name of changed.reverse()) for (const act of on.get(`change:${name}`) ?? []) act();
    },
  };
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  window.cleanup = module.default.render({ model: window.model, el: document.getElementById("here") });
}"""


def traits(widget):
    return {name: getattr(widget, name) for name in ("kind", "classes", "cards", "status")}


def open_page(browser, widget, **settings):
    """Show a widget; returns the page and a list that fills with errors of its scripts."""
    page = browser.new_page(offline=True, **settings)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def kernel(message):
        widget._handle_custom_msg(message, [])
        return traits(widget)

    page.expose_function("kernel", kernel)
    page.set_content(f'<style>body {{ margin: 0 }} {widget._css}</style><div id="here"></div>')
    page.evaluate(MODEL, {"esm": widget._esm, "traits": traits(widget)})
    return page, errors
