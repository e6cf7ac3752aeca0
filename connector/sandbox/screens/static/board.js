// The pipeline board: drag a card to another column, or choose a stage on the card and press Move.
import { live } from "./live.js";

const board = document.querySelector("[data-live-source]");
const toast = document.querySelector("#toast");
const refused = document.querySelector("#refused");
let dragging = null;

const refresh = live(board, { paused: () => dragging !== null });

board.addEventListener("dragstart", (event) => {
  const card = event.target.closest(".card");
  if (!card) return;
  dragging = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.dataset.deal);
  requestAnimationFrame(() => card.classList.add("dragged"));
});

board.addEventListener("dragend", () => {
  dragging?.classList.remove("dragged");
  dragging = null;
  for (const column of board.querySelectorAll(".over")) column.classList.remove("over");
});

board.addEventListener("dragover", (event) => {
  const column = event.target.closest(".column");
  if (!column || !dragging) return;
  event.preventDefault();
  for (const other of board.querySelectorAll(".over")) if (other !== column) other.classList.remove("over");
  column.classList.add("over");
});

board.addEventListener("drop", async (event) => {
  const column = event.target.closest(".column");
  if (!column || !dragging) return;
  event.preventDefault();
  const card = dragging;
  column.querySelector(".cards").prepend(card);
  dragging = null;
  card.classList.remove("dragged");
  column.classList.remove("over");
  await move(card.dataset.deal, column.dataset.stage, `${card.dataset.name} → ${column.dataset.label}`);
});

board.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.move");
  if (!form) return;
  event.preventDefault();
  const select = form.querySelector("select");
  const card = form.closest(".card");
  const label = select.selectedOptions[0].textContent.trim();
  document.activeElement?.blur();
  await move(card.dataset.deal, select.value, `${card.dataset.name} → ${label}`);
});

async function move(deal, stage, words) {
  const reply = await fetch(`${board.dataset.dealUrl}/${encodeURIComponent(deal)}/stage`, {
    method: "POST",
    headers: { "X-Live": "1" },
    body: new URLSearchParams({ stage }),
  });
  if (reply.ok) say(words, true);
  tell(reply.ok ? "" : await reply.text());
  await refresh({ force: true });
}

// What the CRM's rules say against a move stays until it is closed or the next move goes through.
function tell(html) {
  refused.innerHTML = html;
  refused.hidden = !html;
  if (html) refused.focus();
}

refused.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) tell("");
});

function say(words, ok) {
  toast.textContent = words;
  toast.className = ok ? "shown" : "shown bad";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (toast.className = ""), 4000);
}
