// The labels of the pictures that were opened last, and how a correction changed them.

import { readLabels } from "./overlay.js";
import { postBitmap, postJson } from "./talk.js";

const MOST = 12; // pictures whose labels are kept, and made anew when classes or bank change

export class Labels {
  constructor() {
    this.kept = new Map(); // by picture, those used last at the end
  }

  // The labels of a picture: {meta, labels, classes, share}; share is how much of it has another class than
  // before, null where that is not known.
  async ask(picture, classes) {
    const address = `/api/v1/pictures/${picture.id}`;
    const [meta, map] = await Promise.all([
      postJson(`${address}/segmentation`, { classes }),
      postBitmap(`${address}/labels`, { classes }),
    ]);
    const labels = readLabels(map, meta.view_width, meta.view_height);
    const before = this.kept.get(picture.id);
    const made = { meta, labels, classes: [...classes] };
    made.share = before ? changed(before, made) : null;
    this.keep(picture.id, made);
    return made;
  }

  keep(id, made) {
    this.kept.delete(id);
    this.kept.set(id, made);
    while (this.kept.size > MOST) this.kept.delete(this.kept.keys().next().value);
  }

  get(id) {
    return this.kept.get(id);
  }

  forget(id) {
    this.kept.delete(id);
  }

  // Ids of the pictures whose labels are of other classes or another revision than these.
  stale(made) {
    return [...this.kept].filter(([, each]) =>
      each.meta.revision !== made.meta.revision || !same(each.classes, made.classes)).map(([id]) => id).reverse();
  }
}

const same = (one, two) => one.length === two.length && one.every((each, place) => each === two[place]);

// Share of pixels whose class has another name; null where the pictures differ in size.
function changed(before, after) {
  const { length } = after.labels;
  if (before.labels.length !== length) return null;
  const place = new Map(after.meta.classes.map((each, index) => [each.name, index + 1]));
  const now = [0, ...before.meta.classes.map((each) => place.get(each.name) ?? -1)];
  let count = 0;
  for (let pixel = 0; pixel < length; pixel += 1) if (now[before.labels[pixel]] !== after.labels[pixel]) count += 1;
  return count / length;
}
