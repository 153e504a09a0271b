// data-upload: a form whose file is sent beside the page, with its progress. Without scripts the
// browser sends it as any other form.
"use strict";

function tooLarge(input) {
  const isTooLarge = [...input.files].some((one) => one.size > Number(input.dataset.bytesMax));
  input.setCustomValidity(isTooLarge ? input.dataset.tooLarge : "");
  return isTooLarge;
}
document.addEventListener("change", (event) => {
  if (!event.target.matches?.("input[data-bytes-max]")) return;
  if (tooLarge(event.target)) event.target.reportValidity();
});

function ended(form) {
  delete form.dataset.sent;
  form.querySelector("[data-progress]").hidden = true;
  for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
}

// What was refused is said above; the form stays as it was, with its file.
function refused(form, text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const problem = page.getElementById("problem");
  if (!problem) return false;
  document.getElementById("problem")?.remove();
  document.getElementById("said").after(document.adoptNode(problem));
  const again = page.querySelector(`form[action="${form.getAttribute("action")}"] [name=command]`);
  if (again) form.elements.command.value = again.value;
  problem.focus();
  return true;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-upload]") || form.dataset.sent) return;
  event.preventDefault();
  const shown = form.querySelector("[data-progress]");
  const bar = shown.querySelector("progress"), words = shown.querySelector("[role=status]");
  shown.hidden = false;
  words.textContent = words.dataset.sending;
  bar.value = 0;
  const sending = new XMLHttpRequest();
  sending.upload.addEventListener("progress", (one) => {
    if (one.lengthComputable) bar.value = one.loaded / one.total;
  });
  sending.upload.addEventListener("load", () => {
    bar.value = 1;
    words.textContent = words.dataset.sent;
  });
  sending.addEventListener("load", () => {
    if (sending.status < 400 && !sending.responseURL.includes("/do/")) {
      location.assign(sending.responseURL);
      return;
    }
    ended(form);
    if (!refused(form, sending.responseText)) location.reload();
  });
  sending.addEventListener("error", () => {
    ended(form);
    shown.hidden = false;
    words.textContent = words.dataset.lost;
  });
  sending.open("POST", form.action);
  sending.send(new FormData(form));
});
