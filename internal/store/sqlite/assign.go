package sqlite

import (
	"database/sql/driver"
	"fmt"
)

// assign stores a value of the database in dest. It takes what the store asks for and no more:
// text, whole numbers, booleans (which SQLite keeps as numbers), bytes, and what may be NULL.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *string:
		return into(d, v, text)
	case *int64:
		return into(d, v, whole)
	case *int:
		return into(d, v, func(v driver.Value) (int, bool) { n, ok := whole(v); return int(n), ok })
	case *bool:
		return into(d, v, func(v driver.Value) (bool, bool) { n, ok := whole(v); return n != 0, ok })
	case *[]byte:
		if v == nil {
			*d = nil
			return nil
		}
		return into(d, v, blob)
	case **string:
		return maybe(d, v, text)
	case **int64:
		return maybe(d, v, whole)
	case *any:
		*d = v
		return nil
	default:
		return fmt.Errorf("no place for %T in %T", v, dest)
	}
}

func into[T any](dest *T, v driver.Value, read func(driver.Value) (T, bool)) error {
	value, ok := read(v)
	if !ok {
		return fmt.Errorf("no place for %T in %T", v, dest)
	}
	*dest = value
	return nil
}

// maybe is into for what may be NULL.
func maybe[T any](dest **T, v driver.Value, read func(driver.Value) (T, bool)) error {
	if v == nil {
		*dest = nil
		return nil
	}
	value := new(T)
	*dest = value
	return into(value, v, read)
}

func text(v driver.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	default:
		return "", false
	}
}

func whole(v driver.Value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	default:
		return 0, false
	}
}

func blob(v driver.Value) ([]byte, bool) {
	switch v := v.(type) {
	case []byte:
		return v, true
	case string:
		return []byte(v), true
	default:
		return nil, false
	}
}
