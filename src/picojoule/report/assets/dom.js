// Elements, and numbers as people say them. Texts only ever become text nodes and attribute values, never markup: a
// run folder may come from a stranger.

const byId = (id) => document.getElementById(id);
const slot = (section, name) => byId(section).querySelector(`[data-slot="${name}"]`);

/** An HTML element with children, and before them, if any, attributes; one that is a function listens to its event. */
function h(tag, ...parts) {
  return dressed(document.createElement(tag), parts);
}

/** An SVG element. */
function s(tag, ...parts) {
  return dressed(document.createElementNS("http://www.w3.org/2000/svg", tag), parts);
}

function dressed(element, [first, ...others]) {
  const attributes = first?.constructor === Object ? first : {};
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (present([value]).length > 0) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(attributes === first ? others : [first, ...others]));
  return element;
}

/** Put children into a slot in place of what was there; what had the focus keeps it, by its `data-key`. */
function fill(slot, ...children) {
  const key = slot.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  slot.replaceChildren(...present(children));
  if (key !== undefined) slot.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
}

function button(text, act, attributes = {}) {
  return h("button", { type: "button", click: act, ...attributes }, text);
}

/** A dotted name that may break after its dots. */
function breakable(name) {
  return name.split(/(?<=\.)/).flatMap((part) => [part, h("wbr")]);
}

/** Say something to screen readers too. */
function announce(text) {
  byId("heard").textContent = text;
}

/** A button that copies a text and says so; where there is no clipboard, the text is selected to be copied by hand. */
function copyButton(title, text) {
  const made = button(title, async () => {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      const area = h("textarea", { readonly: true, "aria-label": title }, text());
      made.after(area);
      area.select();
      if (!document.execCommand("copy")) return;
      area.remove();
      made.focus();
    }
    made.textContent = "Copied";
    announce("Copied");
    setTimeout(() => { made.textContent = title; }, 1500);
  });
  return made;
}

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name.replace(/[^\w.-]+/g, "-").replace(/^[-.]+/, "") }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const ENERGIES = [[1e12, "J"], [1e9, "mJ"], [1e6, "µJ"], [1e3, "nJ"], [0, "pJ"]];

/** `3.28 µJ`, `823 nJ`: three figures, rounded before the prefix is chosen. */
function energy(pj) {
  if (pj === null) return "no figure";
  if (pj === 0) return "0 pJ";
  const rounded = Number(pj.toPrecision(3));
  const [scale, unit] = ENERGIES.find(([least]) => rounded >= least);
  return `${three(rounded / (scale || 1))} ${unit}`;
}

/** Three significant figures without an exponent. */
function three(value) {
  const exponent = Number(value.toExponential(2).split("e")[1]);
  return value.toFixed(Math.min(100, Math.max(0, 2 - exponent)));
}

function percent(fraction, digits = 2) {
  return `${(100 * fraction).toFixed(digits)} %`;
}

function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A sum of scores, which is a count of samples or has a fraction. */
function figure(value) {
  return Number.isInteger(value) ? count(value) : value.toFixed(1);
}

function ratio(value) {
  return value === null ? "" : value.toFixed(3);
}

function interval(accuracy) {
  return `${(100 * accuracy.low).toFixed(1)}–${(100 * accuracy.high).toFixed(1)}\u00a0%`;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** `2⁻³`. */
function power(exponent) {
  return `2${exponent < 0 ? "⁻" : ""}${[...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
}

/** A site's range as it is printed: `±2^-3..1` as `±2⁻³ to 2¹`. */
function range(site) {
  return site.range.replace(/2\^(-?\d+)(?:\.\.(-?\d+))?/,
    (_, low, high) => [low, high].filter(Boolean).map((exponent) => power(Number(exponent))).join(" to "))
    .replaceAll("-", "−");
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
