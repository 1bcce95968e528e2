// What the page does beyond being read: it counts leases down, takes over what
// has changed since, and searches while somebody types. The server writes all
// the HTML; this file only replaces what is different.
"use strict";

const every = 5000; // ms between two reloads when nothing is known to have changed
const soonest = 1000; // ms between two reloads however much changes
const typing = 200; // ms without a key before the search begins
const patience = 30000; // ms before a refused stream of changes is asked for again
const maxChanges = 40;

const live = document.getElementById("live");
const connection = document.getElementById("connection");
const announcement = document.getElementById("announcement");
const search = document.getElementById("search");

// Countdowns. The server says how many seconds are left, so that the clocks
// need not agree.
let leases = [];

function collect() {
  const now = performance.now();
  leases = [...live.querySelectorAll(".lease")].map((cell) => {
    const left = cell.querySelector(".left");
    const beat = cell.querySelector(".beat");
    return {
      left, beat, bar: cell.querySelector("progress"),
      ends: now + left.dataset.left * 1000, began: now - beat.dataset.age * 1000,
    };
  });
  tick();
}

function tick() {
  const now = performance.now();
  for (const l of leases) {
    const seconds = (l.ends - now) / 1000;
    const low = seconds < l.bar.max / 3;
    l.left.textContent = seconds > 0 ? duration(seconds) : "overdue " + duration(-seconds);
    l.left.classList.toggle("low", low);
    l.beat.textContent = duration((now - l.began) / 1000);
    l.bar.value = Math.max(seconds, 0);
    l.bar.classList.toggle("low", low);
  }
}

function duration(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return s + " s";
  if (s < 600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

// morph makes an element like another one, and leaves alone what is the same:
// what somebody has unfolded, focused, selected or typed stays.
function morph(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && name !== "open") from.setAttribute(name, value);
  }
  const wanted = new Set([...to.children].map((e) => e.id));
  const byId = new Map();
  for (const e of [...from.children]) {
    if (!e.id) continue;
    if (wanted.has(e.id)) byId.set(e.id, e);
    else e.remove();
  }
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    let same = null;
    if (next.id) same = byId.get(next.id);
    else if (at && !at.id && at.nodeName === next.nodeName) same = at;
    if (!same) {
      from.insertBefore(next, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else from.insertBefore(same, at);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, next);
    else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Reloads, one at a time. A search gives up the one before; what a button has
// sent is not given up.
let timer = 0;
let loading = null;
let sending = false;
let loaded = performance.now();
let pace = soonest;

function plan(delay) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(reload, Math.max(delay, loaded + pace - performance.now(), 0));
}

// soon plans a reload because something has changed.
let planned = false;
function soon() {
  if (planned) return;
  planned = true;
  plan(0);
}

async function reload(request) {
  if (sending) {
    plan(soonest);
    return false;
  }
  if (loading) loading.abort();
  sending = Boolean(request);
  const mine = new AbortController();
  loading = mine;
  planned = false;
  clearTimeout(timer);
  const begin = performance.now();
  let problem = "";
  try {
    const answer = await fetch(request || location.href.split("#")[0], { signal: mine.signal, cache: "no-store" });
    const text = await answer.text();
    if (mine.signal.aborted) return false;
    if (answer.ok) show(text);
    else problem = (answer.headers.get("Content-Type") || "").startsWith("text/plain") && text.trim() || "the server answered " + answer.status;
  } catch {
    if (mine.signal.aborted) return false;
    problem = "the server cannot be reached";
  }
  loading = null;
  sending = false;
  loaded = performance.now();
  pace = Math.max(soonest, 10 * (loaded - begin)); // a slow server is not asked all the time
  say(problem);
  plan(planned ? 0 : every);
  return !problem;
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const main = next.getElementById("live");
  if (!main) return;
  morph(live, main);
  morph(document.querySelector("footer"), next.querySelector("footer"));
  document.body.dataset.revision = next.body.dataset.revision;
  collect();
}

// What stands beside the title.
let streaming = false;
let trouble = "";

function say(problem) {
  trouble = problem;
  connection.hidden = false;
  connection.classList.toggle("live", streaming && !trouble);
  const text = trouble || (streaming ? "Live" : "Every few seconds");
  if (connection.textContent !== text) connection.textContent = text;
}

// Changes as they happen.
let source = null;

function listen() {
  if (source || document.hidden) return;
  source = new EventSource("./page/events?since=" + encodeURIComponent(document.body.dataset.revision));
  source.onopen = () => { streaming = true; say(trouble); };
  source.onerror = () => {
    streaming = false;
    say(trouble);
    if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
    source = null;
    setTimeout(listen, patience);
  };
  source.addEventListener("change", (e) => {
    const change = JSON.parse(e.data);
    tell(change);
    soon();
  });
  source.addEventListener("reset", soon);
}

const words = { registered: "registered, ", changed: "is now ", canceled: "has left", expired: "lease ended" };

function sentence(change) {
  const status = change.status.toLowerCase().replaceAll("_", " ");
  const text = words[change.kind] || change.kind;
  return change.kind === "registered" || change.kind === "changed" ? text + status : text;
}

function tell(change) {
  const list = document.getElementById("change-list");
  const id = "c-" + change.revision;
  if (document.getElementById(id)) return;
  const item = document.createElement("li");
  item.id = id;
  item.className = change.kind + " fresh";
  const time = document.createElement("time");
  time.dateTime = change.at;
  time.textContent = new Date(change.at).toISOString().slice(11, 19);
  const what = document.createElement("span");
  what.className = "what";
  const name = document.createElement("b");
  name.textContent = change.id;
  const app = document.createElement("span");
  app.className = "muted";
  app.textContent = "of " + change.app;
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = sentence(change);
  what.append(name, " ", app, " ", kind);
  item.append(time, " ", what);
  list.querySelectorAll(".nothing").forEach((e) => e.remove());
  list.prepend(item);
  while (list.children.length > maxChanges) list.lastElementChild.remove();
  announce(change);
}

// Screen readers hear of a change at most every few seconds.
let unsaid = 0;
let saying = 0;

function announce(change) {
  unsaid++;
  if (saying) return;
  announcement.textContent = change.id + " of " + change.app + ": " + sentence(change);
  unsaid = 0;
  saying = setTimeout(() => {
    saying = 0;
    if (unsaid) announcement.textContent = unsaid + (unsaid === 1 ? " more change" : " more changes");
    unsaid = 0;
  }, every);
}

// Search while somebody types.
let keys = 0;
search.addEventListener("input", () => {
  clearTimeout(keys);
  keys = setTimeout(() => {
    const query = new URLSearchParams(new FormData(search));
    if (!query.get("q")) query.delete("q");
    history.replaceState(null, "", "?" + query);
    reload();
  }, typing);
});

// Buttons, without leaving the page.
live.addEventListener("submit", (e) => {
  if (!e.target.matches("form[data-operate]")) return;
  e.preventDefault();
  if (sending) return;
  const body = new URLSearchParams(new FormData(e.target, e.submitter));
  reload(new Request(e.target.action, { method: "POST", body }));
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
    streaming = false;
    return;
  }
  reload().then(listen);
});

setInterval(tick, 1000);
collect();
say("");
listen();
plan(every);
