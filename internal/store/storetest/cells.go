package storetest

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Cell is one value of a database, as text; what is packed is unpacked.
type Cell struct{ Table, Column, Text string }

// Tables are the tables of a database, those of the migrator left out.
func Tables(t testing.TB, d store.Driver) []string { return tables(t, d) }

// Cells returns every value of every row and column of every table of a database.
func Cells(t testing.TB, d store.Driver) (cells []Cell) {
	t.Helper()
	for _, table := range tables(t, d) {
		columns := columnsOf(t, d, table)
		rows, err := d.Query(context.Background(), "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
		must(t, err)
		for rows.Next() {
			values, dest := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				dest[i] = &values[i]
			}
			must(t, rows.Scan(dest...))
			for i, v := range values {
				cells = append(cells, Cell{table, columns[i], textOf(v)})
			}
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
	return cells
}

func textOf(v any) string {
	packed, ok := v.([]byte)
	if !ok {
		return fmt.Sprint(v)
	}
	if len(packed) > 0 && packed[0] == 1 {
		if text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed[1:]))); err == nil {
			return string(text)
		}
	}
	return string(packed)
}
