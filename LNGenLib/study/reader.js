"use strict";
/* The course of a study: start, cases, end; answers kept in the browser. */

const study = JSON.parse(document.getElementById("study").textContent);
const KEPT = `lngen-study:${study.study}`;
const get = (id) => document.getElementById(id);
const indices = new Map(study.cases.map(({ name }, index) => [name, index]));
const view = {
  black: study.black, white: study.white, low: study.window[0], high: study.window[1],
  field: commonField(study.cases), reach: study.reach, marker: true,
};
const planes = AXES.map((plane) => new Plane(plane, view, (level, width) =>
  setWindow(view.low + view.high + 2 * level, view.high - view.low + width)));
let state = restored();
let active = planes[0];
let since = null; // when the case in view came into view; null with none

/* ---- what is kept ---- */

function blank() {
  return { reader: "", years: null, index: 0, answers: study.cases.map(() => unanswered()) };
}

function unanswered() {
  return { rating: null, comment: "", seconds: 0 };
}

/* What an earlier visit kept; answers go by the names of their cases. */
function restored() {
  const fresh = blank();
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    if (!kept) return fresh;
    for (const { case: name, ...answer } of kept.answers)
      if (indices.has(name)) fresh.answers[indices.get(name)] = answer;
    return { ...fresh, reader: kept.reader, years: kept.years, index: indices.get(kept.case) ?? 0 };
  } catch {
    warn();
    return fresh;
  }
}

function keep() {
  tally();
  const { reader, years, index } = state;
  const named = state.answers.map((answer, i) => ({ case: study.cases[i].name, ...answer }));
  const content = { reader, years, case: study.cases[index].name, answers: named };
  try {
    localStorage.setItem(KEPT, JSON.stringify(content));
    get("warning").hidden = true;
  } catch {
    warn();
  }
}

function warn() {
  get("warning").textContent = "This browser cannot keep your answers. You can go on, but save "
    + "them at the end before you close or reload this page.";
  get("warning").hidden = false;
}

/* Add the time since a case came into view. */
function tally() {
  const now = performance.now();
  if (since === null) return;
  state.answers[state.index].seconds += (now - since) / 1000;
  since = now;
}

function startAnew() {
  if (!confirm("Delete all answers in this browser and start anew?")) return;
  since = null;
  state = blank();
  try {
    localStorage.removeItem(KEPT);
  } catch {
    warn();
  }
  showStart();
}

/* ---- the three screens ---- */

function show(screen) {
  for (const one of document.querySelectorAll("main")) one.hidden = one.id !== screen;
  since = screen === "reading" && !document.hidden ? performance.now() : null;
}

const rated = () => state.answers.filter(({ rating }) => rating !== null).length;

function showStart() {
  show("start");
  const touched = state.reader !== "";
  get("name").value = state.reader;
  get("years").value = state.years ?? "";
  get("begin").textContent = touched ? "Continue" : "Begin";
  get("progress").textContent = touched ? `${rated()} of ${study.cases.length} answered.` : "";
  document.querySelector("#start .anew").hidden = !touched;
  get("name").focus();
}

function showCase(index) {
  tally();
  state.index = Math.min(Math.max(index, 0), study.cases.length - 1);
  show("reading");
  keep();
  const stored = study.cases[state.index];
  const shown = unpack(stored);
  planes.forEach((plane) => plane.show(shown));
  get("title").textContent = `Case ${state.index + 1} of ${study.cases.length}`;
  get("case-name").textContent = stored.name;
  get("comment").value = state.answers[state.index].comment;
  get("back").disabled = state.index === 0;
  showAnswers();
  get("strip").children[state.index].scrollIntoView({ block: "nearest" });
}

function showAnswers() {
  const { rating } = state.answers[state.index];
  for (const button of get("ratings").children)
    button.setAttribute("aria-pressed", String(Number(button.dataset.rating) === rating));
  [...get("strip").children].forEach((cell, i) => {
    const answer = state.answers[i].rating;
    cell.className = answer === null ? "" : "done";
    cell.setAttribute("aria-current", String(i === state.index));
    cell.setAttribute("aria-label", `Case ${i + 1}, ${answer === null ? "open" : "answered"}`);
  });
}

function showEnd() {
  tally();
  show("end");
  keep();
  const open = study.cases.length - rated();
  const left = open ? ` ${open} ${open === 1 ? "is" : "are"} open and will be missing.` : "";
  get("answered").textContent = `${rated()} of ${study.cases.length} cases are answered.${left}`;
  get("json").value = exported();
  get("save").focus();
}

function exported() {
  const answers = state.answers
    .map(({ rating, comment, seconds }, i) => (
      { case: study.cases[i].name, rating, comment, seconds: Math.round(10 * seconds) / 10 }))
    .filter(({ rating }) => rating !== null);
  return JSON.stringify({
    study: study.study, reader: state.reader, experience_years: state.years, answers,
    answered: answers.length, of: study.cases.length, saved: new Date().toISOString(),
  }, null, 1);
}

function download() {
  get("json").value = exported();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([get("json").value], { type: "application/json" }));
  link.download = `answers-${state.reader.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
  document.body.append(link); // Firefox needs it there
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/* ---- what the reader does ---- */

function rate(rating) {
  state.answers[state.index].rating = rating;
  forward();
}

function forward() {
  if (state.index + 1 < study.cases.length) showCase(state.index + 1);
  else showEnd();
}

/* The window by twice its level and its width, in HU. */
function setWindow(twice, width) {
  const half = Math.min(Math.max(width, 10), study.white - study.black) / 2;
  const level = Math.min(Math.max(twice / 2, study.black), study.white);
  [view.low, view.high] = [level - half, level + half];
  get("level").value = level;
  get("width").value = 2 * half;
  const range = `${Math.round(view.low)} to ${Math.round(view.high)} HU`;
  get("range").textContent = range.replaceAll("-", "−");
  planes.forEach((plane) => plane.draw());
}

function resetWindow() {
  const [low, high] = study.window;
  setWindow(low + high, high - low);
}

function toggleMarker() {
  view.marker = !view.marker;
  get("marker").setAttribute("aria-pressed", String(view.marker));
  planes.forEach((plane) => plane.draw());
}

function activate(plane) {
  active = plane;
  planes.forEach((one) => one.figure.classList.toggle("active", one === plane));
}

const KEYS = {
  ArrowLeft: () => showCase(state.index - 1), ArrowRight: forward,
  ArrowUp: () => active.go(active.offset - 1), ArrowDown: () => active.go(active.offset + 1),
  m: toggleMarker, r: resetWindow,
};

function press(event) {
  const { key, target } = event;
  if (get("reading").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.repeat && key !== "ArrowUp" && key !== "ArrowDown") return; // a key held down
  if (target.id === "comment") {
    if (key === "Escape") active.figure.focus();
    return;
  }
  if (target.type === "range" && key.startsWith("Arrow")) return; // the slider's own
  const act = /^[1-5]$/.test(key) ? () => rate(Number(key)) : KEYS[key] ?? KEYS[key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

/* ---- putting it together ---- */

for (const plane of planes) {
  get("planes").append(plane.figure);
  plane.figure.addEventListener("pointerenter", () => {
    activate(plane);
    const focused = planes.some(({ figure }) => figure === document.activeElement);
    if (focused) plane.figure.focus({ preventScroll: true });
  });
  plane.figure.addEventListener("focusin", () => activate(plane));
}
activate(active);
study.cases.forEach((_, i) => {
  const cell = document.createElement("button");
  cell.textContent = i + 1;
  cell.addEventListener("click", () => showCase(i));
  get("strip").append(cell);
});
document.title = `Reader study ${study.study}`;
document.querySelector(".count").textContent = study.cases.length;
document.querySelector(".study").textContent = study.study;
Object.assign(get("level"), { min: study.black, max: study.white });
Object.assign(get("width"), { min: 10, max: study.white - study.black });
resetWindow();

get("who").addEventListener("submit", (event) => {
  event.preventDefault();
  state.reader = get("name").value.trim();
  state.years = get("years").value === "" ? null : Number(get("years").value);
  showCase(state.index);
  active.figure.focus();
});
get("level").addEventListener("input", () =>
  setWindow(2 * Number(get("level").value), view.high - view.low));
get("width").addEventListener("input", () =>
  setWindow(view.low + view.high, Number(get("width").value)));
for (const id of ["level", "width"]) // the arrow keys are the cases' again
  get(id).addEventListener("pointerup", () => get(id).blur());
get("reset").addEventListener("click", resetWindow);
get("marker").addEventListener("click", toggleMarker);
for (const button of get("ratings").children)
  button.addEventListener("click", () => rate(Number(button.dataset.rating)));
get("comment").addEventListener("input", () => {
  state.answers[state.index].comment = get("comment").value;
  keep();
});
get("back").addEventListener("click", KEYS.ArrowLeft);
get("forward").addEventListener("click", forward);
get("finish").addEventListener("click", showEnd);
get("save").addEventListener("click", download);
get("return").addEventListener("click", () => showCase(state.index));
for (const button of document.querySelectorAll(".anew"))
  button.addEventListener("click", startAnew);
document.addEventListener("keydown", press);
document.addEventListener("visibilitychange", () => {
  if (get("reading").hidden) return;
  if (document.hidden) {
    keep();
    since = null;
  } else since = performance.now();
});
window.addEventListener("pagehide", () => since !== null && keep());
window.addEventListener("beforeunload", (event) => {
  if (!get("warning").hidden && rated()) event.preventDefault();
});
showStart();
