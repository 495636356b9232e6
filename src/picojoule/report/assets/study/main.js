// The page of a sweep: the platform and the trial that are selected, and the sections that follow from them. Both stand
// in the address, so that a link keeps them and the browser's Back goes to those before.

const { candidates, trials, platforms } = report;
const owners = new Map(candidates.flatMap((each) => each.trials.map((index) => [index, each])));
const state = { split: "searched", hidden: new Set() };

const platform = () => platforms[state.platform];
const priceOf = ({ energy_pj: prices }) => prices[platform()?.name] ?? null;
const front = () => platform() ? platform().front.map((index) => candidates[index]) : [];
const counted = (many, word) => `${many} ${word}${many === 1 ? "" : "s"}`;
const bitsText = (bits) => counted(bits, "bit");
const nameOf = ({ network, bits }) => `${network}, ${bitsText(bits)}`;
const times = (saves) => saves >= 1 ? `${saves.toFixed(2)}× less` : `${(1 / saves).toFixed(2)}× more`;
const fileName = (what) => [platform()?.name, what].filter(Boolean).join("-");

/** Select a platform and a trial; everything on the page follows. */
function select({ platform: chosen = state.platform, trial = state.trial }) {
  Object.assign(state, { platform: chosen, trial });
  location.hash = new URLSearchParams({ platform: platform()?.name ?? "", trial: trials[trial]?.number ?? "" });
  draw();
  announce(present([platform()?.name, trials[trial]?.name]).join(", "));
}

const pick = (trial) => select({ trial });

/** Take the selection from the address, and say whether it is another; what names nothing here changes nothing. */
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const found = location.hash === "" ? begun : {
    platform: platforms.findIndex(({ name }) => name === asked.get("platform")),
    trial: trials.findIndex(({ number }) => String(number) === asked.get("trial")),
  };
  const changed = Object.keys(found).filter((key) => found[key] >= 0 && found[key] !== state[key]);
  for (const key of changed) state[key] = found[key];
  return changed.length > 0;
}

function draw() {
  for (const id of ["levels", "platforms"]) byId(id).hidden = candidates.length === 0;
  drawChooser();
  drawHeadline();
  drawFront();
  drawLevels();
  drawPlatforms();
  drawCurves();
  drawTrials();
}

function drawChooser() {
  const best = front().at(-1);
  fill(byId("chooser"),
    platforms.length > 0 && choice("Platform", "platform-choice", platforms.map(({ name }) => name), state.platform,
      (index) => select({ platform: index })),
    best && h("output", { for: "platform-choice" }, `${energy(priceOf(best))} · ${percent(best.searched.value)}`));
}

function drawHeadline() {
  const { name, title } = platform() ?? {};
  const done = trials.filter(({ state: end }) => end === "complete").length;
  fill(byId("title"), report.title);
  fill(byId("lede"), [
    `${namesOf(trials)} at ${listed(report.bits)} ${String(report.bits) === "1" ? "bit" : "bits"}`,
    `${done} of ${trials.length} trials complete`,
  ].join(" · "));
  fill(byId("headline-title"), name ? `On ${name}` : "Nothing to compare yet");
  fill(slot("headline", "says"), name
    ? `${title ? `${title}. ` : ""}Energies are per inference, and count on no zeros.`
    : "No network has an energy on any platform yet.");
  fill(slot("headline", "tiles"), tiles());
  fill(slot("headline", "remarks"), remarkList(report.remarks));
  fill(slot("headline", "facts"), factList(report.facts));
}

function listed(numbers) {
  return numbers.length > 1 ? `${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}` : numbers.join("");
}

function tiles() {
  const best = front().at(-1);
  if (!best) return [];
  const { levels, saves } = platform();
  const others = Object.entries(saves).filter(([bits, spread]) => spread && Number(bits) !== report.reference_bits);
  return [
    tile("least energy at the best accuracy", { class: "main" }, energy(priceOf(best)), nameOf(best),
      `${percent(best.searched.value)} on the search split, ${percent(best.reported.value)} on the report split`),
    tile("networks compared", {}, candidates.length,
      `${counted(report.bits.length, "bit count")} of ${namesOf(candidates)}`, `${front().length} on the front`),
    others.map(([bits, spread]) => tile(`${bitsText(Number(bits))} against ${report.reference_bits}`, {},
      times(spread.median), "energy at equal accuracy, in the median",
      `${spread.levels > 1 ? `${rangeText(spread)}, ` : ""}at ${spread.levels} of ${levels.length} accuracies`)),
  ];
}

/** How many networks there are, whatever their bits. */
function namesOf(some) {
  return counted(new Set(some.map(({ network }) => network)).size, "network");
}

/** From the least to the most that is saved, or else taken more. */
function rangeText({ least, most }) {
  const [from, to] = least < 1 && most <= 1 ? [most, least] : [least, most];
  return (from < 1) === (to < 1) ? `${times(from).split(" ")[0]} to ${times(to)}` : `${times(from)} to ${times(to)}`;
}

/** What follows from no selection. */
function drawRest() {
  const { recipe, rerun } = report;
  fill(slot("headline", "recipe"), recipe.toml && h("details", h("summary", `The recipe, ${recipe.name}`),
    command("recipe", recipe.toml)));
  fill(slot("rerun", "commands"), rerun.shell ? command("command", rerun.shell)
    : h("p", "This sweep was asked for in Python, with objects of its own."));
  drawLost();
}

const best = platforms[0]?.front.at(-1);
const begun = { // what is selected where the address names nothing: the best, or the first that has learned something
  platform: 0,
  trial: candidates[best]?.trials[0] ?? Math.max(0, trials.findIndex(({ curve }) => curve.length > 0)),
};
Object.assign(state, begun);
follow();
draw();
drawRest();
addEventListener("hashchange", () => { if (follow()) draw(); });
