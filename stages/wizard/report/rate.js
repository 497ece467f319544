/* ---- Rating: two methods' results of one hole, without their names ---- */

const CRITERIA = {
  seamlessness: ["Seamlessness", "1 edge in plain sight – 5 no edge to be found"],
  artifacts: ["Artifacts", "1 many – 5 none"],
  contextual_accuracy: ["Contextual accuracy", "1 does not belong – 5 fits what surrounds it"],
};
const TIE = "tie";
const HEADER = ["rater", "id", "sample", "run", "against", "criterion", "value", "note"];
// What is asked of one pair, in the order of the keys: the choice, then A's and B's scores.
const QUESTIONS = [{ name: "preference" }, ...["A", "B"].flatMap((side) =>
  Object.keys(CRITERIA).map((criterion) => ({ name: `${side}-${criterion}`, side, criterion })))];
const RATINGS = `image-wizard-ratings-${data.key}`;

const before = stored(RATINGS, { last: "", raters: [] });
/** Rater → turn → what was answered. */
let answers = asMaps(before);
let turns = [];
let turn = 0;
let active = 0;

function asMaps({ raters }) {
  return new Map(raters.map(([name, own]) => [name, new Map(own)]));
}

const asLists = () => ({ last: rater(), raters: [...answers].map(([name, own]) => [name, [...own]]) });
const readAgain = () => { answers = asMaps(storedNow(RATINGS, asLists())); };

const rater = () => $("rater").value.trim() || "anonymous";
const given = (one) => answers.get(rater())?.get(one.key) ?? { scores: {}, note: "" };

/** A number from a text, the same in every browser (FNV-1a, its bits mixed). */
function hash(text) {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 16777619);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/**
 * A rater's own order of all pairs of methods on all results, in which, with one sample each, every
 * P turns in a row hold each of the P pairs once: turn t takes result t mod R and pair
 * (t + t / lcm(R, P)) mod P, which meet exactly once in R · P turns.
 */
function drawTurns(name) {
  const draw = (text) => hash(`${data.seed} ${name} ${text}`);
  const shuffled = (list) => list.map((one) => [draw(one.join(" ")), one]).sort(([a], [b]) => a - b).map(([, one]) => one);
  const results = shuffled(data.results.flatMap((result) =>
    Array.from({ length: samplesOf(result) }, (_, sample) => [result.id, sample])));
  const pairs = shuffled(data.rated.flatMap((first, place) => data.rated.slice(place + 1).map((second) => [first, second])));
  const round = (results.length * pairs.length) / (divisor(results.length, pairs.length) || 1);
  const found = new Map();
  for (let place = 0; place < results.length * pairs.length; place += 1) {
    const [id, wanted] = results[place % results.length];
    const pair = pairs[(place + Math.floor(place / round)) % pairs.length];
    const result = byId.get(id);
    if (!pair.every((method) => picture(result, method, wanted))) continue;
    // Methods with a single sample meet once, not once for each sample of another method.
    const sample = Math.max(...pair.map((method) => ownSample(result, method, wanted)));
    const key = JSON.stringify([id, sample, ...pair]);
    if (!found.has(key)) found.set(key, { key, result, sample, pair, turned: draw(key) % 2 === 1 });
  }
  return [...found.values()];
}

const ownSample = (result, method, sample) => Math.min(sample, result.views[method].length - 1);
const methodAt = (one, side) => one.pair[Number((side === "B") !== one.turned)];

/** Answers under the names of the questions: methods become A and B again. */
function namedAnswers(one) {
  const { preference, scores } = given(one);
  const named = {};
  if (preference) named.preference = preference === TIE ? TIE : ["A", "B"].find((side) => methodAt(one, side) === preference);
  for (const { name, side, criterion } of QUESTIONS.slice(1)) {
    const value = scores[methodAt(one, side)]?.[criterion];
    if (value) named[name] = String(value);
  }
  return named;
}

function record(change) {
  readAgain();
  const entry = structuredClone(given(turns[turn]));
  change(entry);
  if (!answers.has(rater())) answers.set(rater(), new Map());
  answers.get(rater()).set(turns[turn].key, entry);
  store(RATINGS, asLists());
  tellProgress();
}

function answer(question, value) {
  const one = turns[turn];
  record((entry) => {
    if (question.name === "preference") {
      entry.preference = value === TIE || !value ? value : methodAt(one, value);
    } else {
      const method = methodAt(one, question.side);
      entry.scores[method] = { ...entry.scores[method], [question.criterion]: value && Number(value) };
    }
  });
}

const nextQuestion = () => {
  const named = namedAnswers(turns[turn]);
  return QUESTIONS.findIndex((question) => !(question.name in named));
};

function choice(question, options, legend) {
  const group = radios(question.name, legend, options, null, (value) => {
    answer(question, value);
    moveTo(nextQuestion());
  });
  group.id = `q-${question.name}`;
  group.classList.toggle("both", question.name === "preference");
  group.addEventListener("focusin", () => moveTo(QUESTIONS.indexOf(question)));
  return group;
}

function moveTo(index) {
  active = index;
  QUESTIONS.forEach((question, place) =>
    $(`q-${question.name}`)?.classList.toggle("active", place === active));
}

function buildForm() {
  const digits = ["1", "2", "3", "4", "5"].map((digit) => [digit, digit]);
  const grid = make("div", { className: "score" },
    make("p", { className: "what", textContent: "Which result is better?" }),
    choice(QUESTIONS[0], [["A", "A"], [TIE, "No difference"], ["B", "B"]], "Which result is better?"),
    make("p", { className: "head lead", textContent: "Rate from 1 to 5, 5 is best" }),
    make("p", { className: "head", textContent: "A" }), make("p", { className: "head", textContent: "B" }));
  for (const [criterion, [label, help]] of Object.entries(CRITERIA)) {
    grid.append(make("p", { className: "what" }, label, make("small", { textContent: help })));
    for (const question of QUESTIONS.filter((one) => one.criterion === criterion)) {
      grid.append(choice(question, digits, `${label} of ${question.side}`));
    }
  }
  const note = make("textarea", { id: "note", maxLength: 2000 });
  note.addEventListener("input", () => record((entry) => { entry.note = note.value; }));
  $("rate-form").append(grid, make("label", { className: "note" }, "Note", note));
  $("rate-form").addEventListener("submit", (event) => event.preventDefault());
}

function showTurn() {
  const one = turns[turn];
  const figure = (view, caption, alt) => make("figure", {},
    make("img", { src: picture(one.result, view, one.sample), alt }), make("figcaption", { textContent: caption }));
  $("trio").replaceChildren(
    figure("masked", "The hole", "The photograph with the hole in stripes"),
    ...["A", "B"].map((side) => figure(methodAt(one, side), side, `Result ${side}`)));
  fillForm();
  tellProgress();
}

function fillForm() {
  const named = namedAnswers(turns[turn]);
  for (const input of $("rate-form").querySelectorAll("input")) {
    input.checked = named[input.name] === input.value;
  }
  $("note").value = given(turns[turn]).note ?? "";
  moveTo(nextQuestion());
}

const judged = () => turns.filter((one) => given(one).preference).length;

function tellProgress() {
  $("rate-count").textContent = `${turn + 1} of ${turns.length} · ${judged()} judged`
    + (saved ? "" : " · this browser does not keep ratings: export them before you close the page");
  $("export").disabled = !turns.some((one) => Object.keys(namedAnswers(one)).length);
}

function go(step) {
  turn = (turn + step + turns.length) % turns.length;
  if (document.activeElement?.type === "radio") document.activeElement.blur();
  showTurn();
}

/** Begin where this rater stopped. */
function enter() {
  turns = drawTurns(rater());
  turn = Math.max(0, turns.findIndex((one) => !given(one).preference));
  showTurn();
}

function takeBack() {
  const last = active === -1 ? QUESTIONS.length - 1 : active - 1;
  if (last < 0) return;
  answer(QUESTIONS[last], undefined);
  fillForm();
  moveTo(last);
}

function choose(question, value) {
  answer(question, value);
  fillForm();
}

function press(event) {
  if ($("view-rate").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("textarea, input:not([type=radio]), select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const question = QUESTIONS[active];
  if (key === "j" || key === "k") go(key === "j" ? 1 : -1);
  else if (key === "n") $("note").focus();
  else if (key === "backspace") takeBack();
  else if (key === "a" || key === "b") choose(QUESTIONS[0], key.toUpperCase());
  else if (key === "0") choose(QUESTIONS[0], TIE);
  else if ("12345".includes(key) && question?.criterion) choose(question, key);
  else return;
  event.preventDefault();
}

function exportRatings() {
  readAgain();
  const lines = [];
  for (const one of drawTurns(rater())) {
    const { preference, scores, note } = given(one);
    const own = [];
    if (preference) own.push([String(one.sample), ...one.pair, "preference", preference]);
    for (const method of one.pair) {
      for (const [criterion, value] of Object.entries(scores[method] ?? {})) {
        if (value) own.push([String(ownSample(one.result, method, one.sample)), method, "", criterion, String(value)]);
      }
    }
    // A note belongs to the pair, so it stands once, in the first of its rows.
    lines.push(...own.map((row, place) => [rater(), one.result.id, ...row, place ? "" : note ?? ""]));
  }
  const name = rater().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "anonymous";
  download(`ratings-${name}.csv`, [HEADER, ...lines]);
}

function startRating() {
  turns = drawTurns(rater());
  if (!turns.length) {
    $("rate-body").replaceChildren(make("p", { textContent: "There is no hole with results of two methods to compare." }));
    $("export").disabled = true;
    return;
  }
  $("rater").value = before.last === "anonymous" ? "" : before.last;
  $("rater").addEventListener("input", enter);
  $("export").addEventListener("click", exportRatings);
  $("previous").addEventListener("click", () => go(-1));
  $("next").addEventListener("click", () => go(1));
  document.addEventListener("keydown", press);
  buildForm();
  enter();
}
