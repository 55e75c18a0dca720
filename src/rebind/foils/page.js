"use strict";
const cards = [...document.querySelectorAll("article")];
const [search, family, state, shown, download, none] =
  ["search", "family", "state", "shown", "download", "none"].map((id) => document.getElementById(id));
const place = "rebind-foils/" + document.body.dataset.identity;
const idOf = (card) => JSON.stringify([card.dataset.filename, card.dataset.foil]);
let vetoes = new Map();
try {
  vetoes = new Map(JSON.parse(localStorage.getItem(place) || "[]"));
} catch (error) {
  console.warn("vetoes of an earlier visit cannot be read", error);
}

function keep() {
  try {
    localStorage.setItem(place, JSON.stringify([...vetoes]));
  } catch (error) {
    console.warn("vetoes last only until the page is closed: download them", error);
  }
  download.disabled = !vetoes.size;
  download.textContent = vetoes.size ? `Download vetoes.jsonl (${vetoes.size})` : "Download vetoes.jsonl";
}

function paint(card) {
  const veto = vetoes.get(idOf(card));
  const button = card.querySelector(".veto");
  const reason = card.querySelector(".reason");
  card.classList.toggle("vetoed", !!veto);
  button.setAttribute("aria-pressed", String(!!veto));
  button.textContent = veto ? "Vetoed" : "Veto";
  reason.hidden = !veto;
  reason.value = veto ? veto.reason : "";
}

function toggle(card) {
  const { family, filename, foil } = card.dataset;
  if (!vetoes.delete(idOf(card))) vetoes.set(idOf(card), { family, filename, foil, reason: "" });
  paint(card);
  keep();
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const card of cards) {
    const vetoed = vetoes.has(idOf(card));
    card.text ??= [card.dataset.filename, ...[...card.querySelectorAll("p span")].map((e) => e.textContent)].join(" ").toLowerCase();
    card.hidden =
      (family.value && card.dataset.family !== family.value) ||
      (state.value === "open" && vetoed) ||
      (state.value === "vetoed" && !vetoed) ||
      (state.value === "new" && !("new" in card.dataset)) ||
      !words.every((word) => card.text.includes(word));
    count += !card.hidden;
  }
  shown.value = `${count} of ${cards.length}`;
  none.hidden = count > 0;
}

function move(step) {
  const visible = cards.filter((card) => !card.hidden);
  if (!visible.length) return;
  const at = visible.indexOf(document.activeElement.closest("article"));
  const next = visible[at < 0 ? 0 : Math.min(Math.max(at + step, 0), visible.length - 1)];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function columns() {
  const visible = cards.filter((card) => !card.hidden);
  return visible.filter((card) => card.offsetTop === visible[0].offsetTop).length || 1;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) {
    const card = event.target.closest("article");
    if (event.key === "Escape" || (card && event.key === "Enter")) (card ?? event.target)[card ? "focus" : "blur"]();
    return;
  }
  const steps = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: columns, ArrowUp: () => -columns() };
  const card = document.activeElement.closest("article");
  if (event.key in steps) move(steps[event.key]());
  else if (event.key.toLowerCase() === "v" && card) toggle(card);
  else if (event.key === "/") search.focus();
  else return;
  event.preventDefault();
});
document.querySelector("main").addEventListener("click", (event) => {
  if (event.target.matches(".veto")) toggle(event.target.closest("article"));
});
document.querySelector("main").addEventListener("input", (event) => {
  const veto = vetoes.get(idOf(event.target.closest("article")));
  if (veto) veto.reason = event.target.value;
  keep();
});
for (const control of [search, family, state]) control.addEventListener("input", filter);
download.addEventListener("click", () => {
  const lines = [...vetoes.values()].map((veto) => JSON.stringify(veto) + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = "vetoes.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
cards.forEach(paint);
keep();
filter();
