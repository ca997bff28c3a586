package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Message URNs of bulk (RFC 7644 section 3.7).
const (
	URNBulkRequest  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	URNBulkResponse = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// The limits of bulk where BulkLimits does not say them.
const (
	DefaultBulkOperations = 1000
	DefaultBulkPayload    = 1 << 20
)

// BulkLimits offers bulk (RFC 7644 section 3.7) and bounds it. Beyond a limit the whole request is refused with
// 413. Handler.MaxBody bounds the data of one operation as it does a request's.
type BulkLimits struct {
	MaxOperations  int   // 0 means DefaultBulkOperations
	MaxPayloadSize int64 // bytes; 0 means DefaultBulkPayload
}

func (l *BulkLimits) operations() int {
	if l.MaxOperations > 0 {
		return l.MaxOperations
	}
	return DefaultBulkOperations
}

func (l *BulkLimits) payload() int64 {
	if l.MaxPayloadSize > 0 {
		return l.MaxPayloadSize
	}
	return DefaultBulkPayload
}

// bulk performs a POST to /Bulk. Each operation is a request of its own, with its own transaction, and what it
// comes to is its own result; the results are in the order of the request.
func (e *exchange) bulk() (answer, error) {
	limit := e.h.Bulk.payload()
	body, err := e.readUpTo(limit)
	var tooLarge *http.MaxBytesError
	var refused *Error
	if errors.As(err, &tooLarge) || errors.As(err, &refused) && refused.Status == http.StatusRequestEntityTooLarge {
		return answer{}, Errorf(http.StatusRequestEntityTooLarge, "", "The request is larger than maxPayloadSize, which is %d bytes. Nothing was processed.", limit)
	}
	if err != nil {
		return answer{}, err
	}
	o, err := decodeObject(body)
	if err != nil {
		return answer{}, err
	}
	b := &bulk{e: e}
	if err := b.read(o); err != nil {
		return answer{}, err
	}
	b.run()
	return answer{status: http.StatusOK, body: b.appendTo(nil)}, nil
}

// read reads the message. What is wrong with one operation alone becomes its result.
func (b *bulk) read(o object) error {
	if !namesSchema(o, URNBulkRequest) {
		return bad(TypeInvalidSyntax, "\"schemas\" must contain %s.", quote(URNBulkRequest))
	}
	v, _ := o.get("Operations")
	operations, ok := v.([]any)
	if !ok {
		return bad(TypeInvalidSyntax, "\"Operations\" must be an array.")
	}
	if most := b.e.h.Bulk.operations(); len(operations) > most {
		return Errorf(http.StatusRequestEntityTooLarge, "", "The request has %d operations; maxOperations is %d. Nothing was processed.", len(operations), most)
	}
	if err := b.readFailOnErrors(o); err != nil {
		return err
	}
	b.named = make(map[string]*bulkOp)
	for i, v := range operations {
		op := b.operation(v, i+1)
		b.ops = append(b.ops, op)
		if op.bulkID == "" {
			continue
		}
		if b.named[op.bulkID] != nil {
			return bad(TypeInvalidValue, "Two operations have the bulkId %s. Nothing was processed.", quote(op.bulkID))
		}
		b.named[op.bulkID] = op
	}
	return nil
}

func (b *bulk) readFailOnErrors(o object) error {
	v, _ := o.get("failOnErrors")
	if v == nil {
		return nil
	}
	number, _ := v.(json.Number)
	n, err := strconv.Atoi(string(number))
	if err != nil || n < 1 {
		return bad(TypeInvalidValue, "\"failOnErrors\" must be a whole number of 1 or more; received %s.", describe(v))
	}
	b.failOnErrors = n
	return nil
}

// operation reads one operation. Its refusal is kept in the result.
func (b *bulk) operation(v any, number int) *bulkOp {
	op := &bulkOp{}
	if err := op.read(v, number); err != nil {
		op.refuse(err)
		return op
	}
	u, err := b.e.h.bulkURL(op.path)
	if err != nil {
		op.refuse(err)
		return op
	}
	op.url = u
	op.route = b.e.h.route(&http.Request{URL: u})
	if ref, ok := bulkRef(op.route.id); ok && op.route.kind == routeSingle {
		op.pathRef = ref
	} else if op.method != http.MethodPost {
		op.id = op.route.id
	}
	return op
}

// read reads the members of an operation.
func (op *bulkOp) read(v any, number int) error {
	o, ok := v.(object)
	if !ok {
		return bad(TypeInvalidSyntax, "Operation %d must be an object; received %s.", number, describe(v))
	}
	texts := map[string]*string{"method": &op.method, "path": &op.path, "bulkId": &op.bulkID, "version": &op.version}
	for _, name := range [...]string{"bulkId", "method", "path", "version"} {
		v, _ := o.get(name)
		if s, ok := v.(string); ok {
			*texts[name] = s
		} else if v != nil {
			return bad(TypeInvalidSyntax, "Operation %d: %q must be a string; received %s.", number, name, describe(v))
		}
	}
	op.method = strings.ToUpper(op.method)
	switch op.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		sent := op.method
		op.method = ""
		return bad(TypeInvalidSyntax, "Operation %d: \"method\" must be POST, PUT, PATCH or DELETE; received %s.", number, quote(sent))
	}
	if op.method == http.MethodPost && op.bulkID == "" {
		return bad(TypeInvalidSyntax, "Operation %d: POST needs a \"bulkId\".", number)
	}
	if op.method == http.MethodDelete {
		return nil
	}
	data, _ := o.get("data")
	if op.data, ok = data.(object); !ok {
		return bad(TypeInvalidSyntax, "Operation %d: %s needs \"data\", an object; received %s.", number, op.method, describe(data))
	}
	return nil
}

// appendTo writes the BulkResponse. What failOnErrors kept from being run has no result.
func (b *bulk) appendTo(out []byte) []byte {
	out = append(out, `{"schemas":["`+URNBulkResponse+`"],"Operations":[`...)
	first := true
	for _, op := range b.ops {
		if op.status == 0 {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = op.appendTo(out)
	}
	return append(out, "]}"...)
}

func (op *bulkOp) appendTo(out []byte) []byte {
	out = append(out, '{')
	for _, m := range [...]struct{ name, value string }{{"method", op.method}, {"bulkId", op.bulkID}, {"version", op.etag}, {"location", op.location}} {
		if m.value != "" {
			out = appendString(out, m.name)
			out = appendString(append(out, ':'), m.value)
			out = append(out, ',')
		}
	}
	out = append(out, `"status":"`...)
	out = strconv.AppendInt(out, int64(op.status), 10)
	out = append(out, '"')
	if op.response != nil {
		out = append(out, `,"response":`...)
		out = append(out, op.response...)
	}
	return append(out, '}')
}
