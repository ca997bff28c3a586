// Package web is the HTTP kit that every door stands on: the server, one log line per request,
// client addresses, limits, cross-origin protection, pages, event streams, and one place where an
// error becomes a response.
//
// Entry points: Site puts doors (Mounter) behind the common chain and Server runs it; PageDoor
// and JSONDoor run handlers that return errors (HandlerFunc) for browsers and for programs;
// Template and Render make small server-rendered pages in the common layout; NewStream sends
// server-sent events.
//
// The package refuses to know what is behind a door: no workspace, no session, no database. It
// never believes X-Forwarded-Host, X-Forwarded-Proto or Forwarded, and X-Forwarded-For only from
// proxies that the operator named.
package web
