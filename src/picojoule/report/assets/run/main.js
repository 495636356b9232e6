// The page: what is selected, and the sections that follow from it. The selection stands in the address, so that a link
// keeps it and the browser's Back goes to the one before.

const several = report.runs.length > 1;
const state = { run: 0, points: report.runs.map(({ selected }) => selected), axis: "energy", layer: "" };

const run = () => report.runs[state.run];
const selected = () => run().points[state.points[state.run]];
const oneFormat = ({ numbers }) => numbers.endsWith(" everywhere");
const pointName = (point) => point.baseline && oneFormat(point) ? `${point.label} everywhere`
  : point.keep === null ? point.label : `keep ${point.label}`;
const fileName = (what) => `${several ? `${run().name}-` : ""}${pointName(selected())}-${what}`;

function floorWord(point) {
  if (point.keep === null) return point.baseline ? "baseline" : "none asked for";
  return (point.holds ? "holds" : "out of reach") + (point.stopped ? ", stopped" : "");
}

/** Select a point of a run; everything on the page follows. */
function select(index, point) {
  state.run = index;
  state.points[index] = report.runs[index].points.indexOf(point);
  const name = several ? { run: run().name } : {};
  location.hash = new URLSearchParams({ ...name, point: point.label });
  draw();
  announce(present([name.run, pointName(point), energy(point.energy_pj), percent(point.report.value)]).join(", "));
}

/** Take the selection from the address, and say whether it is another; one that names nothing here changes nothing. */
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const index = several ? report.runs.findIndex(({ name }) => name === asked.get("run")) : 0;
  const point = report.runs[index]?.points.findIndex(({ label }) => label === asked.get("point")) ?? -1;
  if (point < 0 || (index === state.run && point === state.points[index])) return false;
  state.run = index;
  state.points[index] = point;
  return true;
}

function draw() {
  if (!selected().layers.some(({ layer }) => layer === state.layer)) state.layer = greediest(selected());
  drawChooser();
  drawHeadline();
  drawFront();
  drawFloors();
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
  fill(byId("chooser"),
    several && choice("Run", "run-choice", report.runs.map(({ name }) => name), state.run,
      (index) => select(index, report.runs[index].points[state.points[index]])),
    choice("Point", "point-choice", run().points.map(pointName), state.points[state.run],
      (index) => select(state.run, run().points[index])),
    h("output", { for: "point-choice" }, `${energy(point.energy_pj)} · ${percent(point.report.value)}`));
}

function drawHeadline() {
  const point = selected();
  const { title, strategy, platform, platform_title: told, network, facts } = run();
  const size = `${network.layers.length} layers, ${count(network.macs)} MACs`;
  const where = `platform ${platform}${told && ` (${told})`}`;
  fill(byId("title"), several ? `${report.runs.length} runs side by side` : title);
  fill(byId("lede"), several ? "Energy and accuracy of quantised networks, each with its proof."
    : [size, strategy ? `${strategy} search` : "trained", where].join(" · "));
  fill(byId("headline-title"), several ? [runMark(state.run), `${title}, `] : "At ", pointName(point));
  fill(slot("headline", "tiles"), tiles(point));
  fill(slot("headline", "remarks"), remarkList([...point.remarks, ...run().left_out]));
  fill(slot("headline", "facts"), factList(facts));
}

function tiles(point) {
  const { correct, total } = point.report;
  return [
    tile("energy per inference", { class: "main" }, energy(point.energy_pj), `on ${run().platform}`),
    tile("against 16 bits", {}, saving(point.of_16_bits), against(point.of_16_bits, "fixed16")),
    tile("against 8 bits", {}, saving(point.of_8_bits), against(point.of_8_bits, "fixed8")),
    tile("accuracy, report split", {}, percent(point.report.value), `95 % interval ${interval(point.report)}`,
      `${figure(correct)} of ${count(total)} right`),
    floorTile(point),
  ];
}

function floorTile(point) {
  const kept = ["search", "report"].filter((split) => point[split].kept !== null)
    .map((split) => `${ratio(point[split].kept)} kept, ${split} split`);
  if (point.keep === null) return tile("accuracy floor", {}, floorWord(point), ...kept);
  const [sign, tone] = point.holds ? ["✓", "good"] : ["✗", "bad"];
  const { confidence } = run();
  const lossless = point.keep === 1 && point.search.lost === 0; // by which such a floor holds, whatever the confidence
  const how = confidence === null ? [] : [lossless ? "no sample lost" : `with ${sure(confidence)} confidence`];
  return tile(`accuracy floor ${point.label}`, { tone }, `${sign} ${floorWord(point)}`, ...how, ...kept);
}

function saving(share) {
  if (share === null) return "–";
  return share <= 1 ? `${percent(1 - share, 1)} less` : `${percent(share - 1, 1)} more`;
}

function against(share, label) {
  const baseline = run().points.find((point) => point.label === label);
  return share === null ? "no figure to compare with" : `${ratio(share)} of ${energy(baseline.energy_pj)}`;
}

function drawRest() {
  const { shell, python } = run().rerun;
  fill(slot("float", "list"), selected().in_float.map((text) => h("li", text)));
  fill(slot("rerun", "commands"),
    shell ? command("command", shell) : h("p", "This run was asked for in Python, with objects of its own."),
    command("Python", python));
}

for (const id of ["runs", "bits"]) byId(id).hidden = !several;
if (several) byId("bits").after(byId("headline"));
follow();
draw();
addEventListener("hashchange", () => { if (follow()) draw(); });
