// Copies a value at a click, and reads a file into a field. Without script the values are fields that can be selected,
// and a file's text is pasted.
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
  // A file is read into the field that it stands in for.
  for (const place of document.querySelectorAll("[data-file-for]")) {
    const field = document.getElementById(place.dataset.fileFor);
    const file = place.querySelector("input[type=file]");
    if (!field || !file) continue;
    place.hidden = false;
    file.addEventListener("change", async () => {
      if (file.files.length) field.value = await file.files[0].text();
    });
  }
  for (const field of document.querySelectorAll("input[data-value]")) {
    field.addEventListener("click", () => field.select());
  }
})();
