// A label that is put together on a card before it is sent: several labels, boxes, or the classes of a mask.

const SMALLEST = 0.02; // of the image's sides; a shorter drag is a click
const colour = (number) => `hsl(${(number * 137.5 + 200) % 360} 85% 45%)`; // neighbours differ

// What a person has put together so far on one card; it begins with the model's boxes or mask, and without any of
// several labels. `node` is the card, `refocus` is called after a click on a part of it.
function makeDraft({ kind, classes, card, node, refocus }) {
  const chosen = new Set();
  const parts = card.parts.map((part) => ({ ...part, proposed: part.class }));
  const draft = { kind, parts, at: 0, label, change, show };

  function label() {
    if (kind === "labels") return [...chosen];
    if (kind === "mask") return parts.map((part) => part.class);
    return parts.filter((part) => part.class !== null).map((part) => ({ class: part.class, box: part.box }));
  }

  // One step: another class of the part that is chosen, the next part, or no object there. After a click Enter must be
  // for the card, not for the button.
  function change({ number, step, gone }, clicked = false) {
    const part = parts[draft.at];
    if (kind === "labels" && number !== undefined) {
      if (!chosen.delete(number)) chosen.add(number);
    } else if (part && step) draft.at = (draft.at + step) % parts.length;
    else if (part && gone && kind === "boxes") [part.class, part.former] = part.class === null ? [part.former, null] : [null, part.class];
    else if (part && number !== undefined) part.class = number;
    show();
    if (clicked) refocus();
  }

  function show() {
    node.querySelectorAll("[data-number]").forEach((button) => {
      const number = Number(button.dataset.number);
      const on = kind === "labels" ? chosen.has(number) : parts[draft.at]?.class === number;
      button.setAttribute("aria-pressed", String(on));
    });
    if (kind === "labels") return;
    const stack = node.querySelector(".bal-stack");
    if (stack) drawParts(stack, draft, classes, card);
    listParts(node.querySelector(".bal-parts"), draft, classes, (place) => {
      draft.at = place;
      show();
      refocus();
    });
    const changed = parts.some((part) => part.class !== part.proposed);
    node.querySelector(".bal-submit span").textContent = changed ? "answer" : "accept";
  }

  const stack = node.querySelector(".bal-stack");
  const changed = () => {
    show();
    refocus();
  };
  if (kind === "boxes" && stack) drawing(stack, draft, card, changed);
  show();
  return draft;
}

// The picture of a card with its boxes or its mask above it.
function overlay(image, { size: [height, width], point }) {
  const node = make("div", "bal-stack");
  node.style.aspectRatio = `${width} / ${height}`;
  node.style.width = `min(100%, ${(320 * width) / height}px)`;
  if (image) node.append(make("img", "", undefined, { src: image, alt: `point ${point}`, draggable: "false" }));
  node.append(make("div", "bal-parts-drawn"));
  return node;
}

function lay(node, shares) {
  for (const [side, share] of Object.entries(shares)) node.style[side] = `${100 * share}%`;
}

function drawParts(node, draft, classes, { size: [height, width] }) {
  const drawn = draft.parts.map((part, place) => {
    const one = make("div", part.box ? "bal-box" : "bal-layer");
    one.classList.toggle("bal-at", place === draft.at);
    if (part.box) {
      const [y0, x0, y1, x1] = part.box;
      lay(one, { left: x0 / width, top: y0 / height, width: (x1 - x0) / width, height: (y1 - y0) / height });
      one.classList.toggle("bal-gone", part.class === null);
      if (part.class !== null) {
        one.style.setProperty("--bal-colour", colour(part.class));
        one.append(make("span", "", classes[part.class].name));
      }
    } else if (part.class > 0) {
      // Class 0, the background, has no colour.
      one.style.background = colour(part.class);
      one.style.maskImage = one.style.webkitMaskImage = `url(${part.layer})`;
    }
    return one;
  });
  node.querySelector(".bal-parts-drawn").replaceChildren(...drawn);
}

// The parts as a list, in which one is chosen.
function listParts(node, draft, classes, choose) {
  const rows = draft.parts.map((part, place) => {
    const row = make("button", "bal-part-row", undefined, { type: "button", tabindex: "-1" });
    row.setAttribute("aria-pressed", String(place === draft.at));
    const swatch = make("span", "bal-swatch");
    const coloured = part.class !== null && (part.box || part.class > 0);
    if (coloured) swatch.style.background = colour(part.class);
    const named = part.class === null ? "no object" : classes[part.class].name;
    const was = part.proposed !== part.class && part.proposed !== undefined ? `${classes[part.proposed].name} → ` : "";
    row.append(swatch, make("span", "bal-name", was + named));
    if (part.probability !== undefined) row.append(make("span", "bal-number", part.probability.toFixed(2)));
    row.addEventListener("click", () => choose(place));
    return row;
  });
  const empty = draft.kind === "boxes" ? "no object found: drag on the image to draw a box" : "no mask before the first fit";
  node.replaceChildren(...(rows.length ? rows : [make("span", "bal-score", empty)]));
}

// A drag on the image is a new box, a click chooses the smallest box around it.
function drawing(node, draft, { size: [height, width] }, changed) {
  let from;
  let rubber;
  const at = (event) => {
    const { left, top, width: w, height: h } = node.getBoundingClientRect();
    const share = (value) => Math.min(Math.max(value, 0), 1);
    return [share((event.clientY - top) / h), share((event.clientX - left) / w)];
  };
  const spanned = (to) => [0, 1].map((axis) => [Math.min(from[axis], to[axis]), Math.max(from[axis], to[axis])]);
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    from = at(event);
    node.setPointerCapture(event.pointerId);
    rubber = make("div", "bal-box bal-at");
    node.append(rubber);
    event.preventDefault();
  });
  node.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [[top, bottom], [left, right]] = spanned(at(event));
    lay(rubber, { top, left, height: bottom - top, width: right - left });
  });
  const end = (event) => {
    if (!from) return;
    const [[top, bottom], [left, right]] = spanned(at(event));
    const [y, x] = [from[0] * height, from[1] * width];
    from = undefined;
    rubber.remove();
    if (event.type === "pointercancel") return;
    if (bottom - top > SMALLEST && right - left > SMALLEST) {
      const box = [top * height, left * width, bottom * height, right * width];
      draft.parts.push({ class: draft.parts[draft.at]?.class ?? 0, box });
      draft.at = draft.parts.length - 1;
    } else {
      const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
      const around = draft.parts.filter(({ box }) => y >= box[0] && y <= box[2] && x >= box[1] && x <= box[3]);
      if (around.length) draft.at = draft.parts.indexOf(around.sort((a, b) => area(a) - area(b))[0]);
    }
    changed();
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
}

