// Keeps a page fresh without touching what a person is typing: every few seconds the page's live parts are
// fetched as a fragment and swapped in by key, unless the part has the focus or is being dragged.
const PERIOD_MS = 1500;

export function live(root, { paused = () => false, onSwap = () => {} } = {}) {
  const source = root.dataset.liveSource;
  let token = root.dataset.liveToken || "";

  async function refresh({ force = false } = {}) {
    if (document.hidden && !force) return;
    let reply;
    try {
      const url = new URL(source, location.href);
      if (token && !force) url.searchParams.set("since", token);
      reply = await fetch(url, { headers: { "X-Live": "1" } });
    } catch {
      document.body.classList.add("offline");
      return;
    }
    document.body.classList.remove("offline");
    if (reply.status !== 200 || paused()) return;
    token = reply.headers.get("X-Live-Token") || "";
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const part of fresh.querySelectorAll("[data-live]")) swap(root, part);
    onSwap();
  }

  const loop = async () => {
    if (!paused()) await refresh();
    setTimeout(loop, PERIOD_MS);
  };
  setTimeout(loop, PERIOD_MS);
  return refresh;
}

function swap(root, part) {
  const old = root.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
  if (!old) return;
  // What a person folded out stays so.
  for (const open of old.querySelectorAll("details[open][id]")) part.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  if (old.outerHTML === part.outerHTML) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (focused && focused.matches("input, textarea, select")) return;
  const scroll = old.scrollTop;
  const again = focused && focused.id;
  const node = document.importNode(part, true);
  old.replaceWith(node);
  node.scrollTop = scroll;
  if (again) document.getElementById(again)?.focus();
}
