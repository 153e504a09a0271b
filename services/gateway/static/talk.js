/* The month's meter beside a conversation, asked every two seconds while the page is looked at. */
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const list = document.getElementById("meter");
  const money = new Intl.NumberFormat(document.documentElement.lang, {
    style: "currency", currency: "USD", minimumFractionDigits: 4, maximumFractionDigits: 6,
  });

  async function show() {
    if (document.hidden) return;
    const answer = await fetch(`/talk/${encodeURIComponent(list.dataset.tenant)}/meter`);
    if (!answer.ok) return;
    const meter = await answer.json();
    for (const place of list.querySelectorAll("[data-of]")) {
      const grains = meter[place.dataset.of];
      place.textContent = grains === null ? "∞" : money.format(grains / meter.scale);
    }
  }

  const look = () => show().catch(() => {}).finally(() => setTimeout(look, EVERY_MS));
  look();
})();
