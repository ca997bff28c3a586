// Tells an open page that its session has ended, at the moment it ends. Without script the next
// click says the same.
(() => {
  "use strict";
  const notice = document.getElementById("signed-out");
  if (!notice || !window.EventSource) return;
  const reconnectAfter = 10000; // milliseconds
  let told = false;

  const tell = (sentence) => {
    if (told) return;
    told = true;
    const content = notice.content.cloneNode(true);
    if (sentence) content.querySelector("[data-sentence]").textContent = sentence;
    document.getElementById("main").replaceChildren(content);
    document.title = document.querySelector("#main h1").textContent;
  };

  const watch = () => {
    const source = new EventSource("/auth/session/events");
    source.addEventListener("session.ended", (event) => {
      source.close();
      tell(JSON.parse(event.data).message);
    });
    source.addEventListener("error", async () => {
      // A stream that broke off is opened again by the browser; one that was refused is not, and
      // then the session may have ended while nobody listened.
      if (source.readyState !== EventSource.CLOSED || told) return;
      try {
        const answer = await fetch("/auth/session");
        if (answer.status === 401) return tell("");
      } catch { /* the server cannot be reached: nothing is known */ }
      setTimeout(watch, reconnectAfter);
    });
  };
  watch();
})();
