// The page: what is selected, and the sections that follow from it. The selection stands in the address, so that a link
// keeps it and the browser's Back goes to the one before.

const report = JSON.parse(byId("document").textContent);
const several = report.runs.length > 1;
const state = { run: 0, points: report.runs.map(({ selected }) => selected), axis: "energy", layer: "" };

const run = () => report.runs[state.run];
const selected = () => run().points[state.points[state.run]];
const pointName = (point) => point.keep === null ? `${point.label} everywhere` : `keep ${point.label}`;
const fileName = (what) => `${several ? `${run().name}-` : ""}${pointName(selected())}-${what}`;

function floorWord(point) {
  if (point.keep === null) return "baseline";
  return (point.holds ? "holds" : "out of reach") + (point.stopped ? ", stopped" : "");
}

/** Select a point of a run; everything on the page follows. */
function select(index, point) {
  state.run = index;
  state.points[index] = report.runs[index].points.indexOf(point);
  const parts = new URLSearchParams(several ? { run: run().name, point: point.label } : { point: point.label });
  location.hash = parts;
  draw();
  announce(`${several ? `${run().name}, ` : ""}${pointName(point)}: ${energy(point.energy_pj)}, ${percent(point.report.value)}`);
}

/** Take the selection from the address; one that names nothing of this page changes nothing. */
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const index = several ? report.runs.findIndex(({ name }) => name === asked.get("run")) : 0;
  const point = report.runs[index]?.points.findIndex(({ label }) => label === asked.get("point")) ?? -1;
  if (point < 0 || (index === state.run && point === state.points[index])) return;
  state.run = index;
  state.points[index] = point;
  draw();
}

function draw() {
  if (!selected().layers.some(({ layer }) => layer === state.layer)) state.layer = greediest(selected());
  drawChooser();
  drawHeadline();
  drawFront();
  if (several) drawRuns();
  drawLayers();
  drawValues();
  drawDecisions();
  drawPlatforms();
  drawRest();
}

/** The layer that takes most energy. */
function greediest({ layers }) {
  return layers.reduce((most, layer) => layer.energy_pj > most.energy_pj ? layer : most).layer;
}

function drawChooser() {
  const point = selected();
  const option = (title, value, chosen) => h("option", { value, selected: chosen }, title);
  fill(byId("chooser"),
    several && h("label", null, "Run", h("select", { id: "run-choice", "data-key": "run-choice",
      change: ({ target }) => select(Number(target.value), report.runs[target.value].points[state.points[target.value]]) },
    report.runs.map(({ name }, index) => option(name, index, index === state.run)))),
    h("label", null, "Point", h("select", { id: "point-choice", "data-key": "point-choice",
      change: ({ target }) => select(state.run, run().points[target.value]) },
    run().points.map((each, index) => option(pointName(each), index, each === point)))),
    h("output", { for: "point-choice" }, `${energy(point.energy_pj)} · ${percent(point.report.value)}`));
}

function drawHeadline() {
  const point = selected();
  const { network } = run();
  fill(byId("title"), several ? `${report.runs.length} runs side by side` : run().title);
  fill(byId("lede"), several ? "Energy and accuracy of quantised networks, each with its proof."
    : [`${network.layers.length} layers, ${count(network.macs)} MACs · ${run().strategy} search · platform ${run().platform}`,
      run().platform_title && ` (${run().platform_title})`]);
  fill(byId("headline-title"), several ? [mark(state.run), `${run().title}, ${pointName(point)}`] : `At ${pointName(point)}`);
  fill(slot("headline", "tiles"),
    tile("main", "energy per inference", energy(point.energy_pj), `on ${run().platform}`),
    tile("", "against 16 bits", saving(point.of_16_bits), against(point.of_16_bits, "fixed16")),
    tile("", "against 8 bits", saving(point.of_8_bits), against(point.of_8_bits, "fixed8")),
    tile("", "accuracy, report split", percent(point.report.value),
      `95 % interval ${interval(point.report)}`, `${figure(point.report.correct)} of ${count(point.report.total)} right`),
    floorTile(point));
  fill(slot("headline", "remarks"), point.remarks.length > 0 && h("ul", { class: "remarks" }, point.remarks.map((text) => h("li", null, text))));
  fill(slot("headline", "facts"), run().facts.map(([label, value]) => h("div", null, h("dt", null, label), h("dd", null, value))));
}

function tile(kind, label, value, ...below) {
  return h("div", { class: `tile ${kind}`, "data-tile": label }, h("p", null, label), value instanceof Node ? value : h("p", { class: "value" }, value),
    below.filter(Boolean).map((text) => h("p", null, text)));
}

function saving(share) {
  if (share === null) return "–";
  return share <= 1 ? `${percent(1 - share, 1)} less` : `${percent(share - 1, 1)} more`;
}

function against(share, label) {
  const baseline = run().points.find((point) => point.label === label);
  return share === null ? "no figure to compare with" : `${ratio(share)} of ${energy(baseline.energy_pj)}`;
}

/** A count of right samples; a metric's scores may add up to a fraction. */
function figure(correct) {
  return Number.isInteger(correct) ? count(correct) : correct.toFixed(1);
}

function floorTile(point) {
  const kept = ["search", "report"].filter((split) => point[split].kept !== null)
    .map((split) => `${ratio(point[split].kept)} kept, ${split} split`);
  if (point.keep === null) return tile("", "accuracy floor", "baseline", ...kept);
  const word = h("p", { class: `value ${point.holds ? "good" : "bad"}` }, `${point.holds ? "✓" : "✗"} ${floorWord(point)}`);
  return tile("", `accuracy floor ${point.label}`, word, ...kept);
}

function drawRest() {
  fill(slot("float", "list"), selected().in_float.map((text) => h("li", null, text)));
  const command = (title, text) => h("div", { class: "command" }, h("pre", null, h("code", null, words(text))), copyButton(`Copy ${title}`, () => text));
  fill(slot("rerun", "commands"),
    run().rerun.shell ? command("command", run().rerun.shell) : h("p", null, "This run was asked for in Python, with objects of its own."),
    command("Python", run().rerun.python));
}

/** A line of code that breaks between its words only. */
function words(text) {
  return text.split(/( +)/).map((part) => part.trim() ? h("span", { class: "word" }, part) : part);
}

function drawData() {
  const text = JSON.stringify(report, null, 1);
  const area = h("textarea", { readonly: true, "aria-label": "The data as JSON", spellcheck: "false" });
  const shown = h("details", { toggle: () => { area.value = text; } }, h("summary", null, `Show it (${Math.ceil(text.length / 1024)} KiB)`), area);
  fill(slot("data", "json"), h("div", { class: "actions" }, copyButton("Copy JSON", () => text),
    button("Download JSON", () => download("picojoule-report.json", "application/json", text))), shown);
}

/** The theme: the reader's system's, until the button is pressed. */
function theme() {
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };
  byId("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; name(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
}

for (const id of ["runs", "bits"]) byId(id).hidden = !several;
if (several) byId("bits").after(byId("headline"));
theme();
drawData();
follow();
draw();
addEventListener("hashchange", follow);
