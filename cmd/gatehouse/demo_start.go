package main

// mailBase is where the mail that was caught is shown.
const mailBase = "/mail"
