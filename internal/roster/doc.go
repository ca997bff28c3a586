// Package roster reads a list of people to invite from CSV (RFC 4180), as spreadsheets and people write it: with commas,
// semicolons or tabs, with or without a byte order mark, with either line end. It reads row by row and holds one at a time.
//
// The first row names the columns. What is wrong with a row is said with its line and column and does not end the
// reading; what is wrong with the file does. A cell that a spreadsheet would run as a formula is wrong; [Cell] makes such
// a cell harmless where a list is written.
//
// It refuses to know who is a member already, and what a role is.
//
// Entry points: [NewReader], [Reader.Next], [Cell].
package roster
