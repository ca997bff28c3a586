// Copies a value at a click. Without script the values are fields that can be selected.
(() => {
  "use strict";
  const shownFor = 2000; // milliseconds

  const copy = async (field) => {
    field.focus();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // Over plain http there is no clipboard to ask; the old way needs no permission.
      document.execCommand("copy");
    }
  };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    if (!field) continue;
    const word = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copy(field);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = word; }, shownFor);
    });
  }
  for (const field of document.querySelectorAll("input[data-value]")) {
    field.addEventListener("click", () => field.select());
  }
})();
