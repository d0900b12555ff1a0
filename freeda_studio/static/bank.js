// The bank: select prototypes and retire them, or all that pass a filter.

import { ask, change, counted, whenShown } from "./changes.js";
import { completeNouns } from "./chips.js";
import { postJson } from "./talk.js";

const NAMED = 12; // nouns that a question names
const at = (id) => document.getElementById(id);
const boxes = () => [...document.querySelectorAll("#cards input[name=id]")];
let last = null; // the box that was used last, from which Shift selects

whenShown(() => {
  last = null;
  const narrow = matchMedia("(max-width: 62rem)").matches;
  if (at("filter")) at("filter").open = !narrow || Boolean(at("problem")); // on a phone the cards come first
  if (!at("tools")) return;
  at("tools").hidden = false;
  for (const each of document.querySelectorAll("#cards .select")) each.hidden = false;
  tell();
});

if (at("nouns")) completeNouns(at("nouns"));

function tell() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  at("selected").textContent = chosen ? `${chosen} selected` : "";
  at("retire").disabled = !chosen;
  at("all").checked = chosen === all.length;
  at("all").indeterminate = chosen > 0 && chosen < all.length;
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.id === "all") for (const each of boxes()) each.checked = box.checked;
  else if (box.name === "id") reach(box, event.shiftKey);
  else if (box.id === "retire") return void retire();
  else if (box.id === "prune") return void prune(box);
  else return;
  tell();
});

// With Shift, all from the box used before up to this one get its state.
function reach(box, shift) {
  const all = boxes();
  const [one, two] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (shift && one >= 0) for (const each of all.slice(one, two + 1)) each.checked = box.checked;
  last = box;
}

async function retire() {
  const chosen = boxes().filter((box) => box.checked);
  const ids = chosen.map((box) => box.value);
  const losses = new Map();
  for (const box of chosen) {
    const known = losses.get(box.dataset.noun) || { noun: box.dataset.noun, prototypes: 0, total: Number(box.dataset.count) };
    known.prototypes += 1;
    losses.set(known.noun, known);
  }
  const nouns = [...losses.values()].map((each) => ({ ...each, remaining: each.total - each.prototypes }));
  const what = counted(ids.length, "prototype");
  const message = await ask({
    title: `Retire ${what}?`,
    lines: [lost(nouns), "Older revisions keep them, and the history can bring them back."],
    yes: `Retire ${ids.length}`,
    field: "Why, for the history (may be empty)",
  });
  if (message === null) return;
  change(() => postJson("/api/v1/retire", { ids, message }), () => `${what} retired.`);
}

async function prune(button) {
  const selection = JSON.parse(at("tools").dataset.selection);
  button.disabled = true;
  const found = await postJson("/api/v1/prune", { ...selection, dry_run: true }).catch((error) => ({ error }));
  button.disabled = false;
  if (found.error) return void change(() => Promise.reject(found.error));
  const what = counted(found.prototypes, "prototype");
  const message = await ask({
    title: `Retire all ${what} that pass?`,
    lines: [lost(found.nouns), `The bank keeps ${counted(found.remaining, "prototype")}. Older revisions keep all, and the history can bring them back.`],
    yes: `Retire ${found.prototypes.toLocaleString("en")}`,
    field: "Why, for the history (may be empty)",
  });
  if (message === null) return;
  change(() => postJson("/api/v1/prune", { ...selection, message, seen: found.revision }), (done) => `${counted(done.prototypes, "prototype")} retired.`);
}

// What each noun loses and keeps.
function lost(nouns) {
  const named = nouns.slice(0, NAMED).map((each) => {
    const left = each.remaining ? `${each.remaining.toLocaleString("en")} remain` : "none remains";
    return `${each.prototypes.toLocaleString("en")} of ${each.noun || "no noun"}; ${left}`;
  });
  return nouns.length > NAMED ? [...named, `and of ${counted(nouns.length - NAMED, "more noun")}`] : named;
}
