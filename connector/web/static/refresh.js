// Replaces the live part of the page every five seconds; rests while the tab is hidden. The page works without it.
const live = document.getElementById("live");
const every = 5000;

async function refresh() {
  if (document.hidden) return;
  try {
    const reply = await fetch(live.dataset.fragment, { cache: "no-store" });
    if (!reply.ok) throw new Error(String(reply.status));
    live.innerHTML = await reply.text();
    live.classList.remove("stale");
  } catch {
    live.classList.add("stale");
  }
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);
