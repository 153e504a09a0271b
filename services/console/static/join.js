// Accepts an invitation with the code behind the # of its link, signs in, and goes to the twin.
"use strict";

const form = document.getElementById("join");
const said = document.getElementById("joined");
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
if (code) form.code.value = code;
form.hidden = false;

async function send(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return [response.ok, await response.json()];
  } catch {
    return [false, { title: said.dataset.away, detail: "", remedy: "" }];
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  if (form.inert) return;
  form.inert = true;
  said.textContent = said.dataset.wait;
  const password = form.password.value;
  const [isIn, joined] = await send("/v1/invitations/accept", { code: form.code.value.trim(), password });
  const [isSignedIn] = isIn
    ? await send("/v1/sign-in", { email: joined.email, password })
    : [false];
  if (isIn) {
    const twin = `/console/${joined.tenant}`;
    return location.replace(isSignedIn ? twin : `/sign-in?next=${encodeURIComponent(twin)}`);
  }
  form.inert = false;
  form.password.value = "";
  const faults = (joined.errors || []).map((one) => `${one.field}: ${one.rule}.`);
  said.textContent = [joined.title, ...(faults.length ? faults : [joined.detail]), joined.remedy].join(" ");
  form.password.focus();
});
