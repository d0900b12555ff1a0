// Long work: forms that ask for it, and a list that follows how far it is.

import { getJson, getText, postFiles, postJson, remove, showRevision, toast } from "./talk.js";

// Milliseconds between two looks for what other tabs asked for.
const WATCH = 4000;

const list = document.getElementById("works");
const said = document.getElementById("said");
const problem = document.getElementById("problem");

let stream = null;
let heard = "";
let lost = "";
let pressed = null; // the button whose answer is waited for: it cannot be used twice, and so loses the focus
let looking = Promise.resolve();
let states = new Map([...list.querySelectorAll("[data-work]")].map((card) => [card.dataset.work, card.dataset.state]));

const cardOf = (id) => list.querySelector(`[data-work="${CSS.escape(id)}"]`);

// One stream a page that is looked at: a browser has few connections to a server.
function listen() {
  const running = list.querySelector('[data-state="running"], [data-state="stopping"]');
  const id = !document.hidden && running ? running.dataset.work : "";
  if (id === heard && (!id || stream.readyState !== EventSource.CLOSED)) return;
  stream?.close();
  stream = null;
  heard = id;
  if (!id) return;
  stream = new EventSource(`/api/v1/work/${id}/events`);
  stream.addEventListener("message", (event) => show(JSON.parse(event.data)));
}

function show(work) {
  if (work.ended_for_now) {
    stream?.close();
    heard = "";
  }
  const card = cardOf(work.id);
  if (!card || card.dataset.state !== work.state) {
    look();
    return;
  }
  const bar = card.querySelector("progress");
  if (!bar) return;
  if (work.progress?.total) {
    bar.max = work.progress.total;
    bar.value = work.progress.done;
  }
  card.querySelector("[data-shows=progress]").textContent = work.progress && !work.note ? work.progress.told : work.told;
}

// Sees what is new, and says of each work whose state is another one what it is now; one look after the other.
function look() {
  looking = looking.then(see);
  return looking;
}

async function see() {
  try {
    const works = await getJson("/api/v1/work");
    const now = new Map(works.map((work) => [work.id, work.state]));
    if (String([...now]) !== String([...states])) {
      const changed = works.filter((work) => states.has(work.id) && states.get(work.id) !== work.state);
      await fill();
      states = now;
      if (changed.length) said.textContent = changed.map((work) => `${work.name}: ${work.error || work.told}`).join(". ");
    }
    if (lost && problem.textContent === lost) complain("");
    lost = "";
    listen();
  } catch (error) {
    lost = error.message;
    complain(lost);
  }
}

// The list anew; what was focused or open stays so.
async function fill() {
  const focused = pressed || placeOf(document.activeElement);
  const open = [...list.querySelectorAll("details[open]")].map((each) => each.closest("[data-work]").dataset.work);
  const [text, bank] = await Promise.all([getText("/work/list"), getJson("/api/v1/bank")]);
  list.innerHTML = text;
  showRevision(bank.revision);
  for (const id of open) cardOf(id)?.querySelector("details")?.setAttribute("open", "");
  const card = focused && cardOf(focused.id);
  if (card) (card.querySelector(`[data-act="${focused.act}"]`) || card.querySelector("h3")).focus();
}

function placeOf(element) {
  const card = element?.closest?.("#works [data-work]");
  return card && { id: card.dataset.work, act: element.dataset.act };
}

function complain(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

async function ask(form) {
  const body = new FormData();
  body.set("kind", form.dataset.kind);
  for (const field of form.elements) {
    if (field.type === "file") {
      for (const file of field.files) body.append(field.name, file, file.webkitRelativePath || file.name);
    } else if (field.name && field.value.trim()) {
      body.set(field.name, field.value);
    }
  }
  const button = form.querySelector("button");
  const text = button.textContent;
  button.disabled = true;
  button.textContent = "Sending";
  complain("");
  try {
    const work = await postFiles("/api/v1/work", body);
    form.reset();
    toast(`${work.name} is in the queue.`);
    await look();
    cardOf(work.id)?.querySelector("h3").focus();
  } catch (error) {
    complain(error.message);
  } finally {
    button.disabled = false;
    button.textContent = text;
  }
}

async function act(button) {
  const card = button.closest("[data-work]");
  const id = card.dataset.work;
  const done = card.dataset.state === "done";
  if (button.dataset.act === "forget" && !done && !confirm(`Forget ${card.dataset.name}? It cannot go on then.`)) return;
  pressed = placeOf(button);
  button.disabled = true;
  try {
    if (button.dataset.act === "forget") await remove(`/api/v1/work/${id}`);
    else await postJson(`/api/v1/work/${id}/${button.dataset.act}`);
  } catch (error) {
    toast(error.message);
    button.disabled = false;
  }
  await look();
  pressed = null;
}

for (const form of document.querySelectorAll("form[data-kind]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}
list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) act(button);
});
document.addEventListener("visibilitychange", () => (document.hidden ? listen() : look()));
setInterval(() => document.hidden || look(), WATCH);
listen();
