// The pictures of the page: those of the server, and what is chosen, dropped or pasted.

import { tinted } from "./overlay.js";
import { make, percent, postFiles, remove, toast } from "./talk.js";

const BATCH = 8;
const SIDE = 240; // of a picture in the list

export class Shelf {
  // opened: called with the picture that is opened; labels: of pictures, which are shown over them.
  constructor(list, labels, opened) {
    this.list = list;
    this.labels = labels;
    this.opened = opened;
    this.current = null;
    this.pictures = [...list.children].map((item) => ({
      id: item.dataset.picture,
      name: item.dataset.name,
      width: Number(item.dataset.width),
      height: Number(item.dataset.height),
      dropped: item.dataset.dropped === "yes",
      error: item.dataset.error,
    }));
    this.show();
  }

  show() {
    this.list.replaceChildren(...this.pictures.map((each) => this.item(each)));
  }

  item(picture) {
    const open = make("button", {
      type: "button",
      className: "open",
      "aria-current": String(picture.id === this.current),
      onclick: () => this.open(picture.id),
      title: picture.error || `${picture.name}, ${picture.width} × ${picture.height}`,
    });
    if (picture.error) open.append(make("span", { className: "bad" }, "cannot be read"));
    else open.append(make("span", { className: "look" },
      make("img", { src: `/api/v1/pictures/${picture.id}/view?side=${SIDE}`, alt: "", loading: "lazy" })));
    open.append(make("span", { className: "name" }, picture.name));
    const item = make("li", { data: { picture: picture.id } }, open);
    this.paint(picture.id, item);
    if (picture.dropped) {
      item.append(make("button", {
        type: "button",
        className: "quiet take",
        "aria-label": `Take ${picture.name} away`,
        onclick: () => this.take(picture),
      }, "×"));
    }
    return item;
  }

  // Lay the labels of a picture over it, and tell the largest class and what changed.
  paint(id, item = [...this.list.children].find((each) => each.dataset.picture === id)) {
    const look = item?.querySelector(".look");
    if (!look) return;
    item.querySelectorAll("canvas, .found, .changed").forEach((each) => each.remove());
    const made = this.labels.get(id);
    if (!made) return;
    look.append(small(tinted(made)));
    const largest = made.meta.classes.reduce((one, two) => (two.area > one.area ? two : one));
    const open = item.querySelector(".open");
    if (largest.area) open.append(make("span", { className: "faint found" }, `${largest.name} ${percent(largest.area)}`));
    if (made.share) open.append(make("span", { className: "changed" }, `${percent(made.share)} changed`));
  }

  open(id) {
    const picture = this.pictures.find((each) => each.id === id);
    if (!picture) return;
    this.current = id;
    for (const item of this.list.children) {
      item.querySelector(".open").setAttribute("aria-current", String(item.dataset.picture === id));
    }
    this.opened(picture);
  }

  step(by) {
    if (!this.pictures.length) return;
    const place = this.pictures.findIndex((each) => each.id === this.current);
    this.open(this.pictures[(place + by + this.pictures.length) % this.pictures.length].id);
  }

  async take(picture) {
    try {
      await remove(`/api/v1/pictures/${picture.id}`);
    } catch (error) {
      toast(error.message);
      return;
    }
    this.labels.forget(picture.id);
    this.pictures = this.pictures.filter((each) => each.id !== picture.id);
    this.show();
    if (picture.id === this.current) {
      this.current = null;
      if (this.pictures.length) this.open(this.pictures[0].id);
      else this.opened(null);
    }
  }

  // Send files, some at a time; what cannot be read is told of, and the others are kept.
  async add(files) {
    let first = null;
    const failed = [];
    for (let start = 0; start < files.length; start += BATCH) {
      const form = new FormData();
      for (const file of files.slice(start, start + BATCH)) form.append("files", file, file.name || "pasted.png");
      toast(`Sending ${Math.min(start + BATCH, files.length)} of ${files.length}…`);
      try {
        for (const each of await postFiles("/api/v1/pictures", form)) {
          if (each.error) failed.push(each.error);
          else {
            first = first || each.picture;
            if (!this.pictures.some((known) => known.id === each.picture.id)) this.pictures.push(each.picture);
          }
        }
      } catch (error) {
        failed.push(error.message);
      }
      this.show();
    }
    toast(failed.length ? failed.join(" ") : `${files.length === 1 ? "The picture is" : `${files.length} pictures are`} here.`);
    if (first) this.open(first.id);
  }
}

function small(tint) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, SIDE / Math.max(tint.width, tint.height));
  canvas.width = Math.max(1, Math.round(tint.width * scale));
  canvas.height = Math.max(1, Math.round(tint.height * scale));
  canvas.setAttribute("aria-hidden", "true");
  canvas.getContext("2d").drawImage(tint, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// Files that are chosen, dropped anywhere on the page, or pasted.
export function takeFiles(shelf, drop, field) {
  field.addEventListener("change", () => {
    shelf.add([...field.files]);
    field.value = "";
  });
  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    drop.classList.remove("over");
    shelf.add([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    shelf.add(files);
  });
}
