// Pictures of points by their energy and accuracy: the axes, stairs between points, labels where they hide nothing, and
// the keyboard. The points are one list for it: arrows walk it, Enter selects.

/** The scale of energies, logarithmic where they span more than a decade, or so many times. */
function across(least, most, frame, span = 10) {
  if (least > 0 && most > span * least) return scale([least / 1.25, most * 1.25], [frame.left, frame.right], true);
  const room = (most - least || most || 1) * 0.12;
  return scale([least - room, most + room], [frame.left, frame.right]);
}

function stairs(steps, frame) {
  if (steps.length === 0) return "";
  const corners = steps.map(({ left, top }, index) => index === 0 ? `M${left} ${top}` : `H${left}V${top}`);
  return `${corners.join("")}H${frame.right}`;
}

/** Both axes: `left` and `below` say what they are of, `across` and `up` (else as shares) print their values. */
function axes(x, y, frame, { left, below, across, up }) {
  const wide = frame.right - frame.left;
  const rows = y.ticks(Math.min(8, Math.floor((frame.bottom - frame.top) / 22)));
  const columns = x.ticks(Math.max(2, Math.floor(wide / (x.logarithmic ? 70 : 110))));
  return [
    rows.map((tick) => [
      s("line", { class: "gridline", x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
      s("text", { x: frame.left - 8, y: y(tick) + 4, "text-anchor": "end" }, (up ?? shares(y, rows))(tick)),
    ]),
    columns.map((tick) => [
      s("line", { class: "axis", x1: x(tick), x2: x(tick), y1: frame.bottom, y2: frame.bottom + 5 }),
      s("text", { x: x(tick), y: frame.bottom + 19, "text-anchor": "middle" }, across(tick)),
    ]),
    s("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    s("text", { y: 10 }, left),
    s("text", { x: frame.right, y: frame.bottom + 38, "text-anchor": "end" }, below),
  ];
}

/** How the ticks of a scale of shares are printed: with as many digits as their distance needs. */
function shares(y, ticks) {
  if (y.logarithmic) return (tick) => `${Number((100 * tick).toPrecision(4))} %`;
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  return (tick) => percent(tick, step < 0.00099 ? 2 : step < 0.0099 ? 1 : 0);
}

/** A round value's text without the zeros that its figures gave it. */
function roundText(text) {
  return text.replace(/(\.\d*?)0+(?= )/, "$1").replace(/\.(?= )/, "");
}

/** Move the focus from one of so many points to another, or act on this one. */
function walk(event, index, many, act) {
  const [before, after, last] = [Math.max(0, index - 1), Math.min(many - 1, index + 1), many - 1];
  const moves = { ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: last };
  if (event.key === "Enter" || event.key === " ") act();
  else if (event.key in moves) event.currentTarget.parentNode.children[moves[event.key]].focus();
  else return;
  event.preventDefault();
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
function placed(marks, frame, isSelected) {
  const taken = marks.map(({ left, top }) => ({ left: left - 8, right: left + 8, top: top - 8, bottom: top + 8 }));
  const apart = (one, other) => one.right < other.left || one.bottom < other.top;
  const free = (box) => box.left > frame.left && box.right < frame.right + 12 && box.top > frame.top - 18
    && taken.every((other) => apart(box, other) || apart(other, box));
  const labels = new Map();
  for (const each of marks.filter(({ label }) => label).sort((one, other) => isSelected(other) - isSelected(one))) {
    const wide = textWidth(each.label, "600 12px");
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
