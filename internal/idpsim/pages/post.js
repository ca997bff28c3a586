const form = document.querySelector("form");
if (form) form.submit();
else document.querySelector("#continue").click();
