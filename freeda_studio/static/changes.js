// Changes of the bank from a page that the server renders: ask, do, show the page anew, offer to take it back.

import { getJson, make, postJson, toast } from "./talk.js";

const WATCH = 4000; // milliseconds between looks at the bank's revision
const at = (id) => document.getElementById(id);
const listeners = [];

export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// What a page's script does with its content, now and whenever it is shown anew.
export function whenShown(run) {
  listeners.push(run);
  run();
}

// Ask a person. Gives what was written into the field, which may be nothing, or null for no.
export function ask({ title, lines, yes, field, value = "", danger = true, required = false, pattern = "" }) {
  const dialog = at("question");
  at("question-title").textContent = title;
  at("question-text").replaceChildren(...lines.map((line) => (Array.isArray(line) ? list(line) : make("p", {}, line))));
  at("question-field").hidden = !field;
  at("question-field").querySelector("label").textContent = field || "";
  Object.assign(at("question-answer"), { value, required, maxLength: 1000 });
  if (pattern) at("question-answer").pattern = pattern;
  else at("question-answer").removeAttribute("pattern");
  at("question-yes").textContent = yes;
  at("question-yes").className = danger ? "danger strong" : "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? at("question-answer").value : null), { once: true });
  });
}

const list = (items) => make("ul", {}, ...items.map((item) => make("li", {}, item)));

// Do something, then show the page anew. `done` says what came of it, and what takes it back, if anything does.
export async function perform(work, done) {
  try {
    const { text, undo } = done(await work());
    await renew();
    toast(text, undo && { text: "Undo", run: undo });
  } catch (error) {
    toast(error.message);
  }
}

// A change of what the bank shows, which a rollback takes back.
export function change(work, text) {
  return perform(work, (done) => {
    const { before, after } = done.change || done;
    const changed = before !== null && before !== after;
    const undo = changed && (() => change(() => postJson("/api/v1/rollback", { version: before, seen: after }), () => `Taken back: revision ${before} is shown again.`));
    return { text: text(done), undo: undo || undefined };
  });
}

// Fetch the page as it is now, and put its content and header in the place of the old ones.
export async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!fresh.getElementById("content") || !fresh.getElementById("bank")) throw new Error("The page cannot be shown anew; load it again.");
  const focused = document.activeElement ? document.activeElement.id : "";
  document.title = fresh.title;
  for (const id of ["bank", "content"]) at(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
  for (const run of listeners) run();
  const again = focused && at(focused);
  if (again && !again.disabled) again.focus({ preventScroll: true });
  else {
    at("content").tabIndex = -1;
    at("content").focus({ preventScroll: true });
  }
}

// What other tabs and processes write to the bank is told, and shown when a person wants it.
let told = null;
setInterval(async () => {
  if (document.hidden || (at("question") && at("question").open)) return;
  const bank = await getJson("/api/v1/bank").catch(() => null);
  const now = bank && String(bank.revision ?? "");
  if (!bank || now === at("bank").dataset.revision || now === told) return;
  told = now;
  toast(`The bank is at revision ${bank.revision} now.`, { text: "Show it", run: () => renew().catch((error) => toast(error.message)) });
}, WATCH);
