// Package guide is how each identity provider is set up, as data: one guide for each yes-cell of the table of IdPs
// (F3 to F9 of the seeds), with its steps, the IdP's own names of its fields, our values to copy there, what to bring
// back, how groups are sent, and plain warnings. Console, command line, the documentation and the plain texts for
// machines (K29) are written from it alone.
//
// Values of a connection or directory stand in it as places in braces: Guide.With fills them in, and Blank says what
// stands there where no connection is known. All lists the guides, Find refuses the cells that are not offered, and
// Markdown and Index are the two texts.
//
// The facts are what the IdPs' administrators see in 2026. The room does no I/O, and knows no workspace.
package guide
