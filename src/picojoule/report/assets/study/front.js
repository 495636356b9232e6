// The front: every network by its energy and its accuracy, in the hue and shape of its bits, with the stairs of each
// bit count and those of all.

const SPLITS = { searched: "search split, which chooses", reported: "report split, which decides nothing" };

// Powers of two have a hue each, the same in every sweep; the others share them, hollow.
const seriesOf = (bits) => Number.isInteger(Math.log2(bits)) ? Math.log2(bits) : SHAPES.length + bits % SHAPES.length;
const isHollow = (bits) => seriesOf(bits) >= SHAPES.length;
const bitMark = (bits) => mark(seriesOf(bits), isHollow(bits));
const isPicked = ({ trials: own }) => own.includes(state.trial);

function drawFront() {
  const priced = candidates.filter((each) => priceOf(each) !== null);
  fill(slot("front", "axis"), priced.length > 0 && splitSwitch());
  drawn(slot("front", "picture"), (width) => frontPicture(priced, width));
  fill(slot("front", "legend"), priced.length > 0 && frontLegend(priced));
  fill(slot("front", "table"), front().length > 0
    && candidatesTable("best", "front", "Networks that no other beats in both energy and accuracy", front()));
  const open = slot("front", "all").querySelector("details")?.open;
  fill(slot("front", "all"), candidates.length > front().length && h("details", { open },
    h("summary", `All ${candidates.length} networks as a table`),
    candidatesTable("network", "networks", "Every network at every bit count", candidates)));
}

function splitSwitch() {
  const change = ({ target }) => { state.split = target.value; drawFront(); };
  const radio = (value) => h("input", { type: "radio", name: "split", value, change, checked: state.split === value,
    "data-key": `split-${value}` });
  return h("fieldset", { class: "switch screen" }, h("legend", "Accuracy on the:"),
    Object.entries(SPLITS).map(([value, text]) => h("label", radio(value), " ", text)));
}

/** What each mark stands for; on the screen each bit count can be taken out of the picture. */
function frontLegend(priced) {
  const missing = candidates.length - priced.length;
  const change = (bits) => ({ target }) => {
    state.hidden[target.checked ? "delete" : "add"](bits);
    drawFront();
  };
  const box = (bits) => h("input", { type: "checkbox", class: "screen", checked: !state.hidden.has(bits),
    change: change(bits), "data-key": `bits-${bits}` });
  const drawnBits = report.bits.filter((bits) => priced.some((each) => each.bits === bits));
  return [
    drawnBits.map((bits) => h("label", box(bits), bitMark(bits), bitsText(bits))),
    h("span", icon(s("path", { class: "joint all", d: "M-1 6H13" })), "the front of all bits"),
    priced.some(({ trials: own }) => own.length > 1) && h("span", "bars: from the least to the most accurate seed"),
    missing > 0 && h("span", `${missing} without a figure on the platform, not drawn`),
  ];
}

function frontPicture(priced, width) {
  const shown = priced.filter(({ bits }) => !state.hidden.has(bits));
  if (shown.length === 0) return h("p", emptyWords(priced));
  const height = Math.round(Math.max(280, Math.min(460, width * 0.55)));
  const frame = { left: 52, right: width - 14, top: 34, bottom: height - 46 };
  const prices = shown.map(priceOf);
  const x = across(Math.min(...prices), Math.max(...prices), frame, 1);
  const y = upwards(shown.map((each) => each[state.split]), frame);
  const best = new Set(front());
  const marks = shown.map((each) => ({ each, left: x(priceOf(each)), top: y(each[state.split].value),
    label: best.has(each) && width > 560 ? fitted(each.network, width / 5) : "" }));
  marks.sort((one, other) => one.left - other.left || one.top - other.top);
  const labels = placed(marks, frame, ({ each }) => isPicked(each));
  const steps = (indices) =>
    indices.map((index) => marks.find(({ each }) => each === candidates[index])).filter(Boolean);
  const { front: all, fronts } = platform();
  const own = new Set(Object.values(fronts).flat().map((index) => candidates[index]));
  return picture(width, height, { role: "group", "aria-label": "Energy against accuracy" },
    s("g", { "aria-hidden": "true" },
      axes(x, y, frame, {
        left: `accuracy, ${SPLITS[state.split].split(",")[0]}${y.logarithmic ? " (errors on a log scale)" : ""}`,
        across: (value) => roundText(energy(value)),
        below: `energy per inference${x.logarithmic ? " (log scale)" : ""}`,
      }),
      s("path", { class: "joint all", d: stairs(steps(all), frame) }),
      Object.entries(fronts).map(([bits, indices]) =>
        s("path", { class: `stairs ${hue(seriesOf(Number(bits)))}`, d: stairs(steps(indices), frame) }))),
    s("g", { role: "listbox", "aria-label": "Networks" },
      marks.map((drawing, index) => frontMark(drawing, index, marks, y, labels[index], own.has(drawing.each)))));
}

function emptyWords(priced) {
  if (priced.length > 0) return "All bit counts are taken out of the picture; choose some below.";
  return candidates.length > 0 ? "The platform has no figure for any of the networks." : "No trial is complete yet.";
}

/** Accuracies up: evenly, or where the errors span more than a decade, by their logarithm. */
function upwards(splits, frame) {
  const [low, high] = [Math.min(...splits.map(({ least }) => least)), Math.max(...splits.map(({ most }) => most))];
  if (1 - low <= 10 * (1 - high)) {
    const spare = (high - low) * 0.06 || 0.01;
    return scale([Math.max(0, low - spare), Math.min(1, high + spare)], [frame.bottom, frame.top]);
  }
  const least = Math.max(1 - high, (1 - low) / 1000) / 1.25; // an accuracy of 1 has no logarithm
  const errors = scale([least, Math.min(1, (1 - low) * 1.25)], [frame.top, frame.bottom], true);
  const at = (accuracy) => errors(Math.max(least, 1 - accuracy));
  return Object.assign(at, { logarithmic: true, ticks: (wanted) => errors.ticks(wanted).map((error) => 1 - error) });
}

function frontMark({ each, left, top, label }, index, marks, y, place, isBest) {
  const chosen = isPicked(each);
  const first = index === 0 && !marks.some((other) => isPicked(other.each));
  const { least, most } = each[state.split];
  const act = () => pick(each.trials[0]);
  const lines = [energy(priceOf(each)), ...["searched", "reported"].map((split) => splitText(each, split))];
  const element = s("g", {
    class: isBest ? "point" : "point beaten", role: "option", "aria-selected": String(chosen),
    tabindex: chosen || first ? 0 : -1, "aria-label": [nameOf(each), ...lines].join(", "),
    "data-key": `front-${candidates.indexOf(each)}`,
    click: act, keydown: (event) => walk(event, index, marks.length, act),
  },
  most > least && s("path", { class: `interval ${hue(seriesOf(each.bits))}`,
    d: `M${left - 4} ${y(least)}h8m-4 0V${y(most)}m-4 0h8` }),
  s("circle", { class: "ring", cx: left, cy: top, r: 12 }),
  s("g", { transform: `translate(${left} ${top})` }, shape(seriesOf(each.bits), isHollow(each.bits))),
  place && s("text", { class: chosen && "strong", ...place }, label),
  s("circle", { class: "hit", cx: left, cy: top, r: reach(marks, index) }));
  return tip(element, nameOf(each), ...lines, isBest ? "" : `beaten by another of ${bitsText(each.bits)}`);
}

function splitText({ trials: own, ...each }, split) {
  const { value, least, most } = each[split];
  const seeds = own.length > 1 ? ` (${own.length} seeds: ${percent(least)} to ${percent(most)})`
    : ` (95 %: ${interval(each[split])})`;
  return `${percent(value)} on the ${SPLITS[split].split(",")[0]}${seeds}`;
}

function candidatesTable(key, file, title, rows) {
  const hidden = (name, value) => ({ name, shown: false, value });
  const seeds = (split, told) => ["least", "most"].map((end) => hidden(`${split}_${end}`, (each) => each[told][end]));
  return table({
    key, file: fileName(file), title, rows, current: isPicked,
    columns: [
      { name: "network", title: "network", kind: "text", text: ({ network }) => network,
        node: (each) => [bitMark(each.bits), picker(`${key}-pick-${candidates.indexOf(each)}`, each.network,
          each.trials[0], `Pick ${nameOf(each)}`)] },
      number("bits", "bits", ({ bits }) => bits, String),
      number("energy_pj", "energy", priceOf, energy),
      number("search_accuracy", "search split", ({ searched }) => searched.value, percent),
      ...seeds("search", "searched"),
      number("report_accuracy", "report split", ({ reported }) => reported.value, percent),
      { ...number("report_low", "95 %", ({ reported }) => reported.low), text: ({ reported }) => interval(reported) },
      hidden("report_high", ({ reported }) => reported.high),
      ...seeds("report", "reported"),
      number("macs", "MACs", ({ macs }) => macs, count),
      { ...number("weight_bytes", "weights", (each) => each.weight_bytes), text: ({ weights }) => weights },
      { ...number("ram_bytes", "RAM", (each) => each.ram_bytes), text: ({ ram }) => ram },
      number("seeds", "seeds", ({ trials: own }) => own.length, String),
    ],
  });
}

/** A name in a table, as the button that picks its trial. */
function picker(key, text, trial, label) {
  return button(text, () => pick(trial), { class: "link", "data-key": key, "aria-label": label });
}
