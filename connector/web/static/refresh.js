// Replaces the live part of the page every five seconds; rests while the tab is hidden or somebody types into it, and
// gives the focus back to the button that had it. The page works without it.
const live = document.getElementById("live");
const every = 5000;
const SIGNED_OUT = 401;

function isTyping() {
  return [...live.querySelectorAll("input:not([type=hidden])")].some((each) => each === document.activeElement || each.value);
}

async function refresh() {
  if (document.hidden || isTyping()) return;
  try {
    const reply = await fetch(live.dataset.fragment, { cache: "no-store" });
    if (reply.status === SIGNED_OUT) return location.reload();
    if (!reply.ok) throw new Error(String(reply.status));
    const text = await reply.text();
    if (isTyping()) return;
    const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
    live.innerHTML = text;
    if (focused) document.getElementById(focused)?.focus();
    live.classList.remove("stale");
  } catch {
    live.classList.add("stale");
  }
}

setInterval(refresh, every);
document.addEventListener("visibilitychange", refresh);
