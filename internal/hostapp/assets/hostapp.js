// The open page listens for the end of its session and says so at once. Nothing starts again by
// itself: whoever reads the sentence decides.
"use strict";

const stream = new EventSource("/events");
const at = (id) => document.getElementById(id);

function say(message) {
  stream.close();
  at("ended-text").textContent = message.sentence;
  if (message.since_ms !== undefined) {
    // From the decision to this moment: what was measured until the logout token came, and the
    // way from there. Browser and server share a clock in a demonstration.
    const here = Math.max(0, Date.now() - Date.parse(message.received));
    at("ended-ms").textContent = String(message.since_ms + here);
    at("ended-measure").hidden = false;
  }
  at("ended").hidden = false;
  at("work").hidden = true;
  document.title = "Signed out · Omniflow";
  if (message.ticket) {
    fetch("/seen", { method: "POST", body: new URLSearchParams({ ticket: message.ticket }), keepalive: true }).catch(() => {});
  }
}

stream.addEventListener("signed-in", () => { at("live").dataset.state = "listening"; });
stream.addEventListener("signed-out", (event) => say(JSON.parse(event.data)));
stream.addEventListener("error", async () => {
  at("live").dataset.state = "lost";
  if (stream.readyState !== EventSource.CLOSED) {
    return; // the browser connects again by itself
  }
  const answer = await fetch("/me").catch(() => null);
  if (answer && answer.status === 401) {
    say({ sentence: (await answer.json()).sentence || "Your session has ended.", received: new Date().toISOString() });
  }
});
