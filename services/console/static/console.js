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
  for (const form of document.forms) delete form.dataset.sent;
});

// A page says when it is not being updated.
const stale = document.getElementById("stale");
document.body.addEventListener("htmx:sseError", () => { stale.hidden = false; });
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
