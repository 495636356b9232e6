// Energy at equal accuracy: the cheapest network of each bit count at the accuracy of each 8-bit one, and what it
// saves, here and on every platform.

function drawLevels() {
  const { levels = [] } = platform() ?? {};
  fill(slot("levels", "says"), levelWords(levels));
  fill(slot("levels", "table"), levels.length > 0 && levelsTable(levels));
}

function levelWords(levels) {
  const reference = bitsText(report.reference_bits);
  if (front().length === 0) return "No network that is trained has a figure on the platform yet.";
  if (levels.length === 0) return `No network of ${reference} is trained, so there is none to hold the others against.`;
  const missing = levels.some((level) => pricedBits().some((bits) => !level.by_bits[bits]));
  return [
    `At the accuracy of each network of ${reference} that no other of ${reference} beats: the cheapest network of`,
    "each bit count that is at least as accurate on the search split, and how many times less energy it takes than",
    `${reference}; below 1 it takes more. The accuracies are those of ${reference}, which favours them if anything. The`,
    "least of each row is bold.",
    missing && "An empty cell: none of these bits is so accurate.",
  ].filter(Boolean).join(" ");
}

/** The bit counts with a figure on the platform. */
function pricedBits() {
  const { fronts = {} } = platform() ?? {};
  return Object.keys(fronts).map(Number).filter((bits) => fronts[bits].length > 0);
}

function levelsTable(levels) {
  const priced = (cell) => cell && priceOf(candidates[cell.candidate]);
  const rows = levels.map((level) => ({ ...level,
    least: Math.min(...Object.values(level.by_bits).map(priced)) }));
  return table({
    key: "level", file: fileName("equal-accuracy"), rows, foot: { foot: true },
    title: "The cheapest network of each bit count at least so accurate, on the search split",
    columns: [
      { name: "accuracy", title: "accuracy", kind: "text", value: ({ accuracy }) => accuracy,
        text: ({ accuracy, foot }) => foot ? "in the median" : percent(accuracy) },
      ...pricedBits().flatMap((bits) => [
        { name: `${bits}_bits_pj`, title: [bitMark(bits), bitsText(bits)], value: (row) => priced(row.by_bits[bits]),
          node: (row) => row.foot ? spreadCell(bits, platform()) : levelCell(bits, row) },
        { name: `${bits}_bits_saves`, shown: false, value: (row) => row.by_bits[bits]?.saves },
        { name: `${bits}_bits_network`, shown: false,
          value: (row) => candidates[row.by_bits[bits]?.candidate]?.network },
      ]),
    ],
  });
}

function levelCell(bits, { by_bits: found, least }) {
  if (!found[bits]) return "";
  const { saves, candidate } = found[bits];
  const each = candidates[candidate];
  const price = priceOf(each);
  const told = bits !== report.reference_bits && h("span", { class: "rank" }, `${saves.toFixed(2)}×`);
  return [h(price === least ? "b" : "span", energy(price)), told, h("div", { class: "below" }, each.network)];
}

/** What a bit count saves on a platform: the median over the accuracies, and from which to which. */
function spreadCell(bits, { saves, levels }) {
  const spread = saves[bits];
  if (!spread || bits === report.reference_bits) return "";
  const { least, median, most, levels: reached } = spread;
  const range = reached > 1 ? `${least.toFixed(2)} to ${most.toFixed(2)}, ` : "";
  return [`${median.toFixed(2)}×`, h("div", { class: "below" }, `${range}${reached} of ${levels.length}`)];
}

function drawPlatforms() {
  const counts = report.bits.filter((bits) => bits !== report.reference_bits
    && platforms.some(({ saves }) => saves[bits]));
  const best = ({ front: own }) => candidates[own.at(-1)];
  fill(slot("platforms", "table"), platforms.length > 0 && table({
    key: "platform", file: "platforms", rows: platforms, current: (each) => each === platform(),
    title: counts.length > 0
      ? `The front, and how many times less energy than ${report.reference_bits} bits at equal accuracy: median, `
        + "least to most, at how many accuracies"
      : "The front of every platform",
    columns: [
      { name: "platform", title: "platform", kind: "text", text: ({ name }) => name, node: platformName },
      { ...number("best_pj", "most accurate", (each) => best(each)?.energy_pj[each.name]),
        node: (each) => best(each) ? [energy(best(each).energy_pj[each.name]),
          h("div", { class: "below" }, nameOf(best(each)))] : "" },
      ...counts.flatMap((bits) => [
        { name: `${bits}_bits_median`, title: bitsText(bits), value: ({ saves }) => saves[bits]?.median,
          node: (each) => spreadCell(bits, each) },
        ...["least", "most", "levels"].map((what) =>
          ({ name: `${bits}_bits_${what}`, shown: false, value: ({ saves }) => saves[bits]?.[what] })),
      ]),
      { name: "front", title: "bits along the front", kind: "wrap",
        text: ({ front: own }) => own.map((index) => candidates[index].bits).join(" ") },
    ],
  }));
}

function platformName(each) {
  const act = () => select({ platform: platforms.indexOf(each) });
  return [button(each.name, act, { class: "link", title: each.title, "data-key": `platform-pick-${each.name}`,
    "aria-label": `Select platform ${each.name}` }), each.own && " (explored on)"];
}
