// A picture under the colours of its classes, on a canvas.

const OTHER = 0; // in a label map, label + 1

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.tint = null;
    this.opacity = 0.55;
    this.hidden = new Set();
    this.clear();
  }

  clear() {
    this.picture = this.labels = this.region = this.meta = null;
  }

  // picture: an image; made: its labels, and what the server says of them.
  show(picture, { meta, labels }) {
    this.picture = picture;
    this.meta = meta;
    this.width = meta.view_width;
    this.height = meta.view_height;
    this.labels = labels;
    this.region = null;
    this.resize(this.width, this.height);
    this.paint();
  }

  // Small pictures are shown up to twice their size, and none higher than the window has room for.
  resize(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.parentElement.style.setProperty("--wide", `${width}`);
    this.canvas.parentElement.style.setProperty("--ratio", `${width / height}`);
  }

  // A picture before its labels are there.
  preview(picture) {
    this.clear();
    this.resize(picture.naturalWidth, picture.naturalHeight);
    this.canvas.getContext("2d").drawImage(picture, 0, 0);
  }

  highlight(mask) {
    this.region = mask && outlined(mask, this.width, this.height);
    this.draw();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.draw();
  }

  toggle(name, shown) {
    if (shown) this.hidden.delete(name);
    else this.hidden.add(name);
    this.paint();
  }

  // The class under a pixel of the view: {index, name, colour}; null where there are no labels.
  at(column, row) {
    if (!this.labels) return null;
    const label = this.labels[row * this.width + column];
    return label === OTHER ? { index: -1, name: "other" } : this.meta.classes[label - 1];
  }

  // From a place on the screen to a pixel of the view.
  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    const inside = (value, size) => Math.min(Math.max(Math.floor(value), 0), size - 1);
    return [
      inside(((event.clientX - box.left) / box.width) * this.canvas.width, this.canvas.width),
      inside(((event.clientY - box.top) / box.height) * this.canvas.height, this.canvas.height),
    ];
  }

  // The pixel of the original picture in the middle of one of the view.
  original(column, row) {
    return [
      Math.floor(((column + 0.5) * this.meta.width) / this.width),
      Math.floor(((row + 0.5) * this.meta.height) / this.height),
    ];
  }

  paint() {
    if (!this.labels) return;
    this.tint = tinted(this, this.hidden);
    this.draw();
  }

  draw() {
    if (!this.labels) return;
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(this.picture, 0, 0, this.width, this.height);
    context.globalAlpha = this.opacity;
    context.drawImage(this.tint, 0, 0);
    context.globalAlpha = 1;
    if (this.region) context.drawImage(this.region, 0, 0);
  }
}

// A canvas that colours each pixel by its class, but for hidden ones; borders between classes are white.
export function tinted({ meta, labels }, hidden = new Set()) {
  const [width, height] = [meta.view_width, meta.view_height];
  const canvas = surface(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = [0, ...meta.classes.map((each) => (hidden.has(each.name) ? 0 : packed(each.colour)))];
  const white = packed("#ffffff");
  for (let place = 0; place < labels.length; place += 1) {
    const label = labels[place];
    const last = (place + 1) % width === 0;
    const border = (!last && labels[place + 1] !== label) || (place + width < labels.length && labels[place + width] !== label);
    pixels[place] = border ? white : colours[label];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function surface(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

function read(bitmap, width, height) {
  const canvas = surface(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

export function readLabels(map, width, height) {
  const bytes = read(map, width, height);
  const labels = new Uint16Array(width * height);
  for (let place = 0; place < labels.length; place += 1) labels[place] = bytes[4 * place] + 256 * bytes[4 * place + 1];
  return labels;
}

function packed(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

// A region as an outline of two pixels, and what is outside of it darkened.
function outlined(mask, width, height) {
  const bytes = read(mask, width, height);
  const canvas = surface(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const inside = (column, row) =>
    column >= 0 && row >= 0 && column < width && row < height && bytes[4 * (row * width + column)] > 127;
  const white = 0xffffffff;
  const dark = 0x66000000;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      if (!inside(column, row)) pixels[row * width + column] = dark;
      else if (![-1, 1].every((step) => inside(column + step, row) && inside(column, row + step)))
        pixels[row * width + column] = white;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
