// Posts the page's form on. Without script the button does the same.
(() => {
  "use strict";
  const form = document.querySelector("form[data-onward]");
  // Coming back to the page by the browser's history must not send the form again.
  const [visit] = performance.getEntriesByType("navigation");
  if (form && (!visit || visit.type !== "back_forward")) form.submit();
})();
