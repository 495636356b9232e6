// What all pictures share: scales with their ticks, texts that fit, tooltips, and drawing anew when the width changes,
// so that letters are as large on a phone and on paper as on a wide screen.

const PAPER = 690; // the width of a printed page, in pixels

/** A function from values to pixels; `.ticks(n)` are about n round values within it. */
function scale([low, high], [from, to], logarithmic = false) {
  const place = logarithmic ? Math.log10 : (value) => value;
  const [start, end] = [place(low), place(high)];
  const at = (value) => from + (to - from) * (end === start ? 0.5 : (place(value) - start) / (end - start));
  at.logarithmic = logarithmic;
  at.ticks = (wanted) => (logarithmic ? powerTicks : evenTicks)(low, high, wanted);
  return at;
}

function evenTicks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((factor) => factor * size >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const ticks = [];
  for (let index = first; index * step <= high + step * 1e-9; index += 1) ticks.push(index * step);
  return ticks;
}

function powerTicks(low, high, wanted) {
  for (const factors of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let exponent = Math.floor(Math.log10(low)); 10 ** exponent <= high; exponent += 1) {
      ticks.push(...factors.map((factor) => factor * 10 ** exponent).filter((tick) => tick >= low && tick <= high));
    }
    if (ticks.length <= wanted || factors.length === 1) return ticks;
  }
}

const pen = document.createElement("canvas").getContext("2d");

const family = getComputedStyle(document.body).fontFamily;

function textWidth(text, font = "12px") {
  pen.font = `${font} ${family}`;
  return pen.measureText(text).width;
}

/** A text cut in its middle to fit a width. */
function fitted(text, width) {
  if (textWidth(text) <= width) return text;
  for (let kept = text.length - 1; kept > 1; kept -= 1) {
    const cut = `${text.slice(0, Math.floor(kept / 3))}…${text.slice(text.length - Math.ceil((2 * kept) / 3))}`;
    if (textWidth(cut) <= width) return cut;
  }
  return "…";
}

const drawings = new Map(); // slot -> its drawing, and the width it was drawn at
let printing = false;

/** Draw into a slot, now and whenever its width changes: draw(width) gives the picture. */
function drawn(slot, draw, measured) {
  drawings.set(slot, { draw, width: 0 });
  widths.observe(slot);
  redraw(slot, measured);
}

const waiting = [];

/** A new element that draws into itself once it stands on the page; all that wait are measured before any is drawn. */
function pictured(draw, attributes = {}) {
  const holder = h("div", attributes);
  if (waiting.length === 0) {
    queueMicrotask(() => {
      const measured = waiting.splice(0).map((each) => [...each, each[0].clientWidth]);
      for (const [slot, drawing, width] of measured) drawn(slot, drawing, width);
    });
  }
  waiting.push([holder, draw]);
  return holder;
}

function redraw(slot, measured = slot.clientWidth) {
  const drawing = drawings.get(slot);
  const paper = slot.closest(".cards") ? PAPER / 3.5 : slot.closest(".columns") ? PAPER / 2.2 : PAPER;
  const width = Math.round(printing ? paper : measured);
  if (width < 40 || width === drawing.width) return;
  drawing.width = width;
  fill(slot, drawing.draw(width));
}

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (!target.isConnected) { drawings.delete(target); widths.unobserve(target); }
    else if (!printing) redraw(target);
  }
});

function redrawAll(onPaper) {
  printing = onPaper;
  for (const slot of drawings.keys()) if (slot.isConnected) redraw(slot);
}
addEventListener("beforeprint", () => redrawAll(true));
addEventListener("afterprint", () => redrawAll(false));

/** Show lines beside an element while the pointer or the focus is on it. */
function tip(element, ...lines) {
  const show = () => {
    const box = byId("tip");
    box.replaceChildren(...lines.filter(Boolean).map((line) => h("div", line)));
    box.hidden = false;
    const [target, own] = [element.querySelector(".hit") ?? element, box].map((each) => each.getBoundingClientRect());
    const left = Math.max(8, Math.min(innerWidth - own.width - 8, target.left + target.width / 2 - own.width / 2));
    const above = target.top - own.height - 8;
    box.style.left = `${left}px`;
    box.style.top = `${above > 8 ? above : target.bottom + 8}px`;
  };
  const hide = () => { byId("tip").hidden = true; };
  for (const event of ["pointerenter", "focus"]) element.addEventListener(event, show);
  for (const event of ["pointerleave", "blur"]) element.addEventListener(event, hide);
  return element;
}
addEventListener("keydown", ({ key }) => { if (key === "Escape") byId("tip").hidden = true; });
addEventListener("scroll", () => { byId("tip").hidden = true; }, { passive: true });

const SHAPES = [
  "M6 0A6 6 0 1 1 -6 0A6 6 0 1 1 6 0Z", "M-5.2 -5.2H5.2V5.2H-5.2Z", "M0 -6.8L6.4 5H-6.4Z",
  "M0 -7.2L7.2 0L0 7.2L-7.2 0Z", "M0 6.8L6.4 -5H-6.4Z", "M-2.2 -6.4H2.2V-2.2H6.4V2.2H2.2V6.4H-2.2V2.2H-6.4V-2.2H-2.2Z",
];

/** The hue of a series, and the dash of its line. */
const hue = (series) => `run-${series % SHAPES.length}`;

/** The mark of a series: its own shape and hue, or another's hue; filled, or hollow for a baseline. */
function shape(series, hollow = false, tone = series) {
  const drawing = s("path", { class: "shape", d: SHAPES[series % SHAPES.length] });
  return s("g", { class: hollow ? `${hue(tone)} hollow` : hue(tone) }, drawing);
}

/** A small drawing in a line of text. */
function icon(...drawing) {
  return s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, drawing);
}

/** The mark of a series in a line of text. */
function mark(...series) {
  return s("svg", { class: "mark", viewBox: "-9 -9 18 18", "aria-hidden": "true" }, shape(...series));
}

/** An SVG picture of a size in pixels; on narrower paper it shrinks. */
function picture(width, height, attributes, ...children) {
  return s("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, ...attributes }, children);
}
