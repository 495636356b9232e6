// The trials: how the picked one learned beside those of the same bits, what came to nothing and why, and all of them.

const LOST = ["pruned", "failed", "died", "stopped"];
const KINDS = ["loss", "accuracy"];
const UNFOLDED = 40; // so many trials are listed without being asked for

function drawCurves() {
  const chosen = trials[state.trial];
  const some = trials.some(({ curve }) => curve.length > 0);
  byId("curves").hidden = !some;
  if (!some) return;
  fill(slot("curves", "choice"), trialChoice(), h("span", { class: "paper" }, chosen.name));
  fill(slot("curves", "told"), trialWords(chosen));
  const alike = trials.filter(({ bits, curve }) => bits === chosen.bits && curve.length > 0);
  fill(slot("curves", "pictures"), KINDS.map((kind) =>
    pictured((width) => curvePicture(kind, alike, chosen, width), { "data-kind": kind })));
}

function trialChoice() {
  const option = (each) => h("option", { value: trials.indexOf(each), selected: each === trials[state.trial] },
    `${each.network}, seed ${each.seed}${each.state === "complete" ? "" : `, ${each.state}`}`);
  const groups = report.bits.map((bits) =>
    h("optgroup", { label: bitsText(bits) }, trials.filter((each) => each.bits === bits).map(option)));
  const change = ({ target }) => pick(Number(target.value));
  return h("label", "Trial", h("select", { id: "trial-choice", "data-key": "trial-choice", change }, groups));
}

/** What came of a trial, in a sentence or two. */
function trialWords(trial) {
  const { curve, searched, reported, took, why, state: end } = trial;
  const found = searched !== null && reported !== null
    && `${percent(searched)} on the search split, ${percent(reported)} on the report split`;
  const parts = [`${nameOf(trial)}, seed ${trial.seed}: ${end}${why && `, ${why}`}`, counted(curve.length, "epoch"),
    took, energy(priceOf(trial)), found];
  return `${parts.filter(Boolean).join("; ")}.`;
}

function curvePicture(kind, alike, chosen, width) {
  if (alike.length === 0) return h("p", "It has no epoch yet, and neither has any other of the same bits.");
  const height = Math.round(Math.max(200, Math.min(280, width * 0.62)));
  const frame = { left: 48, right: width - 12, top: 30, bottom: height - 46 };
  const x = epochScale(Math.max(2, ...alike.map(({ curve }) => curve.length)), frame);
  const y = valueScale(alike.flatMap(({ curve }) => curve.map((epoch) => epoch[kind])), kind, frame);
  const back = alike.filter((each) => each !== chosen);
  const label = `${kind} by epoch of ${chosen.name}, and of ${back.length} others of ${bitsText(chosen.bits)}`;
  return picture(width, height, { role: "img", "aria-label": label },
    axes(x, y, frame, {
      left: `${kind}${y.logarithmic ? " (log scale)" : ""}`, below: "epoch", across: String,
      ...(kind === "loss" && { up: (tick) => String(Number(tick.toPrecision(3))) }),
    }),
    [...back, ...alike.filter((each) => each === chosen)].map((each) => trace(each, kind, x, y)));
}

function epochScale(last, frame) {
  const at = scale([1, last], [frame.left + 6, frame.right - 6]);
  return Object.assign((epoch) => at(epoch), { ticks: (wanted) => at.ticks(2 * wanted).filter(Number.isInteger) });
}

function valueScale(values, kind, frame) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spare = (high - low) * 0.05 || 0.05;
  const logarithmic = kind === "loss" && low > 0 && high > 10 * low;
  const ends = logarithmic ? [low / 1.1, high * 1.1] : [Math.max(0, low - spare), high + spare];
  return scale(ends, [frame.bottom, frame.top], logarithmic);
}

function trace(each, kind, x, y) {
  const stops = each.curve.map((epoch, index) => [x(index + 1), y(epoch[kind])]);
  const [left, top] = stops.at(-1);
  const d = `M${stops.map((stop) => stop.join(" ")).join("L")}`;
  const chosen = trials.indexOf(each) === state.trial;
  const drawing = s("g", { class: `trace ${chosen ? `chosen ${hue(seriesOf(each.bits))}` : "soft"}`,
    click: () => pick(trials.indexOf(each)) },
  s("path", { class: "curve", d }), s("path", { class: "wire", d }),
  s("circle", { class: "waypoint", cx: left, cy: top, r: chosen ? 4 : 2 }),
  s("circle", { class: "hit", cx: left, cy: top, r: 7 }));
  const { loss, accuracy } = each.curve.at(-1);
  const told = `after ${counted(each.curve.length, "epoch")}: loss ${three(loss)}, ${percent(accuracy)}`;
  return tip(drawing, each.name, told,
    each.state === "complete" ? "" : `${each.state}${each.why && `, ${each.why}`}`);
}

const NAME = { name: "name", title: "trial", kind: "text", text: ({ name }) => name,
  node: (each) => [bitMark(each.bits), each.name] };
const WHY = { name: "why", title: "why", kind: "wrap", text: ({ why }) => why };
const STATE = { name: "state", title: "state", kind: "text", text: ({ state: end }) => end };
const EPOCHS = number("epochs", "epochs", ({ curve }) => curve.length, String);
const WORKER = { name: "worker", title: "worker", kind: "text", text: ({ worker }) => worker };

/** The trials that ended without a network; the same whatever is selected. */
function drawLost() {
  const rows = trials.filter(({ state: end }) => LOST.includes(end));
  byId("lost").hidden = rows.length === 0;
  fill(slot("lost", "table"), rows.length > 0 && table({
    key: "lost-trial", file: "lost-trials", title: "Pruned, failed, died or stopped, and why", rows,
    columns: [NAME, STATE, WHY, EPOCHS, WORKER],
  }));
}

function drawTrials() {
  byId("trials").hidden = trials.length === 0;
  const optional = (key) => ({ [key]: value }) => value;
  const share = (value) => value === null ? "" : percent(value);
  const open = slot("trials", "table").querySelector("details")?.open;
  const frame = trials.length > 0 && table({
    key: "training", file: fileName("trials"), title: "Every training, by network, bits and seed", rows: trials,
    current: (each) => trials.indexOf(each) === state.trial,
    columns: [
      { name: "network", title: "network", kind: "text", text: ({ network }) => network,
        node: (each) => [bitMark(each.bits), picker(`trial-pick-${each.number}`, each.network, trials.indexOf(each),
          `Pick ${each.name}, trial ${each.number}`)] },
      number("bits", "bits", ({ bits }) => bits, String),
      number("seed", "seed", ({ seed }) => seed, String),
      STATE,
      number("energy_pj", "energy", priceOf, energy),
      number("search_accuracy", "search split", optional("searched"), share),
      number("report_accuracy", "report split", optional("reported"), share),
      EPOCHS,
      { ...number("seconds", "took", optional("seconds")), text: ({ took }) => took },
      { ...WHY, shown: trials.some(({ why }) => why) },
      WORKER,
      { name: "number", shown: false, value: ({ number: own }) => own },
    ],
  });
  fill(slot("trials", "table"), trials.length <= UNFOLDED ? frame
    : h("details", { open }, h("summary", `The ${trials.length} trials as a table`), frame));
}
