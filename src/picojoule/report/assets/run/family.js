// Families of number formats. Where the plans of a page are of several, a hue and a dash say which, everywhere alike;
// else those are a run's. A shape is a run's where there are several runs, else a family's.

const FAMILIES = { fixed: "fixed point", float: "floating point", codebook: "codebooks", mixed: "several families mixed" };
const UNROUNDED = SHAPES.length - 1; // the hue of what belongs to no family

const families = [...new Set(report.runs.flatMap(({ points, path }) => [...points, ...path])
  .map(({ family: name }) => name).filter(Boolean))].sort((one, other) => seriesOf(one) - seriesOf(other));
const byFamily = families.length > 1;

/** The place of a family in the order of hues; one that the table does not know comes after those. */
function seriesOf(name) {
  const known = Object.keys(FAMILIES);
  return name === null ? UNROUNDED : known.includes(name) ? known.indexOf(name) : known.length;
}

function familyName(name) {
  return name === null ? "not quantised" : FAMILIES[name] ?? name;
}

/** The hue of a run's plan, as a number. */
function hueOf(run, plan) {
  return byFamily ? seriesOf(plan.family) : run;
}

/** The mark of a run's plan. */
function planShape(run, plan) {
  const tone = hueOf(run, plan);
  return shape(several ? run : tone, plan.baseline, tone);
}

/** The mark of a run in a line of text: without a hue where those are families'. */
function runMark(run) {
  return mark(run, false, byFamily ? UNROUNDED : run);
}

/** Whether a run's curve is of plans in one format each, so that every family has its own. */
function oneFormatEach({ path }) {
  return byFamily && path.length > 0 && path.every(({ uniform }) => uniform);
}

/** The stops of a run's curve as lines: one, or one for each family. */
function branches(given, stops) {
  return Object.values(Object.groupBy(stops, ({ plan }) => oneFormatEach(given) ? plan.family : ""));
}

/** What numbers a plan is of; one format alone by its name. */
function numbersText({ numbers }) {
  return numbers.replace(/ everywhere$/, "");
}

/** For each floor and family the plan of least energy that holds it. */
function drawFamilies() {
  const { name, least, points, path } = run();
  const floors = points.filter(({ keep }) => keep !== null).map(({ label }) => label);
  const shown = families.filter((each) => [...points, ...path].some(({ family: own }) => own === each));
  const told = (floor, each) => least[floor][each];
  fill(slot("front", "families"), floors.length > 0 && shown.length > 1 && table({
    key: "family", file: several ? `${name}-families` : "families",
    title: `Least energy of each family that holds a floor on the search split${several ? `, of ${name}` : ""}`,
    rows: floors.map((floor) => ({ floor, best: cheapest(least[floor]) })),
    columns: [
      { name: "keep", title: "keep", kind: "text", text: ({ floor }) => floor },
      ...shown.flatMap((each) => [
        { name: `${each}_plan`, title: "plan", group: familyName(each), kind: "wrap", leads: true,
          text: ({ floor }) => told(floor, each) ? numbersText(told(floor, each)) : "none holds it" },
        { ...number(`${each}_pj`, "energy", ({ floor }) => told(floor, each)?.energy_pj ?? null,
          (pj) => pj === null ? "" : energy(pj)), group: familyName(each),
          node: ({ floor, best }) => told(floor, each)
            && h(best === each ? "strong" : "span", energy(told(floor, each).energy_pj)) },
      ]),
    ],
  }));
}

function cheapest(plans) {
  return Object.keys(plans).sort((one, other) => plans[one].energy_pj - plans[other].energy_pj)[0];
}
