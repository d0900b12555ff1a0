// The page of the API: commands are copied, and a link to an operation opens it.

import { toast } from "./talk.js";

document.querySelectorAll("[data-copies]").forEach((button) =>
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      toast("Copied.");
    } catch {
      toast("The browser does not let pages copy here; select the command and copy it.");
    }
  }),
);

function openLinked() {
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked instanceof HTMLDetailsElement) linked.open = true;
}

addEventListener("hashchange", openLinked);
openLinked();
