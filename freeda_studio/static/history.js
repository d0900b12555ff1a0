// The history: name revisions, and show again what an older one showed.

import { ask, change, counted, perform, whenShown } from "./changes.js";
import { getJson, postJson, remove } from "./talk.js";

const at = (id) => document.getElementById(id);

whenShown(() => {
  for (const each of document.querySelectorAll("[data-tag], [data-back], [data-untag]")) each.hidden = false;
  for (const each of document.querySelectorAll("time")) {
    const time = new Date(each.dateTime);
    if (!Number.isNaN(time.valueOf())) each.title = time.toLocaleString();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.tag) tag(Number(button.dataset.tag));
  else if (button.dataset.untag) untag(button.dataset.untag);
  else if (button.dataset.back) back(Number(button.dataset.back));
});

const tags = () => JSON.parse(at("revisions").dataset.tags);
const setTag = (name, version) => postJson("/api/v1/tags", { name, version, move: true });
const dropTag = async (name) => (await remove(`/api/v1/tags/${encodeURIComponent(name)}`)).json();

async function tag(number) {
  const name = await ask({
    title: `Name revision ${number}`,
    lines: ["A letter, then letters, digits, dots, underscores and hyphens. The bank is opened at it as BANK@NAME."],
    yes: "Tag",
    field: "Tag",
    danger: false,
    required: true,
    pattern: at("revisions").dataset.pattern,
  });
  if (name === null) return;
  const known = Object.hasOwn(tags(), name) ? tags()[name] : null;
  if (known !== null && known !== number) {
    const yes = await ask({
      title: `Move the tag ${name}?`,
      lines: [`It names revision ${known} now. Who opens the bank at ${name} will see revision ${number}.`],
      yes: "Move it",
    });
    if (yes === null) return;
  }
  const asked = { name, version: number, move: known !== null };
  perform(() => postJson("/api/v1/tags", asked), (done) => ({
    text: `${name} names revision ${number}.`,
    undo: done.before === number ? undefined : () => restore(name, done.before),
  }));
}

function untag(name) {
  perform(() => dropTag(name), (done) => ({ text: `The tag ${name} is forgotten; its revision stays.`, undo: () => restore(name, done.before) }));
}

// Let a tag name again what it named before: a revision, or nothing.
function restore(name, before) {
  const work = before === null ? () => dropTag(name) : () => setTag(name, before);
  perform(work, () => ({ text: before === null ? `The tag ${name} is gone again.` : `${name} names revision ${before} again.` }));
}

async function back(number) {
  const shown = at("revisions").dataset.shown;
  const found = await getJson(`/api/v1/diff?a=${shown}&b=${number}&limit=0`).catch((error) => ({ error }));
  if (found.error) return void change(() => Promise.reject(found.error));
  const message = await ask({
    title: `Roll back to revision ${number}?`,
    lines: [
      `A new revision will show exactly what revision ${number} showed:`,
      [
        `${counted(found.gained, "prototype")} and ${counted(found.nouns_gained.length, "noun")} more than now`,
        `${counted(found.lost, "prototype")} and ${counted(found.nouns_lost.length, "noun")} fewer`,
      ],
      "Nothing is deleted, and this can be taken back.",
    ],
    yes: `Roll back to ${number}`,
    field: "Why, for the history (may be empty)",
  });
  if (message === null) return;
  change(() => postJson("/api/v1/rollback", { version: number, message, seen: Number(shown) }), (done) => `Revision ${done.after} shows what revision ${number} showed.`);
}
