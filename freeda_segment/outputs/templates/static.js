/* What a page in a file does beside being read: commands are copied, and pictures tell the pixel under the pointer.
   Without it everything is there to be read and selected. */
"use strict";

const toast = document.querySelector(".toast");
let fading = 0;

function say(text) {
  clearTimeout(fading);
  toast.textContent = text;
  fading = setTimeout(() => { toast.textContent = ""; }, 4000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) {
      say(`Copy this: ${text}`);
      return;
    }
  }
  say(`Copied: ${text}`);
}

for (const button of document.querySelectorAll(".copyable button")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button.parentElement.querySelector(".command").textContent));
}

/* A word as a shell reads it back. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

for (const input of document.querySelectorAll("input[data-command]")) {
  const rest = input.parentElement;
  input.hidden = rest.querySelector("label").hidden = false;
  input.addEventListener("input", () => {
    rest.querySelector(".command").textContent = input.dataset.command + quoted(input.value.trim() || input.placeholder);
  });
}

/* A picture with its pixels: by the pointer, or by the arrow keys. */
class Spot {
  constructor(element) {
    this.element = element;
    this.size = element.dataset.size.split(" ").map(Number);
    this.picture = element.querySelector("img");
    this.command = element.dataset.command || "";
    this.output = element.parentElement.querySelector("output");
    this.at = this.size.map((side) => Math.floor(side / 2));
    for (const kind of ["pointerdown", "pointermove"]) {
      element.addEventListener(kind, (event) => this.tell(this.under(event)));
    }
    element.addEventListener("pointerleave", () => this.tell(null));
    if (this.command) this.offer();
  }

  offer() {
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", `${this.picture.alt}: choose a pixel with the arrow keys, Enter copies the command`);
    this.cross = document.createElement("span");
    this.cross.className = "cross";
    this.cross.hidden = true;
    element.append(this.cross);
    element.addEventListener("click", (event) => this.take(this.told ?? this.under(event)));
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("blur", () => { this.cross.hidden = true; });
  }

  /* Where the original lies in what is shown, as shares of it: left, top, width, height. */
  box() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    const box = this.element.dataset.box?.split(" ").map(Number) ?? [0, 0, width, height];
    return [box[0] / width, box[1] / height, box[2] / width, box[3] / height];
  }

  /* The pixel of the original under the pointer; null beside it. */
  under(event) {
    const shown = this.picture.getBoundingClientRect();
    const [left, top, width, height] = this.box();
    const x = ((event.clientX - shown.left) / shown.width - left) / width;
    const y = ((event.clientY - shown.top) / shown.height - top) / height;
    if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
    return [Math.floor(x * this.size[0]), Math.floor(y * this.size[1])];
  }

  tell(at) {
    this.told = at;
    this.output.textContent = at ? `x ${at[0]}, y ${at[1]}` : "";
  }

  take(at) {
    if (at) copy(`${this.command}${at[0]},${at[1]}`);
  }

  key(event) {
    const step = (event.shiftKey ? 10 : 1) * Math.max(1, Math.round(Math.max(...this.size) / 200));
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (move) {
      this.at = this.at.map((value, axis) => Math.min(this.size[axis] - 1, Math.max(0, value + move[axis])));
      this.show();
    } else if (event.key === "Enter" || event.key === " ") {
      this.take(this.at);
    } else {
      return;
    }
    event.preventDefault();
  }

  show() {
    const box = this.box();
    const place = this.at.map((value, axis) => box[axis] + (value + .5) / this.size[axis] * box[axis + 2]);
    this.cross.hidden = false;
    this.cross.style.left = `${100 * place[0]}%`;
    this.cross.style.top = `${100 * place[1]}%`;
    this.tell(this.at);
  }
}

for (const element of document.querySelectorAll(".spot")) new Spot(element);
