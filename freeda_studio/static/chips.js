// The list of classes: chips that can be taken away, and a field with completion from the bank.

import { getJson, make } from "./talk.js";

const SEPARATORS = /[,;、，；\n]/;

export class ClassList {
  constructor(form, changed) {
    this.names = [];
    this.changed = changed;
    this.list = form.querySelector("#chips");
    this.field = form.querySelector("#class");
    this.clear = form.querySelector("#clear");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(this.field.value);
    });
    this.clear.addEventListener("click", () => {
      this.names = [];
      this.show();
      this.changed();
      this.field.focus();
    });
    this.field.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text");
      if (!SEPARATORS.test(text)) return;
      event.preventDefault();
      this.add(this.field.value + text);
    });
  }

  // Names as a person writes them; those that are there already are left out.
  add(text) {
    const given = text.split(SEPARATORS).map((name) => name.trim().replace(/\s+/g, " ")).filter(Boolean);
    const fresh = given.filter((name, place) => !this.has(name) && given.indexOf(name) === place);
    this.field.value = "";
    if (!fresh.length) return;
    this.names.push(...fresh);
    this.show();
    this.changed();
  }

  set(names) {
    this.names = [...names];
    this.show();
  }

  has(name) {
    return this.names.some((each) => each.toLowerCase() === name.toLowerCase());
  }

  show() {
    this.list.replaceChildren(
      ...this.names.map((name, place) =>
        make("li", {}, make("button", {
          type: "button",
          className: "chip",
          "aria-label": `Remove ${name}`,
          onclick: () => this.take(place),
        }, name, make("span", { "aria-hidden": "true" }, "×"))),
      ),
    );
    this.clear.hidden = this.names.length < 2;
  }

  take(place) {
    this.names.splice(place, 1);
    this.show();
    this.changed();
    (this.list.querySelectorAll("button")[Math.min(place, this.names.length - 1)] || this.field).focus();
  }
}

// Completion of every field that takes a class, from the bank's nouns.
export function completeNouns(list) {
  let asked = "";
  document.addEventListener("input", async (event) => {
    if (event.target.getAttribute("list") !== list.id) return;
    const last = event.target.value.split(/[,|]/).pop().trim();
    if (last === asked) return;
    asked = last;
    const found = await getJson(`/api/v1/nouns?q=${encodeURIComponent(last)}`).catch(() => []);
    if (last !== asked) return;
    const before = event.target.value.slice(0, event.target.value.length - last.length);
    document.getElementById(list.id).replaceChildren(...found.map((each) => make("option", { value: before + each.noun, label: `${each.noun} (${each.count})` })));
  });
}
