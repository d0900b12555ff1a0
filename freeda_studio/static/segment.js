// The first screen: joins pictures, classes, the canvas and the panel that says why.

import { ClassList, completeNouns } from "./chips.js";
import { Overlay, changed } from "./overlay.js";
import { Shelf, takeFiles } from "./shelf.js";
import { getJson, make, percent, postBitmap, postJson, postText, swatch, toast } from "./talk.js";

const WATCH = 4000; // milliseconds between looks at the bank's revision
const at = (id) => document.getElementById(id);
const desk = at("desk");
const overlay = new Overlay(at("canvas"));
const pictureBox = at("picture");
let current = null; // the picture that is open
let turn = 0; // counts what was asked for, so that late answers are dropped
let cursor = null; // the crosshair, in pixels of the view
let explained = null; // the pixel of the original that the panel explains
const labelsOf = new Map(); // label maps seen so far, by picture, to say what a correction changed

const classes = new ClassList(at("classes-form"), () => refresh());
const shelf = new Shelf(at("shelf"), (picture) => open(picture));

function remember() {
  const query = new URLSearchParams(classes.names.map((name) => ["c", name]));
  if (current) query.set("p", current.id);
  history.replaceState(null, "", `/?${query}`);
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

// Label the open picture with the chosen classes.
async function refresh() {
  remember();
  const mine = (turn += 1);
  if (!current || current.error || !classes.names.length) {
    overlay.labels = null;
    at("legend").replaceChildren();
    at("summary").textContent = "";
    at("download").hidden = true;
    at("notes").hidden = true;
    if (current && !current.error) open_plain();
    return null;
  }
  pictureBox.setAttribute("aria-busy", "true");
  const picture = current;
  const body = { classes: classes.names };
  try {
    const meta = await postJson(`/api/v1/pictures/${picture.id}/segmentation`, body);
    const [map, image] = await Promise.all([
      postBitmap(`/api/v1/pictures/${picture.id}/labels`, body),
      loaded(view(picture)),
    ]);
    if (mine !== turn) return null;
    problem("");
    overlay.show(image, meta, map);
    const share = changed(labelsOf.get(picture.id), overlay.labels);
    labelsOf.set(picture.id, overlay.labels);
    tell(meta);
    return share;
  } catch (error) {
    if (mine === turn) {
      problem(error.message);
      open_plain();
    }
    return null;
  } finally {
    if (mine === turn) pictureBox.removeAttribute("aria-busy");
  }
}

async function open_plain() {
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
  form.hidden = false;
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
  at("why-body").replaceChildren(
    make("p", { className: "faint" }, "Click a region of the picture: its class, the runner-up, and the prototypes behind both stand here."),
  );
}

async function why() {
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
    if (picture !== current) return;
    explained = [x, y];
    at("why-body").innerHTML = panel; // made by this server, every text in it escaped
    overlay.highlight(mask);
  } catch (error) {
    toast(error.message);
  } finally {
    at("why").removeAttribute("aria-busy");
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
  if (!classes.has(name)) classes.names.push(name);
  classes.show();
  const body = { picture, name, at: [[Number(x), Number(y)]] };
  correct(event.target.querySelector("button"), "/api/v1/learn", body);
});

// Change the bank, label again what is open, and offer to take it back.
async function correct(button, address, body) {
  button.disabled = true;
  try {
    const done = await postJson(address, body);
    showRevision(done.after);
    const share = await refresh();
    if (explained && overlay.labels) why();
    const effect = share === null ? "" : ` ${percent(share)} of this picture has another label.`;
    const undo = done.before !== null && done.before !== done.after && {
      text: "Undo",
      run: () => correct(button, "/api/v1/rollback", { version: done.before }),
    };
    toast(`${done.message}.${effect}`, undo || undefined);
  } catch (error) {
    toast(error.message);
  } finally {
    button.disabled = false;
  }
}

function showRevision(number) {
  at("bank").dataset.revision = number ?? "";
  at("bank").querySelector("[data-shows=revision]").textContent = number === null ? "no revision yet" : `revision ${number}`;
}

// What other tabs and processes write to the bank is seen here too.
setInterval(async () => {
  if (document.hidden) return;
  const bank = await getJson("/api/v1/bank").catch(() => null);
  if (!bank || String(bank.revision ?? "") === at("bank").dataset.revision) return;
  showRevision(bank.revision);
  const share = await refresh();
  toast(`The bank is at revision ${bank.revision} now.${share ? ` ${percent(share)} of this picture has another label.` : ""}`);
}, WATCH);

async function fillFormats() {
  const formats = await getJson("/api/v1/formats").catch(() => []);
  at("format").replaceChildren(...formats.map((each) => make("option", { value: each.name, selected: each.name === "overlay" }, each.label)));
}

function start() {
  completeNouns(at("nouns"));
  takeFiles(shelf, at("drop"), at("files"));
  fillFormats();
  const query = new URLSearchParams(location.search);
  const asked = query.getAll("c");
  classes.set(asked.length ? asked : desk.dataset.classes.split(",").map((name) => name.trim()).filter(Boolean));
  const first = shelf.pictures.find((each) => each.id === query.get("p")) || shelf.pictures.find((each) => !each.error);
  if (first) shelf.open(first.id);
  else open(null);
}

start();
