package idpsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// patch is a PATCH body (RFC 7644 section 3.5.2) with the operations in order.
func patch(ops ...object) object {
	return object{{"schemas", []string{patchSchema}}, {"Operations", ops}}
}

// texts makes an object of key and value pairs without the empty values, which no IdP sends.
func texts(pairs ...string) object {
	var o object
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			o = append(o, field{pairs[i], pairs[i+1]})
		}
	}
	return o
}

// withCustom puts custom attributes under urn, or at the core level when there is no urn, in the
// order of their names.
func withCustom(o object, urn string, custom map[string]string) object {
	if len(custom) == 0 {
		return o
	}
	target := o
	if urn != "" {
		target = o.child(urn)
	}
	for _, k := range slices.Sorted(maps.Keys(custom)) {
		target = target.set(k, custom[k])
	}
	if urn != "" {
		return o.set(urn, target)
	}
	return target
}

func itoa(n int) string { return strconv.Itoa(n) }

// number reads an integer; what is none is 0.
func number(v any) int {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return 0
	}
	return i
}
