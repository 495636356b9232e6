// What every page has: its data, choosers above, tiles, remarks, commands to copy, the data as JSON, and its theme.

const report = JSON.parse(byId("document").textContent);

function choice(title, id, names, chosen, act) {
  const options = names.map((name, value) => h("option", { value, selected: value === chosen }, name));
  const change = ({ target }) => act(Number(target.value));
  return h("label", title, h("select", { id, "data-key": id, change }, options));
}

function tile(label, { class: kind = "", tone = "" }, value, ...below) {
  return h("div", { class: `tile ${kind}`, "data-tile": label },
    h("p", label), h("p", { class: `value ${tone}` }, value), below.map((text) => h("p", text)));
}

function remarkList(remarks) {
  return remarks.length > 0 && h("ul", { class: "remarks" }, remarks.map((text) => h("li", text)));
}

/** Pairs of label and text for a `dl`. */
function factList(facts) {
  return facts.map(([label, value]) => h("div", h("dt", label), h("dd", value)));
}

function command(title, text) {
  return h("div", { class: "command" }, h("pre", h("code", words(text))), copyButton(`Copy ${title}`, () => text));
}

/** Code whose lines break between words only. */
function words(text) {
  return text.split(/(\s+)/).map((part) => part.trim() ? h("span", { class: "word" }, part) : part);
}

function drawData() {
  const text = JSON.stringify(report, null, 1);
  const area = h("textarea", { readonly: true, "aria-label": "The data as JSON", spellcheck: "false" });
  const show = () => { area.value = text; };
  fill(slot("data", "json"),
    h("div", { class: "actions" },
      copyButton("Copy JSON", () => text),
      button("Download JSON", () => download(`picojoule-${report.picojoule}.json`, "application/json", text))),
    h("details", { toggle: show }, h("summary", `Show it (${Math.ceil(text.length / 1024)} KiB)`), area));
}

/** The theme: the reader's system's, until the button is pressed. */
function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const { dataset } = document.documentElement;
  const other = () => (dataset.theme ?? (system.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
  const name = () => { byId("theme").textContent = other() === "dark" ? "Dark theme" : "Light theme"; };
  byId("theme").addEventListener("click", () => { dataset.theme = other(); name(); });
  system.addEventListener("change", name);
  name();
}

theme();
drawData();
