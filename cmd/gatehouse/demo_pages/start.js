// Buttons act without a new page; what changes comes by the feed. Without script the buttons are
// plain forms.
"use strict";

const at = (id) => document.getElementById(id);
const limit = 80;

function element(name, text, kind) {
  const e = document.createElement(name);
  e.textContent = text;
  if (kind) {
    e.className = kind;
  }
  return e;
}

function addLine(line) {
  const item = document.createElement("li");
  item.classList.add("new");
  item.classList.toggle("bad", line.refused);
  const who = element("span", line.who, "who");
  if (line.why) {
    who.append(" ", element("em", line.why));
  }
  item.append(element("span", line.time + " " + line.workspace, "soft when"), element("code", line.type), who);
  at("events").prepend(item);
  while (at("events").children.length > limit) {
    at("events").lastElementChild.remove();
  }
  at("quiet").hidden = true;
}

function fill(id, text) {
  at(id).textContent = text;
  at(id).hidden = text === "";
}

function showState(s) {
  fill("notice", s.notice);
  fill("sync-result", s.sync);
  at("fire-form").hidden = s.fired;
  at("rehire-form").hidden = !s.fired;
  at("measure").hidden = s.measure === "";
  at("measure-text").textContent = s.measure;
  at("measure-ms").textContent = s.shown || s.told;
  at("measure-big").hidden = s.told === "";
}

const feed = new EventSource("/feed");
feed.addEventListener("open", () => { at("dot").dataset.state = "on"; });
feed.addEventListener("error", () => { at("dot").dataset.state = "off"; });
feed.addEventListener("event", (e) => addLine(JSON.parse(e.data)));
feed.addEventListener("state", (e) => showState(JSON.parse(e.data)));

for (const form of document.querySelectorAll("form[data-act]")) {
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await fetch(form.action, { method: "POST", headers: { Accept: "application/json" } });
    } finally {
      button.disabled = false;
    }
  });
}
