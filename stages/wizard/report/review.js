"use strict";
// Text of others (names, titles, prompts, notes) enters the page through textContent and value only.

const data = JSON.parse(document.getElementById("data").textContent);
const METHODS = new Map(data.methods.map((method) => [method.name, method.label]));
const [MODEL] = METHODS.keys();
const VIEWS = new Map([["original", "Original"], ["masked", "Masked"], ...METHODS, ["error", "Difference"]]);
const ABOUT = new Map([
  ...VIEWS,
  ["masked", "Masked: the hole in stripes"],
  ["roundtrip", "Autoencoder round trip: the original, encoded and decoded by the model"],
  ["error", "Difference between model and original: black is none, light yellow 64 of 255 levels or more"],
]);
const metrics = new Map(data.metrics.map((metric) => [metric.name, metric]));
const byId = new Map(data.results.map((result) => [result.id, result]));
const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const known = (value) => value !== null && value !== undefined;
const titleOf = (metric) => (metric.unit ? `${metric.label} (${metric.unit})` : metric.label);

/** A value with the decimals of its metric, the same in a whole column. */
function told(name, value) {
  return known(value) ? value.toFixed(metrics.get(name)?.digits ?? 3) : "–";
}

function shown(name, value) {
  const unit = metrics.get(name)?.unit;
  return told(name, value) + (unit && known(value) ? ` ${unit}` : "");
}

const percentText = ({ hole_fraction: share }) => (known(share) ? `${(100 * share).toFixed(1)} %` : "–");

/* ---- A result: one hole, filled by several methods, some of them several times ---- */

const samplesOf = (result) => Math.max(1, ...Object.values(result.views).map((own) => own.length));
/** What a method made of a sample; a method with one sample stands beside all of another's. */
const atSample = (list, sample) => list?.[Math.min(sample, list.length - 1)];
const picture = (result, view, sample) => atSample(result.views[view], sample) ?? null;
const viewsOf = (result, sample) => [...VIEWS.keys()].filter((view) => picture(result, view, sample));

/** A method's value of a metric, over all samples where none is named. */
function score(result, method, metric, sample = null) {
  if (metric === "hole_fraction") return result.hole_fraction;
  const own = result.scores[method] ?? [];
  if (sample !== null) return atSample(own, sample)?.[metric];
  const values = own.map((one) => one[metric]).filter(known);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

/* ---- What stays in the browser ---- */

let saved = true;

function stored(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") ?? fallback;
  } catch {
    saved = false;
    return fallback;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    saved = false;
  }
}

/** What is stored now, as another tab of this browser may have stored more; without a store, our own. */
const storedNow = (key, own) => (saved ? stored(key, own) : own);

/** A CSV cell; a leading = + - @ would be run as a formula by spreadsheets, so it is quoted away. */
function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function download(name, lines) {
  const text = lines.map((line) => line.map(cell).join(",") + "\n").join("");
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/* ---- Results ---- */

function badness(metric, value) {
  if (metric.direction === "lower") return -value;
  if (metric.best !== null) return -Math.abs(value - metric.best);
  return value;
}

function limit(id) {
  const value = $(id).valueAsNumber;
  return Number.isNaN(value) ? null : value;
}

function within(value, low, high) {
  if (low === null && high === null) return true;
  if (!known(value)) return false;
  return (low === null || value >= low) && (high === null || value <= high);
}

function selected() {
  const metric = metrics.get($("sort").value);
  const direction = $("order").value === "worst" ? 1 : -1;
  const percent = ({ hole_fraction: share }) => (known(share) ? 100 * share : null);
  const kept = data.results.filter((result) =>
    within(score(result, $("of").value, $("filter").value), limit("low"), limit("high"))
    && within(percent(result), limit("hole-low"), limit("hole-high"))
    && ($("status").value === "" || result.status === $("status").value));
  const place = (result) => {
    const value = score(result, $("of").value, metric.name);
    return known(value) ? direction * badness(metric, value) : Infinity;
  };
  // Results without the value come last, whatever the order.
  return kept.sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x === y ? (a.id < b.id ? -1 : 1) : x - y;
  });
}

const cards = new Map();

function drawGrid() {
  const results = selected();
  for (const result of results) {
    if (!cards.has(result.id)) cards.set(result.id, card(result));
    cards.get(result.id).tellNumbers();
  }
  $("grid").replaceChildren(...results.map((result) => cards.get(result.id).element));
  if (!results.length) {
    $("grid").append(make("li", { className: "none", textContent: "Nothing fits this filter. Widen it to see results." }));
  }
  $("count").textContent = `${results.length} of ${data.results.length} results`;
  tellPicks();
}

function card(result) {
  let sample = Math.min(picks[result.id] ?? 0, samplesOf(result) - 1);
  const numbers = make("p", { className: "numbers" });
  const tellNumbers = () => {
    const names = new Set([data.headline, "psnr", $("sort").value]);
    names.delete("hole_fraction");
    const told = [...names].filter((name) => metrics.has(name)).map((name) =>
      [metrics.get(name).label, shown(name, score(result, $("of").value, name, sample))]);
    numbers.replaceChildren(...[...told, ["Hole", percentText(result)]].map(([label, value]) =>
      make("span", {}, `${label} `, make("b", { textContent: value }))));
  };
  const failed = result.status !== "ok";
  const head = make("div", { className: "line" },
    make("strong", { textContent: result.id }),
    result.reason ? make("span", { className: `badge ${failed ? "failed" : ""}`, textContent: result.reason }) : null);
  const slider = makeSlider(result, () => sample);
  const open = make("button", { type: "button", textContent: "Enlarge", "aria-label": `Enlarge ${result.id}` });
  open.addEventListener("click", () => openViewer(result, sample));
  const choose = (value) => {
    sample = value;
    slider.compare();
    tellNumbers();
  };
  const element = make("li", { className: "card" }, slider.frame, slider.strip,
    make("div", { className: "body" }, head,
      result.error ? make("p", { className: "why", textContent: result.error }) : null,
      result.prompt ? make("p", { className: "prompt", textContent: `“${result.prompt}”` }) : null,
      failed ? null : numbers, sampleRow(result, sample, choose), open));
  return { element, tellNumbers, compare: slider.compare };
}

/** Radio buttons as a row: one stop of the Tab key, arrow keys within. */
function radios(name, label, options, value, act) {
  return make("fieldset", { className: "choice", "aria-label": label }, ...options.map(([key, text]) => {
    const input = make("input", { type: "radio", name, value: String(key), checked: key === value });
    input.addEventListener("change", () => act(key));
    return make("label", {}, input, make("span", { textContent: text }));
  }));
}

/* Of several samples of one hole one may be kept: data/picks.csv. */

// Kept for this picks.csv: once the file is another, it is the file that counts.
const PICKS = `image-wizard-picks-${data.key}-${hash(JSON.stringify(data.picks))}`;
let picks = stored(PICKS, { ...data.picks });
/** What is exported: of a hole on this page only a sample that there is, of others all. */
const kept = () => Object.entries(picks).filter(([id, sample]) => !byId.has(id) || sample < samplesOf(byId.get(id)));

function sampleRow(result, sample, choose) {
  const count = samplesOf(result);
  if (count < 2) return null;
  const keep = make("button", { type: "button", textContent: "Keep this one" });
  const tell = (now) => {
    sample = now;
    keep.setAttribute("aria-pressed", String(picks[result.id] === now));
  };
  keep.addEventListener("click", () => {
    const again = picks[result.id] === sample;
    picks = storedNow(PICKS, picks);
    if (again) delete picks[result.id];
    else picks[result.id] = sample;
    store(PICKS, picks);
    tell(sample);
    tellPicks();
  });
  const options = Array.from({ length: count }, (_, index) => [index, String(index + 1)]);
  tell(sample);
  return make("div", { className: "samples" },
    radios(`sample-${result.id}`, `Sample of ${result.id}`, options, sample, (now) => { tell(now); choose(now); }), keep);
}

function tellPicks() {
  const count = kept().length;
  $("export-picks").hidden = !data.results.some((result) => samplesOf(result) > 1);
  $("export-picks").disabled = !count && !Object.keys(data.picks).length;
  $("export-picks").textContent = `Export picks.csv (${count} kept)`;
}

function exportPicks() {
  picks = storedNow(PICKS, picks);
  download("picks.csv", [["id", "sample"], ...kept().sort().map(([id, sample]) => [id, String(sample)])]);
}

function makeSlider(result, sampleNow) {
  const left = make("img", { className: "left", draggable: false });
  const right = make("img", { className: "right", draggable: false });
  const range = make("input", { type: "range", min: 0, max: 100, value: 50, step: 1 });
  const tags = [make("span", { className: "tag l" }), make("span", { className: "tag r" })];
  const frame = make("div", { className: "slider" }, left, right, make("div", { className: "bar" }), ...tags, range);
  const strip = make("fieldset", { className: "strip", "aria-label": `Right side of ${result.id}` });
  let own = null; // what this card alone shows on its right

  const tell = () => {
    frame.style.setProperty("--cut", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${tags[0].textContent}, the rest ${tags[1].textContent}`);
  };
  const compare = () => {
    const sample = sampleNow();
    const views = viewsOf(result, sample);
    const there = (view) => (views.includes(view) ? view : views.at(-1));
    const names = [there($("left").value), there(own ?? $("right").value)];
    [left, right].forEach((image, side) => {
      image.src = picture(result, names[side], sample) ?? "data:,";
      image.alt = `${result.id}: ${VIEWS.get(names[side])}`;
      tags[side].textContent = VIEWS.get(names[side]);
    });
    range.setAttribute("aria-label", `${result.id}: left ${tags[0].textContent}, right ${tags[1].textContent}`);
    for (const label of strip.children) {
      const [input, image] = label.children;
      input.checked = input.value === names[1];
      label.hidden = !views.includes(input.value);
      if (!label.hidden) image.src = picture(result, input.value, sample);
    }
    tell();
  };
  const ofAnySample = [...VIEWS.keys()].filter((view) => result.views[view]?.some(known));
  strip.append(...ofAnySample.map((view) => {
    const input = make("input", { type: "radio", name: `right-${result.id}`, value: view });
    input.addEventListener("change", () => { own = view; compare(); });
    return make("label", { title: ABOUT.get(view) }, input,
      make("img", { alt: "", loading: "lazy" }),
      make("span", { textContent: view === "roundtrip" ? "Round trip" : VIEWS.get(view) }));
  }));

  range.addEventListener("input", tell);
  const follow = (event) => {
    const box = frame.getBoundingClientRect();
    range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
    tell();
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  compare();
  return { frame, strip, compare: (all = false) => { if (all) own = null; compare(); } };
}

/* ---- Ranking ---- */

/** The methods by one metric, best first, as metrics/ranking.json has them. */
function drawRanking() {
  const name = $("ranked-by").value;
  const figures = Object.entries(data.ranking[name] ?? {}).sort(([, a], [, b]) => (a.rank ?? Infinity) - (b.rank ?? Infinity));
  const range = (value, low, high) => (known(low) && low !== high ? `${value} (${low}–${high})` : value);
  const lines = figures.map(([method, one]) => [
    known(one.rank) ? range(String(one.rank), one.rank_low, one.rank_high) : "–",
    METHODS.get(method) ?? method,
    bounds(name, one, "", "mean"),
    one.rank === 1 ? "" : bounds(name, one, "behind_", "behind"),
    known(one.wins) ? `${Math.round(100 * one.wins)} %` : "–",
  ]);
  $("ranking").replaceChildren(
    make("thead", {}, make("tr", {}, ...["Rank", "Method", titleOf(metrics.get(name)), "Behind the first", "Wins"].map((text) => make("th", { scope: "col", textContent: text })))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map((text) => make("td", { textContent: text }))))));
}

/** A figure with its 95% interval, where there is one. */
function bounds(name, figures, prefix, key) {
  const [low, high] = ["low", "high"].map((end) => figures[prefix + end]);
  return told(name, figures[key]) + (known(low) ? ` [${told(name, low)}, ${told(name, high)}]` : "");
}

/* ---- Page ---- */

function fillSelect(id, pairs, value) {
  $(id).replaceChildren(...pairs.map(([key, label]) => make("option", { value: key, textContent: label })));
  $(id).value = value;
}

function rows(table, pairs) {
  table.replaceChildren(make("tbody", {}, ...pairs.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { textContent: value })))));
  return table;
}

// The part of the address that the page shows; what it wrote there itself needs no reading.
let address = null;
const KEPT = ["left", "right", "of", "sort", "order", "filter", "low", "high", "hole-low", "hole-high", "status"];
let defaults = {};

function showView(name) {
  for (const button of document.querySelectorAll("nav button")) {
    const own = button.dataset.view === name;
    if (own) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    $(`view-${button.dataset.view}`).hidden = !own;
  }
}

const viewNow = () => document.querySelector("nav [aria-current]").dataset.view;

/** Put into the address what was set, so that a bookmark or a link shows the same. */
function keepState() {
  const state = Object.fromEntries(KEPT.map((id) => [id, $(id).value]).filter(([id, value]) => value !== defaults[id]));
  if (viewNow() !== "results") state.view = viewNow();
  location.replace(`#${new URLSearchParams(state)}`);
  address = location.hash;
}

function readState() {
  if (location.hash === address) return;
  address = location.hash;
  const state = new URLSearchParams(location.hash.slice(1));
  for (const id of KEPT) {
    $(id).value = state.get(id) ?? defaults[id];
    // A select that has no such option would be empty.
    if ($(id).value === "" && defaults[id] !== "") $(id).value = defaults[id];
  }
  showView(["rate", "run"].includes(state.get("view")) ? state.get("view") : "results");
  cards.forEach((one) => one.compare(true));
  drawGrid();
}

function start() {
  const quality = Object.fromEntries(data.quality);
  const parts = [`${data.results.length} holes shown`];
  if (quality.count) parts.push(`${quality.count} results measured`, `${quality.failed ?? 0} failed`);
  for (const name of ["ssim", "psnr"]) {
    const mean = quality[`${name}.mean`];
    if (mean) parts.push(`mean ${metrics.get(name)?.label ?? name} ${shown(name, Number(mean))}`);
  }
  $("summary").textContent = parts.join(" · ");

  const names = data.metrics.map((metric) => [metric.name, titleOf(metric)]);
  fillSelect("sort", names, data.headline);
  fillSelect("filter", names, data.headline);
  fillSelect("of", data.methods.map(({ name, label }) => [name, label]), MODEL);
  const there = [...VIEWS].filter(([view]) => data.results.some((result) => view in result.views));
  fillSelect("left", there, "masked");
  fillSelect("right", there, MODEL);
  defaults = Object.fromEntries(KEPT.map((id) => [id, $(id).value]));
  for (const id of ["left", "right"]) $(id).addEventListener("change", () => cards.forEach((one) => one.compare(true)));
  for (const id of KEPT.slice(2)) $(id).addEventListener("input", drawGrid);
  $("tools").addEventListener("input", keepState);
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("export-picks").addEventListener("click", exportPicks);
  // On a narrow screen the controls would fill it before the first result.
  const narrow = matchMedia("(max-width: 640px)");
  const fold = () => { $("controls").open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();

  if (data.headline in data.ranking) { // some result of a ranked method was measured
    fillSelect("ranked-by", names.filter(([name]) => name in data.ranking), data.headline);
    $("ranked-by").addEventListener("input", drawRanking);
    drawRanking();
  }
  rows($("quality"), data.quality);
  rows($("settings"), data.settings);
  for (const button of document.querySelectorAll("nav button")) {
    button.addEventListener("click", () => { showView(button.dataset.view); keepState(); });
  }
  startViewer();
  startRating();
  readState();
  addEventListener("hashchange", readState);
}

document.addEventListener("DOMContentLoaded", start);
