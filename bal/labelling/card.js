// What a card shows of a point, and why it was asked for. `parts.js` and `widget.js` follow in the same module.

function make(tag, className, text, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // never as HTML
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  // Lumino, which reads the keys of Jupyter, leaves those below this mark alone, and those of an element that has the
  // focus only if it has the mark itself: without it 0 pressed twice offers to restart the kernel.
  if (["button", "input"].includes(tag) || "tabindex" in attributes) node.setAttribute("data-lm-suppress-shortcuts", "true");
  return node;
}

const fixed = (value) => (value === null ? "–" : Math.abs(value) >= 1000 ? value.toPrecision(4) : value.toFixed(3));

function picture(card) {
  const { point } = card;
  const { rows = [], text, html, problem } = card.content;
  let { images = [] } = card.content;
  const node = make("div", "bal-content");
  if (card.size && images.length) {
    node.append(overlay(images[0], card));
    images = images.slice(1);
  }
  for (const src of images) node.append(make("img", "", undefined, { src, alt: `point ${point}` }));
  if (rows.length) {
    const table = make("table");
    for (const [name, value] of rows) {
      const row = make("tr");
      row.append(make("th", "", name, { scope: "row" }), make("td", "", value));
      table.append(row);
    }
    node.append(table);
  }
  if (text !== undefined) node.append(make("p", "bal-text", text));
  if (problem !== undefined) node.append(make("p", "bal-problem", problem));
  if (html !== undefined) {
    const own = make("div");
    own.innerHTML = html; // the renderer of the user has marked it as HTML
    node.append(own);
  }
  return node;
}

function reasons(card) {
  const node = make("div", "bal-why");
  const guesses = make("div", "bal-guesses");
  node.append(guesses);
  for (const { name, probability } of card.guesses) {
    const line = make("div", "bal-guess");
    line.append(make("span", "bal-name", name, { title: name }));
    if (probability !== null) {
      const bar = make("span", "bal-bar");
      bar.append(make("span", "bal-part"));
      bar.firstChild.style.width = `${100 * probability}%`;
      line.append(bar, make("span", "bal-number", probability.toFixed(2)));
    }
    guesses.append(line);
  }
  if (card.epistemic !== null && card.aleatoric !== null) {
    const whole = Math.max(card.epistemic + card.aleatoric, 1e-12);
    const bar = make("div", "bal-bar bal-split", undefined, { "aria-hidden": "true" });
    bar.append(make("span", "bal-epistemic"), make("span", "bal-aleatoric"));
    bar.firstChild.style.width = `${(100 * Math.max(card.epistemic, 0)) / whole}%`;
    bar.lastChild.style.width = `${(100 * Math.max(card.aleatoric, 0)) / whole}%`;
    node.append(bar);
    const title = `uncertainty (${card.unit}): epistemic, which labels remove, and aleatoric, noise of the labels`;
    const unit = card.unit === "nats" ? " nats" : "";
    const legend = make("div", "bal-legend", undefined, { title });
    legend.append(
      make("span", "bal-of-epistemic", `epistemic ${fixed(card.epistemic)}${unit}`),
      make("span", "bal-of-aleatoric", `aleatoric ${fixed(card.aleatoric)}${unit}`),
    );
    node.append(legend);
  }
  if (card.score !== null) node.append(make("div", "bal-score", `asked for by score ${fixed(card.score)}`));
  if (card.near.length) node.append(make("div", "bal-score", `nearest labels: ${card.near.join(", ")}`));
  return node;
}

// Keys and what they do, for each kind of labels.
function legend(kind, range) {
  const others = [["s", "skip"], ["c", "cannot tell"], ["u", "undo"], ["← →", "another card"]];
  const own = {
    class: [[range, "class"]],
    labels: [[range, "on or off"], ["Enter", "answer"]],
    boxes: [["Enter", "accept"], ["n", "next box"], [range, "its class"], ["x", "no object"], ["drag", "new box"]],
    mask: [["Enter", "accept"], ["n", "next class"], [range, "replace it"]],
  };
  if (kind === "number") return [["Enter", "answer"], ["Esc, then s c u", "skip, cannot tell, undo"]];
  return [...own[kind], ...others];
}

