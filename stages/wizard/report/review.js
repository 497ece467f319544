"use strict";
// Text of others (names, titles, notes) enters the page through textContent and value only.

const data = JSON.parse(document.getElementById("data").textContent);
const VIEWS = {
  original: "Original", masked: "Masked", model: "Model", baseline: "Baseline",
  roundtrip: "Ceiling", raw: "Raw", error: "Error",
};
const ABOUT = {
  original: "Original", masked: "Masked: the hole in stripes", model: "Model", baseline: "Baseline",
  roundtrip: "Ceiling: the original after the autoencoder", raw: "Raw: the model before paste-back",
  error: "Error map: black no error, light yellow 64 of 255 levels or more",
};
const CRITERIA = {
  seamlessness: ["Seamlessness", "1 edge in plain sight – 5 no edge to be found"],
  artifacts: ["Artifacts", "1 many – 5 none"],
  contextual_accuracy: ["Contextual accuracy", "1 does not belong – 5 fits what surrounds it"],
};
const metrics = new Map(data.metrics.map((metric) => [metric.name, metric]));
const byName = new Map(data.results.map((result) => [result.name, result]));
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

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

function titleOf(metric) {
  return metric.unit ? `${metric.label} (${metric.unit})` : metric.label;
}

function shown(name, value) {
  const unit = metrics.get(name)?.unit;
  return number(value) + (unit && value !== null && value !== undefined ? ` ${unit}` : "");
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
  if (value === null || value === undefined) return false;
  return (low === null || value >= low) && (high === null || value <= high);
}

function selected() {
  const metric = metrics.get($("sort").value);
  const direction = $("order").value === "worst" ? 1 : -1;
  const percent = (result) => {
    const share = result.scores.hole_fraction;
    return share === null || share === undefined ? null : 100 * share;
  };
  const kept = data.results.filter((result) =>
    within(result.scores[$("filter").value], limit("low"), limit("high"))
    && within(percent(result), limit("hole-low"), limit("hole-high"))
    && ($("status").value === "" || result.status === $("status").value));
  const place = (result) => {
    const value = result.scores[metric.name];
    return value === null || value === undefined ? Infinity : direction * badness(metric, value);
  };
  // Results without the value come last, whatever the order.
  return kept.sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x === y ? (a.name < b.name ? -1 : 1) : x - y;
  });
}

const cards = new Map();

function drawGrid() {
  const results = selected();
  for (const result of results) {
    if (!cards.has(result.name)) cards.set(result.name, card(result));
    cards.get(result.name).tellNumbers();
  }
  $("grid").replaceChildren(...results.map((result) => cards.get(result.name).element));
  if (!results.length) {
    $("grid").append(make("li", { className: "none", textContent: "Nothing fits this filter. Widen it to see results." }));
  }
  $("count").textContent = `${results.length} of ${data.results.length} results`;
}

function card(result) {
  const numbers = make("p", { className: "numbers" });
  const tellNumbers = () => {
    const names = new Set([data.headline, "psnr", "hole_fraction", $("sort").value]);
    numbers.replaceChildren(...[...names].filter((name) => metrics.has(name)).map((name) =>
      make("span", {}, `${name === "hole_fraction" ? "Hole" : metrics.get(name).label} `,
        make("b", { textContent: name === "hole_fraction" ? percentText(result) : shown(name, result.scores[name]) }))));
  };
  const head = make("div", { className: "line" },
    make("strong", { textContent: result.name }),
    make("span", { className: `badge ${result.status === "ok" ? "" : "failed"}`, textContent: result.reason }));
  const element = make("li", { className: "card" });
  if (result.status !== "ok") {
    element.append(make("div", { className: "body" }, head,
      make("p", { className: "why", textContent: result.facts.Failed })));
    return { element, tellNumbers, compare() {} };
  }
  const slider = makeSlider(result);
  const open = make("button", { type: "button", textContent: "Details", "aria-label": `Details of ${result.name}` });
  open.addEventListener("click", () => showDetails(result));
  element.append(slider.frame, slider.strip, make("div", { className: "body" }, head, numbers, open));
  return { element, tellNumbers, compare: slider.compare };
}

function percentText(result) {
  const share = result.scores.hole_fraction;
  return share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
}

function makeSlider(result) {
  const left = make("img", { className: "left", draggable: false });
  const right = make("img", { className: "right", draggable: false });
  const range = make("input", { type: "range", min: 0, max: 100, value: 50, step: 1 });
  const tags = [make("span", { className: "tag l" }), make("span", { className: "tag r" })];
  const frame = make("div", { className: "slider" }, left, right,
    make("div", { className: "bar" }), ...tags, range);
  const views = Object.keys(VIEWS).filter((view) => view in result.views);
  const names = { left: null, right: null };

  const tell = () => {
    frame.style.setProperty("--cut", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${VIEWS[names.left]}, the rest ${VIEWS[names.right]}`);
  };
  const show = (side, view) => {
    if (!(view in result.views)) return;
    names[side] = view;
    const image = side === "left" ? left : right;
    image.src = result.views[view];
    image.alt = `${result.name}: ${VIEWS[view]}`;
    tags[side === "left" ? 0 : 1].textContent = VIEWS[view];
    range.setAttribute("aria-label", `${result.name}: left ${VIEWS[names.left]}, right ${VIEWS[names.right]}`);
    for (const button of strip.children) {
      button.setAttribute("aria-pressed", String(button.dataset.name === names.right));
    }
    tell();
  };
  const strip = make("div", { className: "strip", role: "group", "aria-label": `Right side of ${result.name}` },
    ...views.map((view) => {
      const button = make("button", { type: "button", title: ABOUT[view] },
        make("img", { src: result.views[view], alt: "", loading: "lazy" }),
        make("span", { textContent: VIEWS[view] }));
      button.dataset.name = view;
      button.addEventListener("click", () => show("right", view));
      return button;
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

  const compare = () => {
    show("left", $("left").value);
    show("right", $("right").value);
  };
  names.left = names.right = views[0];
  show("left", views[0]);
  compare();
  return { frame, strip, compare };
}

function figure(result, view, caption) {
  return make("figure", {},
    make("img", { src: result.views[view], alt: `${result.name}: ${caption}` }),
    make("figcaption", { textContent: caption }));
}

function rows(table, pairs) {
  table.replaceChildren(make("tbody", {}, ...pairs.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { textContent: value })))));
  return table;
}

function showDetails(result) {
  $("details-name").textContent = result.name;
  const views = Object.keys(VIEWS).filter((view) => view in result.views);
  $("details-body").replaceChildren(
    make("div", { className: "wide" }, ...views.map((view) => figure(result, view, ABOUT[view]))),
    rows(make("table", { "aria-label": "Photograph" }),
      [...Object.entries(result.facts), ["Hole", `${percentText(result)} of the image`]]),
    scoreTable(result));
  $("details").showModal();
}

/** A line a metric, a column a run. */
function scoreTable(result) {
  const prefix = (run) => (run === "model" ? "" : `${run}_`);
  const runs = ["model", "baseline", "roundtrip", "raw"].filter((run) => run in result.views);
  const own = data.metrics.filter((metric) =>
    metric.name !== "hole_fraction" && !runs.some((run) => metric.name.startsWith(`${run}_`)));
  const head = make("tr", {}, ...["Metric", ...runs.map((run) => VIEWS[run])].map((text) =>
    make("th", { scope: "col", textContent: text })));
  const lines = own.map((metric) => make("tr", {},
    make("th", { scope: "row", textContent: titleOf(metric) }),
    ...runs.map((run) => make("td", { textContent: number(result.scores[prefix(run) + metric.name]) }))));
  return make("table", { "aria-label": "Metrics" }, make("thead", {}, head), make("tbody", {}, ...lines));
}

/* ---- Rating ---- */

const STORE = `image-wizard-ratings-${data.key}`;
const queue = data.results
  .filter((result) => "model" in result.views && "baseline" in result.views && result.sample === 0)
  .sort((a, b) => a.turn - b.turn);
let kept = { raters: {}, last: "" };
let saved = true;
let turn = 0;
let active = 0;

function restore() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "null");
    if (stored && typeof stored.raters === "object") kept = stored;
  } catch {
    saved = false;
  }
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(kept));
  } catch {
    saved = false;
  }
  tellProgress();
}

const rater = () => $("rater").value.trim() || "anonymous";
const ratings = () => (Object.hasOwn(kept.raters, rater()) ? kept.raters[rater()] : {});

function rating(result) {
  const own = ratings();
  return Object.hasOwn(own, result.name) ? own[result.name] : { scores: {}, note: "" };
}

function record(change) {
  const result = queue[turn];
  const entry = structuredClone(rating(result));
  change(entry);
  Object.defineProperty(kept.raters, rater(), {
    value: { ...ratings(), [result.name]: entry }, enumerable: true, writable: true, configurable: true,
  });
  kept.last = rater();
  save();
}

// What is asked of one result, in the order of the keys: the choice, then A's and B's scores.
const QUESTIONS = [{ name: "preference" }, ...["A", "B"].flatMap((fill) =>
  Object.keys(CRITERIA).map((criterion) => ({ name: `${fill}-${criterion}`, fill, criterion })))];

const runOf = (result, fill) => ((fill === "A") === result.model_first ? "model" : "baseline");
const answered = (result, question) => question.name in namedAnswers(result);

/** Answers under the names of the questions: runs become A and B again. */
function namedAnswers(result) {
  const entry = rating(result);
  const answers = {};
  if (entry.preference) answers.preference = runOf(result, "A") === entry.preference ? "A" : "B";
  for (const { name, fill, criterion } of QUESTIONS.slice(1)) {
    const value = entry.scores[runOf(result, fill)]?.[criterion];
    if (value) answers[name] = String(value);
  }
  return answers;
}

function answer(question, value) {
  const result = queue[turn];
  record((entry) => {
    if (question.name === "preference") {
      entry.preference = value && runOf(result, value);
    } else {
      const run = runOf(result, question.fill);
      entry.scores[run] = { ...entry.scores[run], [question.criterion]: value && Number(value) };
    }
  });
}

function choice(question, options, legend) {
  const group = make("fieldset", { className: "choice", id: `q-${question.name}` },
    make("legend", { textContent: legend }));
  group.classList.toggle("both", question.name === "preference");
  for (const option of options) {
    const input = make("input", { type: "radio", name: question.name, value: option });
    input.addEventListener("change", () => {
      answer(question, option);
      moveTo(QUESTIONS.findIndex((other) => !answered(queue[turn], other)));
    });
    input.addEventListener("focus", () => moveTo(QUESTIONS.indexOf(question)));
    group.append(make("label", {}, input, make("span", { textContent: option })));
  }
  return group;
}

function moveTo(index) {
  active = index;
  QUESTIONS.forEach((question, place) =>
    $(`q-${question.name}`)?.classList.toggle("active", place === active));
}

function buildForm() {
  const digits = ["1", "2", "3", "4", "5"];
  const form = $("rate-form");
  const grid = make("div", { className: "score" },
    make("p", { className: "what", textContent: "Which fill is better?" }),
    choice(QUESTIONS[0], ["A", "B"], "Which fill is better?"),
    make("p", { className: "head lead", textContent: "Rate from 1 to 5, 5 is best" }),
    make("p", { className: "head", textContent: "A" }), make("p", { className: "head", textContent: "B" }));
  for (const [criterion, [label, help]] of Object.entries(CRITERIA)) {
    grid.append(make("p", { className: "what" }, label, make("small", { textContent: help })));
    for (const question of QUESTIONS.filter((one) => one.criterion === criterion)) {
      grid.append(choice(question, digits, `${label} of ${question.fill}`));
    }
  }
  const note = make("textarea", { id: "note", maxLength: 2000 });
  note.addEventListener("input", () => record((entry) => { entry.note = note.value; }));
  form.append(grid, make("label", { className: "note" }, "Note", note));
  form.addEventListener("submit", (event) => event.preventDefault());
}

function showTurn() {
  const result = queue[turn];
  const fills = ["A", "B"].map((fill) => make("figure", {},
    make("img", { src: result.views[runOf(result, fill)], alt: `Fill ${fill}` }),
    make("figcaption", { textContent: fill })));
  $("trio").replaceChildren(make("figure", {},
    make("img", { src: result.views.masked, alt: "The photograph with the hole in stripes" }),
    make("figcaption", { textContent: "The hole" })), ...fills);
  fillForm();
  tellProgress();
}

function fillForm() {
  const answers = namedAnswers(queue[turn]);
  for (const input of $("rate-form").querySelectorAll("input")) {
    input.checked = answers[input.name] === input.value;
  }
  $("note").value = rating(queue[turn]).note ?? "";
  moveTo(QUESTIONS.findIndex((question) => !(question.name in answers)));
}

function tellProgress() {
  const complete = queue.filter((result) => QUESTIONS.every((question) => answered(result, question)));
  $("rate-count").textContent = `${turn + 1} of ${queue.length} · ${complete.length} rated in full`
    + (saved ? "" : " · this browser does not keep ratings: export them before you close the page");
}

function go(step) {
  turn = (turn + step + queue.length) % queue.length;
  if (document.activeElement?.type === "radio") document.activeElement.blur();
  showTurn();
}

function takeBack() {
  const last = active === -1 ? QUESTIONS.length - 1 : active - 1;
  if (last < 0) return;
  answer(QUESTIONS[last], undefined);
  fillForm();
  moveTo(last);
}

function press(event) {
  if ($("view-rate").hidden || !queue.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("textarea, input:not([type=radio]), select");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const question = QUESTIONS[active];
  if (key === "j" || key === "k") go(key === "j" ? 1 : -1);
  else if (key === "n") $("note").focus();
  else if (key === "backspace") takeBack();
  else if (key === "a" || key === "b") choose(QUESTIONS[0], key.toUpperCase());
  else if ("12345".includes(key) && question?.criterion) choose(question, key);
  else return;
  event.preventDefault();
}

function choose(question, value) {
  answer(question, value);
  fillForm();
}

/** A CSV cell; a leading = + - @ would be run as a formula by spreadsheets, so it is quoted away. */
function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function ratingsCsv() {
  const lines = [["rater", "id", "run", "criterion", "value", "note"]];
  for (const [name, own] of Object.entries(kept.raters)) {
    for (const [key, entry] of Object.entries(own)) {
      const result = byName.get(key);
      if (!result) continue;
      const given = [];
      if (entry.preference) given.push(["", "preference", entry.preference]);
      for (const run of ["model", "baseline"]) {
        for (const criterion of Object.keys(CRITERIA)) {
          const value = entry.scores[run]?.[criterion];
          if (value) given.push([run, criterion, String(value)]);
        }
      }
      // A note belongs to the result, so it stands once, in the first of its rows.
      given.forEach((row, place) => lines.push([name, result.id, ...row, place ? "" : entry.note ?? ""]));
    }
  }
  return lines.map((line) => line.map(cell).join(",") + "\n").join("");
}

function download() {
  const address = URL.createObjectURL(new Blob([ratingsCsv()], { type: "text/csv" }));
  make("a", { href: address, download: "ratings.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/* ---- Page ---- */

function fillSelect(id, pairs, value) {
  $(id).replaceChildren(...pairs.map(([key, label]) => make("option", { value: key, textContent: label })));
  $(id).value = value;
}

function start() {
  const quality = Object.fromEntries(data.quality);
  const parts = [`${data.results.length} results shown`];
  if (quality.count) parts.push(`${quality.count} measured`, `${quality.failed ?? 0} failed`);
  if (quality["ssim.mean"]) parts.push(`mean SSIM ${number(Number(quality["ssim.mean"]))}`);
  if (quality["psnr.mean"]) parts.push(`mean PSNR ${number(Number(quality["psnr.mean"]))} dB`);
  $("summary").textContent = parts.join(" · ");

  const names = data.metrics.map((metric) => [metric.name, titleOf(metric)]);
  fillSelect("sort", names, data.headline);
  fillSelect("filter", names, data.headline);
  const there = Object.entries(VIEWS).filter(([view]) => data.results.some((result) => view in result.views));
  fillSelect("left", there, "masked");
  fillSelect("right", there, "model");
  for (const id of ["left", "right"]) {
    $(id).addEventListener("change", () => cards.forEach((one) => one.compare()));
  }
  for (const id of ["sort", "order", "filter", "low", "high", "hole-low", "hole-high", "status"]) {
    $(id).addEventListener("input", drawGrid);
  }
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  // On a narrow screen the controls would fill it before the first result.
  const narrow = matchMedia("(max-width: 640px)");
  const fold = () => { $("controls").open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();
  drawGrid();

  rows($("quality"), data.quality);
  rows($("settings"), data.settings);
  for (const button of document.querySelectorAll("nav button")) {
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("nav button")) {
        other.removeAttribute("aria-current");
        $(`view-${other.dataset.view}`).hidden = other !== button;
      }
      button.setAttribute("aria-current", "page");
    });
  }
  $("close").addEventListener("click", () => $("details").close());

  restore();
  $("first-only").hidden = !data.results.some((result) => result.sample > 0);
  $("export").addEventListener("click", download);
  if (!queue.length) {
    $("rate-body").replaceChildren(make("p", { textContent: "There is no result with both a model's and a baseline's fill to rate." }));
    return;
  }
  $("rater").value = kept.last;
  $("rater").addEventListener("input", fillForm);
  $("rater").addEventListener("input", tellProgress);
  $("previous").addEventListener("click", () => go(-1));
  $("next").addEventListener("click", () => go(1));
  document.addEventListener("keydown", press);
  buildForm();
  showTurn();
}

start();
