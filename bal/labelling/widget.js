// The labelling page of a notebook: it shows what the session says and sends what a person does. It keeps no answers.

const WAIT = 200; // ms between two looks at a fit that runs
const CHANGES = { n: { step: 1 }, x: { gone: true } }; // keys of a label that is put together
const PATIENCE = 10000; // ms without an answer, after which the kernel is said to be silent

function render({ model, el }) {
  const [kind, classes] = [model.get("kind"), model.get("classes")];
  const isPut = ["labels", "boxes", "mask"].includes(kind); // a label is put together before it is sent
  const drafts = new Map(); // point -> label that is being put together
  const view = Math.random().toString(36).slice(2);
  const sent = new Map(); // id -> point, or what else was sent: messages without an answer
  let later = []; // what waits for a fit: undone answers and corrections
  let nodes = new Map(); // point -> its card
  let count = 0, sentAt = 0;
  let patience, looking; // timers
  let before = {}, refused; // answers of the last status, and the point of one that was not accepted
  let drawn; // the cards that are shown

  const root = make("div", `bal-label bal-of-${kind}`, undefined, { tabindex: "-1" });
  const progress = make("div", "bal-progress");
  const words = make("span", "bal-words");
  const meter = make("progress", "", undefined, { "aria-label": "labels of the budget" });
  const undo = make("button", "bal-plain", undefined, { type: "button" });
  undo.append(make("kbd", "", "u"), " undo");
  progress.append(words, meter, undo);
  const state = make("div", "bal-state", undefined, { role: "status" });
  const fault = make("div", "bal-fault", undefined, { role: "alert" });
  const grid = make("div", "bal-grid");
  const keys = classes.map(({ key }) => key).filter((key) => key);
  const range = keys.length > 2 ? `${keys[0]}–${keys[keys.length - 1]}` : keys.join(", ");
  const help = make("div", "bal-help");
  for (const [key, meaning] of legend(kind, range)) {
    const one = make("span");
    one.append(make("kbd", "", key), ` ${meaning}`);
    help.append(one);
  }
  root.append(progress, state, fault, grid, help);
  el.replaceChildren(root);

  const active = () => root.getRootNode().activeElement;
  const inside = () => root.contains(active());
  const selected = () => active()?.closest?.(".bal-card");
  const points = () => model.get("cards").map(({ point }) => point);
  const given = () => model.get("status").given ?? {};
  const isOpen = (point) => !(point in given()) && ![...sent.values()].includes(point);

  function focusOn(node) {
    const input = node.querySelector?.("input");
    (input && !node.classList.contains("bal-answered") ? input : node).focus();
    node.scrollIntoView?.({ block: "nearest" });
  }

  function focusNext(after) {
    const order = points();
    const start = order.indexOf(after) + 1;
    const next = [...order.slice(start), ...order.slice(0, start)].find(isOpen);
    focusOn(next === undefined ? root : nodes.get(next));
  }

  function send(kind, point, label) {
    if (model.get("status").fitting && kind !== "look") {
      later.push([kind, point, label]); // the kernel would wait for the fit
    } else {
      const id = `${view}-${++count}`;
      sent.set(id, kind === "label" || kind === "skip" || kind === "cannot tell" ? point : kind);
      model.send({ id, kind, point, label, first: !(point in given()) });
      clearTimeout(patience);
      patience = setTimeout(update, PATIENCE + 100);
    }
    sentAt = Date.now();
    update();
  }

  function say(kind, point, label) {
    const open = [...sent.values()];
    // While an undo is on its way, nobody can know which card the next key is for.
    if (!nodes.has(point) || open.includes(point) || open.includes("undo")) return;
    send(kind, point, label);
    focusNext(point);
  }

  const submit = (point) => drafts.has(point) && say("label", point, drafts.get(point).label());

  function buttons(point) {
    const node = make("div", "bal-buttons");
    const add = (key, text, act, className = "") => {
      const button = make("button", className, undefined, { type: "button", tabindex: key ? "-1" : "0", title: text });
      if (key && key !== text) button.append(make("kbd", "", key), " ");
      button.append(make("span", "", text));
      button.addEventListener("click", act);
      node.append(button);
      return button;
    };
    if (kind === "number") {
      const form = make("form", "bal-form");
      const input = make("input", "", undefined, { inputmode: "decimal", "aria-label": `label of point ${point}` });
      form.append(input, make("button", "", "answer"));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (input.value.trim()) say("label", point, input.value.trim());
      });
      node.append(form);
    }
    const choose = (step) => drafts.get(point).change(step, true);
    if (isPut) add("Enter", "answer", () => submit(point), "bal-submit");
    classes.forEach(({ name, key }, label) => {
      const button = add(key, name, () => (isPut ? choose({ number: label }) : say("label", point, label)));
      if (isPut) button.dataset.number = label;
    });
    if (kind === "boxes") add("x", "no object", () => choose({ gone: true }));
    add("s", "skip", () => say("skip", point), "bal-plain");
    add("c", "cannot tell", () => say("cannot tell", point), "bal-plain");
    return node;
  }

  function drawCards() {
    if (model.get("cards") === drawn) return;
    drawn = model.get("cards");
    const had = inside();
    nodes = new Map();
    for (const card of model.get("cards")) {
      const node = make("div", "bal-card", undefined, { tabindex: "0", role: "group", "aria-label": `point ${card.point}` });
      node.dataset.point = card.point;
      const head = make("div", "bal-head");
      head.append(make("span", "bal-point", `point ${card.point}`), make("span", "bal-given"));
      node.append(head, picture(card), ...(card.size ? [make("div", "bal-parts")] : []), reasons(card), buttons(card.point));
      node.addEventListener("click", (event) => {
        if (!event.target.closest("button, input, a")) focusOn(node);
      });
      nodes.set(card.point, node);
      if (isPut) drafts.set(card.point, makeDraft({ kind, classes, card, node, refocus: () => node.focus() }));
    }
    grid.replaceChildren(...nodes.values());
    update();
    if (had) focusNext(undefined);
  }

  function update() {
    const { fitting, done, error, labelled, budget, progress: line } = model.get("status");
    words.textContent = line ?? "";
    meter.max = budget ?? 1;
    meter.value = labelled ?? 0;
    const answers = given();
    for (const [point, node] of nodes) {
      const answer = answers[point];
      node.classList.toggle("bal-answered", answer !== undefined);
      node.classList.toggle("bal-sent", [...sent.values()].includes(point));
      node.classList.toggle("bal-refused", point === refused);
      const said = answer === undefined ? "" : answer.text + (answer.who ? ` (${answer.who})` : "");
      Object.assign(node.querySelector(".bal-given"), { textContent: said, title: said }); // it may be cut off
    }
    const silent = sent.size > 0 && Date.now() - sentAt > PATIENCE;
    const open = points().some((point) => !(point in answers));
    root.classList.toggle("bal-fitting", Boolean(fitting));
    state.textContent = silent
      ? "The kernel does not answer. It is busy, or it ended: then run the cells again. Answers shown are on the disk."
      : fitting
        ? `fitting…${later.length ? ` (${later.length} to follow: undo or correction)` : ""}`
        : done
          ? "All rounds are answered. Thank you."
          : "";
    fault.replaceChildren(...(error ? [make("span", "", error)] : []));
    if (!fitting && !done && !open) {
      const again = make("button", "bal-plain", "try again", { type: "button" });
      again.addEventListener("click", () => send("look"));
      fault.append(again);
    }
  }

  function onStatus() {
    drawCards(); // Jupyter says in any order what has changed in one message
    const { last, fitting, error } = model.get("status");
    if (sent.has(last)) {
      refused = error ? sent.get(last) : undefined;
      for (const id of [...sent.keys()]) {
        sent.delete(id); // messages arrive in their order
        if (id === last) break;
      }
    }
    sentAt = Date.now();
    update();
    const reopened = points().find((point) => point in before && isOpen(point));
    before = given();
    if (fitting) {
      clearTimeout(looking); // of another view of the same widget
      looking = setTimeout(() => send("look"), WAIT);
    } else if (later.length) {
      const waiting = later;
      later = [];
      for (const message of waiting) send(...message);
    } else if (inside() && reopened !== undefined) {
      focusOn(nodes.get(reopened));
    } else if (inside() && !selected()) {
      focusNext(undefined);
    }
  }

  function move(step) {
    const order = points();
    const from = order.indexOf(Number(selected()?.dataset.point ?? -1));
    const target = nodes.get(order[Math.min(Math.max(from + step, 0), order.length - 1)]);
    if (target) focusOn(target);
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Tab") return;
    event.stopPropagation();
    if (event.target.tagName === "INPUT") {
      if (event.key === "Escape") event.target.closest(".bal-card").focus();
      return;
    }
    if (["Enter", " "].includes(event.key) && event.target.tagName === "BUTTON") return; // it is pressed
    const columns = Math.max([...nodes.values()].findIndex((node, k, all) => node.offsetTop > all[0].offsetTop), 1);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const node = selected();
    const point = node ? Number(node.dataset.point) : points().find(isOpen);
    const label = classes.findIndex(({ key }) => key && key === event.key);
    const pressed = event.key.toLowerCase();
    const draft = drafts.get(point);
    if (event.key in steps) move(steps[event.key]);
    else if (event.repeat) return; // a key held down is one answer
    else if (pressed === "u") send("undo");
    else if (event.key === "Enter") submit(point);
    else if (label >= 0 && !isPut) say("label", point, label);
    else if (draft && (label >= 0 || pressed in CHANGES)) draft.change(label >= 0 ? { number: label } : CHANGES[pressed]);
    else if (pressed === "s") say("skip", point);
    else if (pressed === "c") say("cannot tell", point);
    else return;
    event.preventDefault();
  });
  undo.addEventListener("click", () => {
    send("undo");
    root.focus();
  });

  model.on("change:cards", drawCards);
  model.on("change:status", onStatus);
  drawCards();
  send("look");
  return () => {
    clearTimeout(patience);
    clearTimeout(looking);
    model.off("change:cards", drawCards);
    model.off("change:status", onStatus);
  };
}

export default { render };
