// The first screen: joins pictures, classes, the canvas and the panel that says why.

import { ClassList, completeNouns } from "./chips.js";
import { Labels } from "./labels.js";
import { Overlay } from "./overlay.js";
import { Shelf, takeFiles } from "./shelf.js";
import { getJson, make, percent, postBitmap, postJson, postText, showRevision, swatch, toast } from "./talk.js";

const WATCH = 3000; // milliseconds between looks at the bank's revision
const MOST_ADDRESS = 6000; // characters
const KEPT = `segment of ${document.getElementById("bank").firstChild.textContent.trim()}`;
const HINT = "Click a region of the picture: its class, the runner-up, and the prototypes behind both stand here.";
const at = (id) => document.getElementById(id);
const desk = at("desk");
const overlay = new Overlay(at("canvas"));
const pictureBox = at("picture");
let current = null; // the picture that is open
let turn = 0; // counts what was asked for, so that late answers are dropped
let cursor = null; // the crosshair, in pixels of the view
let explained = null; // the pixel of the original that the panel explains
let asked = 0; // counts explanations that were asked for
let undo = null; // takes the last correction back
let correcting = false; // what this page changes is told by what changes it

const labels = new Labels();
const classes = new ClassList(at("classes-form"), () => refresh());
const shelf = new Shelf(at("shelf"), labels, (picture) => open(picture));

// What a tab shows outlives a reload and a look at another screen; a short list can be shared as an address.
function remember() {
  const query = new URLSearchParams(classes.names.map((name) => ["c", name]));
  if (current) query.set("p", current.id);
  sessionStorage.setItem(KEPT, JSON.stringify({ classes: classes.names, picture: current && current.id }));
  const whole = `/?${query}`;
  history.replaceState(null, "", whole.length < MOST_ADDRESS ? whole : "/");
}

function remembered() {
  const query = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(KEPT)) || {};
  const first = desk.dataset.classes.split(",").map((name) => name.trim()).filter(Boolean);
  return {
    classes: query.has("c") ? query.getAll("c") : kept.classes || first,
    picture: query.get("p") || kept.picture,
  };
}

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function open(picture) {
  current = picture;
  explained = cursor = null;
  at("cross").hidden = true;
  whyNothing();
  overlay.clear();
  at("view").hidden = !picture || Boolean(picture.error);
  at("empty").hidden = Boolean(picture);
  problem(picture ? picture.error : "");
  remember();
  if (!picture || picture.error) return;
  const image = new Image();
  image.addEventListener("load", () => {
    if (current === picture && !overlay.labels) overlay.preview(image);
  });
  image.src = view(picture);
  refresh();
}

const view = (picture) => `/api/v1/pictures/${picture.id}/view`;

// Label the open picture with the chosen classes, then the others that were opened, the last one first.
async function refresh() {
  remember();
  const mine = (turn += 1);
  if (!current || current.error || !classes.names.length) {
    overlay.labels = null;
    tellNothing();
    if (current && !current.error) openPlain();
    return null;
  }
  pictureBox.setAttribute("aria-busy", "true");
  const picture = current;
  try {
    const [made, image] = await Promise.all([labels.ask(picture, classes.names), loaded(view(picture))]);
    if (mine !== turn) return null;
    problem("");
    overlay.show(image, made);
    shelf.paint(picture.id);
    tell(made.meta);
    refreshOthers(mine, made);
    return made.share;
  } catch (error) {
    if (mine === turn) {
      problem(error.message);
      overlay.labels = null;
      tellNothing();
      openPlain();
    }
    return null;
  } finally {
    if (mine === turn) pictureBox.removeAttribute("aria-busy");
  }
}

async function refreshOthers(mine, made) {
  const left = labels.stale(made);
  const work = async () => {
    while (left.length && mine === turn) {
      const id = left.shift();
      try {
        await labels.ask({ id }, made.classes);
      } catch {
        labels.forget(id); // it is labelled when it is opened again, which tells what is wrong
      }
      shelf.paint(id);
    }
  };
  await Promise.all([work(), work()]); // while one is painted the server labels the next
}

async function openPlain() {
  const picture = current;
  const image = await loaded(view(picture)).catch(() => null);
  if (image && current === picture && !overlay.labels) overlay.preview(image);
}

function loaded(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("The picture cannot be shown."));
    image.src = address;
  });
}

function tellNothing() {
  at("legend").replaceChildren();
  at("summary").textContent = "";
  at("download").hidden = true;
  at("notes").hidden = true;
}

function tell(meta) {
  at("summary").textContent = meta.summary;
  const found = meta.classes.filter((each) => each.pixels).sort((one, two) => two.pixels - one.pixels);
  const absent = meta.classes.length - found.length;
  at("legend").replaceChildren(
    ...found.map((each) => make("li", {}, make("button", {
      type: "button",
      className: "chip",
      "aria-pressed": String(!overlay.hidden.has(each.name)),
      onclick: (event) => {
        const shown = overlay.hidden.has(each.name);
        overlay.toggle(each.name, shown);
        event.currentTarget.setAttribute("aria-pressed", String(shown));
      },
    }, swatch(each.colour), `${each.name} ${percent(each.area)}`))),
    ...(meta.other_area ? [make("li", { className: "chip" }, `other ${percent(meta.other_area)}`)] : []),
    ...(absent ? [make("li", { className: "chip faint" }, `${absent} not found`)] : []),
  );
  at("notes").replaceChildren(...meta.notes.map((note) => make("li", {}, note)));
  at("notes").hidden = !meta.notes.length;
  const form = at("download");
  form.hidden = !at("format").options.length;
  form.action = `/api/v1/pictures/${meta.picture}/download`;
  form.querySelectorAll("input").forEach((field) => field.remove());
  form.append(...classes.names.map((name) => make("input", { type: "hidden", name: "classes", value: name })));
}

// The pixel under the pointer, or under the crosshair.

function hover(column, row) {
  const found = overlay.at(column, row);
  if (!found) return;
  const [x, y] = overlay.original(column, row);
  at("under").textContent = `${found.name} at ${x}, ${y}`;
}

pictureBox.addEventListener("pointermove", (event) => hover(...overlay.pixel(event)));
pictureBox.addEventListener("pointerleave", () => (at("under").textContent = ""));
at("canvas").addEventListener("click", (event) => {
  if (!overlay.labels) return;
  cursor = overlay.pixel(event);
  why();
});
pictureBox.addEventListener("keydown", (event) => {
  if (!overlay.labels) return;
  const step = event.shiftKey ? 25 : 5;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (moves[event.key]) {
    const [column, row] = cursor || [overlay.width >> 1, overlay.height >> 1];
    const [right, down] = moves[event.key];
    cursor = [
      Math.min(Math.max(column + right, 0), overlay.width - 1),
      Math.min(Math.max(row + down, 0), overlay.height - 1),
    ];
    placeCross();
    hover(...cursor);
  } else if (event.key === "Enter" || event.key === " ") {
    cursor = cursor || [overlay.width >> 1, overlay.height >> 1];
    why();
  } else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n" || event.key === "p") shelf.step(event.key === "n" ? 1 : -1);
  if (event.key === "u" && undo) undo();
});

function placeCross() {
  const cross = at("cross");
  cross.hidden = false;
  cross.style.left = `${((cursor[0] + 0.5) / overlay.width) * 100}%`;
  cross.style.top = `${((cursor[1] + 0.5) / overlay.height) * 100}%`;
}

at("opacity").addEventListener("input", (event) => overlay.setOpacity(event.target.value / 100));

// Why, and what can be done about it.

function whyNothing() {
  at("why-body").replaceChildren(make("p", { className: "faint" }, HINT));
  at("to-why").hidden = true;
}

async function why() {
  const mine = (asked += 1);
  placeCross();
  hover(...cursor);
  const [x, y] = overlay.original(...cursor);
  const picture = current;
  const body = { classes: classes.names, x, y };
  at("why").setAttribute("aria-busy", "true");
  try {
    const [panel, mask] = await Promise.all([
      postText(`/pictures/${picture.id}/why`, body),
      postBitmap(`/api/v1/pictures/${picture.id}/region`, body),
    ]);
    if (picture !== current || mine !== asked) return;
    explained = [x, y];
    const held = at("why-body").contains(document.activeElement);
    at("why-body").innerHTML = panel; // made by this server, every text in it escaped
    if (held) at("why-title").focus();
    at("to-why").hidden = false;
    at("verdict").textContent = at("why-body").querySelector("[data-verdict]").dataset.verdict;
    overlay.highlight(mask);
  } catch (error) {
    toast(error.message);
  } finally {
    if (mine === asked) at("why").removeAttribute("aria-busy");
  }
}

at("why-body").addEventListener("click", (event) => {
  const button = event.target.closest("[data-retire]");
  if (button) correct(button, "/api/v1/retire", { ids: [button.dataset.retire] });
});
at("why-body").addEventListener("submit", (event) => {
  event.preventDefault();
  const { picture, x, y } = event.target.dataset;
  const name = event.target.elements.name.value;
  const body = { picture, name, at: [[Number(x), Number(y)]] };
  const fresh = !classes.has(name);
  correct(event.target.querySelector("button"), "/api/v1/learn", body, {
    done: () => fresh && classes.set([...classes.names, name]),
    undone: () => fresh && classes.set(classes.names.filter((each) => each !== name)),
  });
});

// Change the bank, label again what was opened, and offer to take it back. What the list of classes has of it
// is done and undone with it.
async function correct(button, address, body, { done = () => {}, undone = () => {} } = {}) {
  button.disabled = correcting = true;
  undo = null;
  try {
    const change = await postJson(address, body);
    done();
    showRevision(change.after);
    if (change.before !== null && change.before !== change.after) {
      undo = () => correct(button, "/api/v1/rollback", { version: change.before, seen: change.after }, { done: undone, undone: done });
    }
    const share = await refresh();
    if (explained && overlay.labels) await why();
    const effect = share === null ? "" : ` ${percent(share)} of this picture has another label.`;
    toast(`${sentence(change.message)}${effect}`, undo && { text: "Undo", run: undo });
  } catch (error) {
    toast(error.message);
  } finally {
    button.disabled = correcting = false;
  }
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

// What other tabs and processes write to the bank is seen here too, and that the server is gone.
async function look() {
  if (document.hidden || correcting) return;
  let bank;
  try {
    bank = await getJson("/api/v1/bank");
  } catch (error) {
    lost(error.message);
    return;
  }
  lost("");
  if (correcting || String(bank.revision ?? "") === at("bank").dataset.revision) return;
  showRevision(bank.revision);
  const share = await refresh();
  if (explained && overlay.labels) why();
  toast(`The bank is at revision ${bank.revision} now.${share ? ` ${percent(share)} of this picture has another label.` : ""}`);
}
setInterval(look, WATCH);
document.addEventListener("visibilitychange", look);

function lost(text) {
  if (at("lost").textContent === text) return;
  at("lost").textContent = text;
  at("lost").hidden = !text;
}

async function fillFormats() {
  const formats = await getJson("/api/v1/formats").catch(() => []);
  at("format").replaceChildren(...formats.map((each) => make("option", { value: each.name, selected: each.name === "overlay" }, each.label)));
}

function start() {
  completeNouns(at("nouns"));
  takeFiles(shelf, at("drop"), at("files"));
  fillFormats();
  const kept = remembered();
  classes.set(kept.classes);
  const first = shelf.pictures.find((each) => each.id === kept.picture) || shelf.pictures.find((each) => !each.error);
  if (first) shelf.open(first.id);
  else open(null);
}

start();
