/* ---- The viewer: one result enlarged, two of its pictures in turn ---- */

const viewer = { result: null, second: false, timer: 0 };
const FLICKER = 700; // milliseconds; three flashes a second and more can harm

function openViewer(result, sample) {
  viewer.result = result;
  fillSelect("viewer-sample", Array.from({ length: samplesOf(result) }, (_, index) => [String(index), String(index + 1)]), String(sample));
  $("viewer-samples").hidden = samplesOf(result) < 2;
  const there = viewsOf(result, sample);
  for (const [id, wanted] of [["viewer-first", $("viewer-first").value || $("right").value], ["viewer-second", $("viewer-second").value || "original"]]) {
    fillSelect(id, there.map((view) => [view, VIEWS.get(view)]), there.includes(wanted) ? wanted : there[0]);
  }
  $("viewer-name").textContent = result.id;
  const facts = [...Object.entries(result.facts), ["Hole", `${percentText(result)} of the image`]];
  if (result.prompt) facts.push(["Prompt", result.prompt]);
  if (result.error) facts.push(["Failed", result.error]);
  $("viewer-facts").replaceChildren(rows(make("table", { "aria-label": "Photograph" }), facts));
  if (result.status === "ok") $("viewer-facts").append(make("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "Metrics by method" }, scoreTable(result, sample)));
  if (!$("viewer").open) $("viewer").showModal();
  showPicture(false);
}

function showPicture(second) {
  viewer.second = second;
  const view = $(second ? "viewer-second" : "viewer-first").value;
  const image = $("viewer-picture");
  image.src = picture(viewer.result, view, Number($("viewer-sample").value)) ?? "data:,";
  image.alt = `${viewer.result.id}: ${VIEWS.get(view)}`;
  $("viewer-shown").textContent = ABOUT.get(view);
  image.decode().then(enlarge, () => {});
}

/** Whole pixels of the picture as squares, none of them blended with its neighbour. */
function enlarge() {
  const zoom = $("viewer-zoom").value;
  const image = $("viewer-picture");
  image.style.width = zoom === "fit" ? "" : `${(image.naturalWidth * Number(zoom)) / devicePixelRatio}px`;
  image.classList.toggle("fit", zoom === "fit");
}

function flicker() {
  clearInterval(viewer.timer);
  if ($("viewer-flicker").checked && $("viewer").open) {
    viewer.timer = setInterval(() => showPicture(!viewer.second), FLICKER);
  }
}

function stepViewer(step) {
  const list = selected();
  const place = list.findIndex((result) => result.id === viewer.result.id);
  openViewer(list[(place + step + list.length) % list.length], 0);
}

function stepZoom(step) {
  const options = $("viewer-zoom").options;
  $("viewer-zoom").selectedIndex = Math.min(options.length - 1, Math.max(0, $("viewer-zoom").selectedIndex + step));
  enlarge();
}

/** One line per metric, one column per method; every value with the decimals of its metric. */
function scoreTable(result, sample) {
  const methods = [...METHODS.keys()].filter((method) => result.scores[method]?.length);
  const own = data.metrics.filter((metric) => metric.name !== "hole_fraction");
  const head = make("tr", {}, ...["Metric", ...methods.map((method) => METHODS.get(method))].map((text) =>
    make("th", { scope: "col", textContent: text })));
  const lines = own.map((metric) => make("tr", {},
    make("th", { scope: "row", textContent: titleOf(metric) }),
    ...methods.map((method) => make("td", { textContent: told(metric.name, score(result, method, metric.name, sample)) }))));
  return make("table", { "aria-label": "Metrics" }, make("thead", {}, head), make("tbody", {}, ...lines));
}

function startViewer() {
  const swap = () => showPicture(!viewer.second);
  const turn = () => {
    $("viewer-flicker").checked = !$("viewer-flicker").checked;
    flicker();
  };
  $("viewer-swap").addEventListener("click", swap);
  $("viewer-back").addEventListener("click", () => stepViewer(-1));
  $("viewer-forth").addEventListener("click", () => stepViewer(1));
  $("viewer-first").addEventListener("change", () => showPicture(false));
  $("viewer-second").addEventListener("change", () => showPicture(true));
  $("viewer-sample").addEventListener("change", () => openViewer(viewer.result, Number($("viewer-sample").value)));
  $("viewer-zoom").addEventListener("change", enlarge);
  $("viewer-flicker").addEventListener("change", flicker);
  $("close").addEventListener("click", () => $("viewer").close());
  $("viewer").addEventListener("close", flicker);
  const keys = {
    ArrowLeft: () => stepViewer(-1), ArrowRight: () => stepViewer(1), " ": swap, f: turn,
    "+": () => stepZoom(1), "=": () => stepZoom(1), "-": () => stepZoom(-1),
  };
  $("viewer").addEventListener("keydown", (event) => {
    const scrolls = event.target === $("viewer-frame") && $("viewer-zoom").value !== "fit" && event.key.startsWith("Arrow");
    const busy = scrolls || event.target.matches("select, input") || (event.key === " " && event.target.matches("button"));
    if (busy || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
