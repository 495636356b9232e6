// The front: every operating point and baseline by its energy and its accuracy on the report split, and behind them the
// curve of the plans between the floors. The points are one list for the keyboard: arrows walk it, Enter selects.

const AXES = {
  energy: { choice: "energy", title: "energy per inference", of: (point) => point.energy_pj, text: energy },
  relative: {
    choice: "share of the same network's 16-bit energy", title: "energy, of the same network's in 16 bits",
    of: (point) => point.of_16_bits, text: (value) => percent(value, 1),
  },
};

function drawFront() {
  drawn(slot("front", "picture"), frontPicture);
  fill(slot("front", "legend"), frontLegend());
  if (several) fill(slot("front", "axis"), axisSwitch());
  else fill(slot("front", "table"), pointsTable([0]));
  drawPath();
}

function frontLegend() {
  const missing = marksOf((point) => point.energy_pj === null && [point]).length;
  const runs = report.runs.map((run, index) => h("span", mark(index), run.name));
  return [
    several ? runs : h("span", mark(0), "searched for a floor"),
    h("span", mark(0, true), `${several ? "hollow: " : ""}16 bits, 8 bits or float32 everywhere`),
    report.runs.some(({ path }) => path.length > 0) && h("span", curveIcon(), "plans between the floors"),
    several && h("span", icon(s("path", { class: "joint", d: "M-1 6H13" })), "the best of all runs"),
    missing > 0 && h("span", `${missing} without a figure on the platform, not drawn`),
  ];
}

function axisSwitch() {
  const change = ({ target }) => { state.axis = target.value; drawFront(); };
  const radio = (value) => h("input", { type: "radio", name: "axis", value, change, checked: state.axis === value,
    "data-key": `axis-${value}` });
  return h("fieldset", { class: "switch screen" }, h("legend", "Across:"),
    Object.entries(AXES).map(([value, { choice }]) => h("label", radio(value), " ", choice)));
}

/** For every point of every run for which `of` gives something, what it gives. */
function marksOf(of) {
  return report.runs.flatMap((run, index) => run.points.flatMap((point) => of(point, index, run) || []));
}

function frontPicture(width) {
  const axis = AXES[state.axis];
  const marks = marksOf((point, run) =>
    axis.of(point) !== null && [{ point, run, x: axis.of(point), y: point.report.value }]);
  if (marks.length === 0) return h("p", "The platform has no figure for any of the points.");
  marks.sort((one, other) => one.x - other.x || one.y - other.y);
  const height = Math.round(Math.max(260, Math.min(400, width * 0.5)));
  const frame = { left: 52, right: width - 14, top: 34, bottom: height - 46 };
  const curves = report.runs.map(({ path }) => path.filter((plan) => axis.of(plan) !== null));
  const [low, high] = accuracies(marks, curves.flat());
  const energies = [...marks.map((each) => each.x), ...curves.flat().filter(inView(low)).map(axis.of)];
  const x = across(Math.min(...energies), Math.max(...energies), frame);
  const y = scale([low, high], [frame.bottom, frame.top]);
  for (const each of marks) {
    const below = each.y < low;
    Object.assign(each, { below, left: x(each.x), top: below ? frame.bottom - 16 : y(each.y) });
  }
  const labels = placed(marks, frame);
  const stops = (plans) => plans.map((plan) => ({ plan, left: x(axis.of(plan)), top: y(plan.report.value) }));
  const own = (index) => marks.filter((each) => each.run === index && each.point.front);
  return picture(width, height, { role: "group", "aria-label": "Energy against accuracy" },
    s("g", { "aria-hidden": "true" },
      frontAxes(x, y, frame, axis),
      several && s("path", { class: "joint", d: stairs(best(marks), frame) }),
      report.runs.map((run, index) => s("path", { class: `stairs ${hue(index)}`, d: stairs(own(index), frame) })),
      curves.map((plans, index) => curve(stops(plans), index, frame))),
    s("g", { role: "listbox", "aria-label": "Operating points" },
      marks.map((each, index) => frontMark(each, index, marks, y, labels[index]))));
}

/** The scale of energies, logarithmic where they span more than a decade. */
function across(least, most, frame) {
  if (least > 0 && most > 10 * least) return scale([least / 1.25, most * 1.25], [frame.left, frame.right], true);
  const room = (most - least || most || 1) * 0.12;
  return scale([least - room, most + room], [frame.left, frame.right]);
}

/**
 * The accuracies in view: those of the marks, but for such as miss their floor by so much that the others would lie on
 * one line, and the upper part of the curves.
 */
function accuracies(marks, plans) {
  const ends = (some) => [
    Math.min(...some.map(({ point }) => point.report.low)),
    Math.max(...some.map(({ point }) => point.report.high)),
  ];
  let [low, high] = ends(marks);
  const held = marks.filter(({ point }) => point.holds);
  const [least, most] = ends(held.length > 0 ? held : marks);
  if (low < least - 2 * (most - least)) low = least - (most - least);
  const followed = plans.filter(({ report: { kept } }) => kept >= FOLLOWED).map(({ report: { value } }) => value);
  [low, high] = [Math.min(low, ...followed), Math.max(high, ...followed)];
  const spare = (high - low) * 0.06 || 0.01;
  return [Math.max(0, low - spare), Math.min(1, high + spare)];
}

/** Those that no other beats, cheapest first. */
function best(marks) {
  const found = [];
  for (const each of [...marks].sort((one, other) => one.x - other.x || other.y - one.y)) {
    if (found.length === 0 || each.y > found.at(-1).y) found.push(each);
  }
  return found;
}

function stairs(steps, frame) {
  if (steps.length === 0) return "";
  const corners = steps.map(({ left, top }, index) => index === 0 ? `M${left} ${top}` : `H${left}V${top}`);
  return `${corners.join("")}H${frame.right}`;
}

function frontAxes(x, y, frame, axis) {
  const [width, up] = [frame.right - frame.left, y.ticks(8)];
  const step = up.length > 1 ? up[1] - up[0] : 1;
  const digits = step < 0.00099 ? 2 : step < 0.0099 ? 1 : 0;
  return [
    up.map((tick) => [
      s("line", { class: "gridline", x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
      s("text", { x: frame.left - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick, digits)),
    ]),
    x.ticks(Math.max(2, Math.floor(width / (x.logarithmic ? 70 : 110)))).map((tick) => [
      s("line", { class: "axis", x1: x(tick), x2: x(tick), y1: frame.bottom, y2: frame.bottom + 5 }),
      s("text", { x: x(tick), y: frame.bottom + 19, "text-anchor": "middle" }, roundText(axis.text(tick))),
    ]),
    s("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    s("text", { y: 10 }, "accuracy, report split"),
    s("text", { x: frame.right, y: frame.bottom + 38, "text-anchor": "end" },
      x.logarithmic ? `${axis.title} (log scale)` : axis.title),
  ];
}

/** A round value's text without the zeros that its figures gave it. */
function roundText(text) {
  return text.replace(/(\.\d*?)0+(?= )/, "$1").replace(/\.(?= )/, "");
}

function frontMark({ point, run, left, top, below }, index, marks, y, label) {
  const chosen = isSelected(marks[index]);
  const first = index === 0 && !marks.some(isSelected);
  const title = several ? `${report.runs[run].name}, ${pointName(point)}` : pointName(point);
  const accuracy = `${percent(point.report.value)} (95 %: ${interval(point.report)}) on the report split`;
  const price = priceText(point);
  const [low, high] = [y(point.report.low), y(point.report.high)];
  const element = s("g", {
    class: "point", role: "option", "aria-selected": String(chosen), tabindex: chosen || first ? 0 : -1,
    "aria-label": [title, price, accuracy].join(", "), "data-key": `front-${run}-${point.label}`,
    click: () => select(run, point), keydown: (event) => walk(event, index, marks),
  },
  !below && s("path", { class: `interval ${hue(run)}`, d: `M${left - 4} ${low}h8m-4 0V${high}m-4 0h8` }),
  s("circle", { class: "ring", cx: left, cy: top, r: 12 }),
  s("g", { transform: `translate(${left} ${top})` }, shape(run, point.baseline)),
  label && s("text", { class: chosen && "strong", ...label }, markText(marks[index])),
  s("circle", { class: "hit", cx: left, cy: top, r: reach(marks, index) }));
  return tip(element, title, price, accuracy, chosen ? "" : "Click to select");
}

function priceText({ energy_pj: pj, of_16_bits: share }) {
  return [energy(pj), share !== null && `${percent(share, 1)} of 16 bits`].filter(Boolean).join(", ");
}

function isSelected({ run, point }) {
  return run === state.run && point === selected();
}

/** Move the focus from one mark to another, or select it. */
function walk(event, index, marks) {
  const [before, after, last] = [Math.max(0, index - 1), Math.min(marks.length - 1, index + 1), marks.length - 1];
  const moves = { ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: last };
  if (event.key === "Enter" || event.key === " ") select(marks[index].run, marks[index].point);
  else if (event.key in moves) event.currentTarget.parentNode.children[moves[event.key]].focus();
  else return;
  event.preventDefault();
}

function markText({ point, below }) {
  const told = [point.label, !point.holds && "✗", below && `↓ ${percent(point.report.value, 1)}`];
  return told.filter(Boolean).join(" ");
}

/** How far around a point a press is meant for it: not beyond halfway to the next one. */
function reach(marks, index) {
  const distance = ({ left, top }) => Math.hypot(left - marks[index].left, top - marks[index].top);
  const halfway = marks.filter((_, other) => other !== index).map((other) => distance(other) / 2);
  return Math.max(6, Math.min(18, ...halfway));
}

const PLACES = [ // of a label beside its point, the best first: across, down, and where its text is anchored
  [14, 4, "start"], [-14, 4, "end"], [0, -15, "middle"], [0, 24, "middle"],
  [11, -10, "start"], [11, 18, "start"], [-11, -10, "end"], [-11, 18, "end"],
];

/** A place for each point's label where it hides nothing, or none; the selected point's is found first. */
function placed(marks, frame) {
  const taken = marks.map(({ left, top }) => ({ left: left - 8, right: left + 8, top: top - 8, bottom: top + 8 }));
  const apart = (one, other) => one.right < other.left || one.bottom < other.top;
  const free = (box) => box.left > frame.left && box.right < frame.right + 12 && box.top > frame.top - 18
    && taken.every((other) => apart(box, other) || apart(other, box));
  const labels = new Map();
  for (const each of [...marks].sort((one, other) => isSelected(other) - isSelected(one))) {
    if (each.run !== state.run && each.point.baseline) continue; // baselines of other runs lie on one another
    const wide = textWidth(markText(each), "600 12px");
    for (const [right, down, anchor] of PLACES) {
      const [x, y] = [each.left + right, each.top + down];
      const left = x - { start: 0, middle: wide / 2, end: wide }[anchor];
      const box = { left, right: left + wide, top: y - 11, bottom: y + 3 };
      if (!free(box)) continue;
      taken.push(box);
      labels.set(each, { x, y, "text-anchor": anchor });
      break;
    }
  }
  return marks.map((each) => labels.get(each));
}
