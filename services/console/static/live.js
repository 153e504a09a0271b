// Live parts are fetched again whenever the log moves. Whoever works in one does not notice it:
// it waits while they write, choose, press or listen, and what was open or in focus stays so.
const TYPED = "input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select";
const held = document.getElementById("held");
const waiting = new Set();
const wanted = new Set();
let pressed = null;
let kept = [];

// The part itself, and those that come with it.
function partsOf(part) {
  const beside = (part.getAttribute("hx-select-oob") ?? "").split(",").filter(Boolean);
  return [part, ...beside.map((one) => document.querySelector(one)).filter(Boolean)];
}

function isWritten(field) {
  if (field.matches("select")) {
    const standing = [...field.options].some((one) => one.defaultSelected);
    const first = standing || field.multiple ? null : field.options[0];
    return [...field.options].some((one) => one.selected !== (one.defaultSelected || one === first));
  }
  if (field.matches("[type=hidden]")) return false;
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

function isWorkedIn(part) {
  return partsOf(part).some((one) =>
    [...one.querySelectorAll("input, textarea, select")].some(isWritten)
    || [...one.querySelectorAll("audio, video")].some((media) => !media.paused)
    || (one.contains(document.activeElement) && document.activeElement.matches(TYPED)));
}

// What is replaced between press and release gets no click; a form that was sent is being left.
function isPressed(part) {
  return partsOf(part).some((one) => one.contains(pressed) || one.querySelector("form[data-sent]"));
}

// By what a thing is known again in the new part: its id, or what it does and for which row.
function signature(one) {
  if (one.id) return `#${one.id}`;
  const form = one.closest("form");
  // The key of a form is new each time.
  const sends = form ? [...form.querySelectorAll("input[type=hidden]:not([name=command], [name=csrf])")] : [];
  const row = one.closest("tr")?.querySelector("th");
  const words = one.matches("details") ? one.querySelector("summary") : one;
  return JSON.stringify([
    one.tagName, one.name, one.getAttribute("href"), one.getAttribute("src"), one.getAttribute("aria-label"),
    one.matches("table") ? "" : words?.textContent.trim(), row?.textContent.trim(),
    form?.action, sends.map((field) => [field.name, field.value]),
  ]);
}

// What finds the like of a thing in the part that comes in place of its own.
function finder(part, one) {
  const [like, tag] = [signature(one), one.tagName];
  const alike = (within) => [...within.querySelectorAll(tag)].filter((other) => signature(other) === like);
  const index = alike(part).indexOf(one);
  return () => {
    const now = document.getElementById(part.id);
    return now ? alike(now)[index] : undefined;
  };
}

// Returns for each thing that was turned, scrolled or focused how to find it, and to make it so again.
function keep(part) {
  const again = [];
  for (const one of part.querySelectorAll("details[data-turned]")) {
    again.push([finder(part, one), (now) => { now.open = one.open; now.dataset.turned = "yes"; }]);
  }
  for (const one of part.querySelectorAll("table")) {
    const left = one.scrollLeft;
    if (left) again.push([finder(part, one), (now) => { now.scrollLeft = left; }]);
  }
  const active = document.activeElement;
  if (part !== active && part.contains(active)) {
    again.push([finder(part, active), (now) => now.focus({ preventScroll: true })]);
  }
  return again;
}

// Says when a part is older than the log because somebody works in it, and how to have it renewed all the same.
function tell() {
  const parts = [...waiting].map((id) => document.getElementById(id)).filter(Boolean);
  held.hidden = !parts.some(isWorkedIn);
}

function renew(isWanted) {
  for (const id of [...waiting]) {
    const part = document.getElementById(id);
    if (part && !isWanted && (isWorkedIn(part) || isPressed(part))) continue;
    waiting.delete(id);
    if (!part) continue;
    if (isWanted) wanted.add(id);
    htmx.trigger(part, "sse:position");
  }
  tell();
}

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target: part, requestConfig, shouldSwap } = event.detail;
  if (!shouldSwap || requestConfig?.triggeringEvent?.type !== "sse:position") return;
  if (!wanted.delete(part.id) && (isWorkedIn(part) || isPressed(part))) {
    event.detail.shouldSwap = false;
    waiting.add(part.id);
  } else {
    waiting.delete(part.id);
    kept = partsOf(part).flatMap(keep);
  }
  tell();
});
document.body.addEventListener("htmx:afterSwap", () => {
  const again = kept;
  kept = [];
  for (const [find, makeSo] of again) {
    const now = find();
    if (now) makeSo(now);
  }
});

document.addEventListener("click", (event) => {
  const details = event.target.closest("summary")?.parentElement;
  if (details) details.dataset.turned = "yes";
});
document.addEventListener("pointerdown", (event) => { pressed = event.target; });
for (const kind of ["pointerup", "pointercancel"]) {
  // The click comes right after it.
  document.addEventListener(kind, () => setTimeout(() => { pressed = null; renew(false); }));
}
for (const kind of ["focusout", "input", "change", "reset", "pause", "ended"]) {
  document.addEventListener(kind, () => setTimeout(() => renew(false)), true);
}
// What goes on beside the log moves nothing when it ends: it is looked after while it is said to go on.
setInterval(() => {
  for (const mark of document.querySelectorAll("[data-going]")) {
    htmx.trigger(mark.closest("[hx-get]"), "sse:position");
  }
}, 2_000);
// After that of console.js, by which forms that were sent may be sent again.
window.addEventListener("pageshow", () => renew(false));
held.querySelector("button").addEventListener("click", () => renew(true));
