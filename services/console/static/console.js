// What the pages do beyond forms and links. Without it everything still works, by reloading.
"use strict";

// A form that was sent is not sent twice by an impatient click; its command would be the same one.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});
// "Back" shows the page as it was left: it may be sent again then.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
});

// An open menu closes with Escape, and when something else is wanted.
const menu = document.querySelector(".menu");
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu?.open) return;
  const wasWithin = menu.contains(document.activeElement);
  menu.open = false;
  if (wasWithin) menu.querySelector("summary").focus();
});
for (const kind of ["click", "focusin"]) {
  document.addEventListener(kind, (event) => {
    if (menu?.open && !menu.contains(event.target)) menu.open = false;
  });
}

// A page says when it is not being updated.
const stale = document.getElementById("stale");
document.body.addEventListener("htmx:sseError", async (event) => {
  stale.hidden = false;
  // A stream that was refused: the session may have ended.
  if (event.detail.source?.readyState !== EventSource.CLOSED) return;
  const me = await fetch("/v1/me").catch(() => null);
  if (me?.status === 401) signedOut();
});
document.body.addEventListener("signedOut", signedOut);
// Whoever has written nothing is sent to sign in; otherwise the page stays, and says what to do.
function signedOut() {
  const fields = document.querySelectorAll("main input, main textarea");
  const isWritten = [...fields].some((one) => one.value !== one.defaultValue);
  if (isWritten) {
    document.getElementById("signed-out").hidden = false;
    stale.hidden = true;
  } else {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
}
document.body.addEventListener("htmx:sseOpen", () => { stale.hidden = true; });
// What was refused is read first.
const problem = document.getElementById("problem");
if (problem) problem.focus();

// data-copy: copies the text of the element with that id.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  await navigator.clipboard.writeText(text);
  button.textContent = button.dataset.copied;
});

// What is shown once is gone when the page is left, also for a browser that keeps whole pages.
window.addEventListener("pagehide", () => {
  for (const secret of document.querySelectorAll("[data-once]")) secret.remove();
});

// A table that is wider than its place is scrolled with the keyboard, too.
function reachWideTables() {
  for (const table of document.querySelectorAll("main table")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
    else table.removeAttribute("tabindex");
  }
}
window.addEventListener("resize", reachWideTables);
document.body.addEventListener("htmx:afterSettle", reachWideTables);
document.addEventListener("toggle", reachWideTables, true);
reachWideTables();
