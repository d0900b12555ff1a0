// Requests to this server, and what a page says of them.

// One name a tab, so that the server is fair to each.
const TAB = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);

async function request(method, address, body) {
  const headers = { "X-Freeda-Tab": TAB };
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(address, { method, headers, body });
  } catch {
    throw new Error("The server does not answer. Start `freeda serve` again and open the address that it prints.");
  }
  if (!answer.ok) throw new Error(await told(answer));
  return answer;
}

async function told(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error || text;
  } catch {
    return text || `The server answered ${answer.status}.`;
  }
}

export const getJson = async (address) => (await request("GET", address)).json();
export const getText = async (address) => (await request("GET", address)).text();
export const postJson = async (address, body) => (await request("POST", address, body)).json();
export const postText = async (address, body) => (await request("POST", address, body)).text();
export const postBitmap = async (address, body) =>
  createImageBitmap(await (await request("POST", address, body)).blob(), { colorSpaceConversion: "none" });
export const postFiles = async (address, form) => (await request("POST", address, form)).json();
export const remove = (address) => request("DELETE", address);

// A line at the foot of the page; with an action it stays until it is used or another line comes.
let leaving;
export function toast(text, action) {
  const place = document.querySelector(".toast");
  clearTimeout(leaving);
  place.textContent = text;
  if (action) {
    const button = make("button", { type: "button", className: "small" }, action.text);
    button.addEventListener("click", () => {
      place.textContent = "";
      action.run();
    });
    place.append(button);
  } else {
    leaving = setTimeout(() => (place.textContent = ""), 8000);
  }
}

// An element with properties, data and children; texts become text, never markup.
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "data") Object.assign(element.dataset, value);
    else if (key.startsWith("aria-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function swatch(colour) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("aria-hidden", "true");
  const square = document.createElementNS(space, "rect");
  square.setAttribute("width", "1");
  square.setAttribute("height", "1");
  square.setAttribute("fill", colour);
  svg.append(square);
  return svg;
}

export const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);

// Says in the header which revision the bank shows.
export function showRevision(number) {
  const bank = document.getElementById("bank");
  bank.dataset.revision = number ?? "";
  bank.querySelector("[data-shows=revision]").textContent = number === null ? "no revision yet" : `revision ${number}`;
}
