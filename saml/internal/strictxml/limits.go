package strictxml

import "fmt"

// Limits bound what a document may cost. A zero field means its default.
type Limits struct {
	Bytes      int // of the document; 1 MiB
	Depth      int // of nested elements, the root counting as 1; 64
	Nodes      int // elements and runs of text; attributes may be twice as many; 20,000
	Attributes int // of one element, namespace declarations included; 64
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&l.Bytes, 1<<20)
	set(&l.Depth, 64)
	set(&l.Nodes, 20_000)
	set(&l.Attributes, 64)
	return l
}

// Cause tells refused documents apart, as far as that means something to an administrator.
type Cause int

// The causes. Those after TooLarge are things that XML has and that are never accepted.
const (
	NotWellFormed Cause = iota // not XML, or not of the subset that is read
	TooLarge                   // one of the Limits was reached
	DocumentType
	Comment
	ProcessingInstruction
	CDATA
	DuplicateID // two elements that a reference could mean
)

// SyntaxError says why a document was refused.
type SyntaxError struct {
	Offset int    // in bytes; line ends count as one byte
	Reason string // in words, for an administrator
	Cause  Cause
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("XML at byte %d: %s", e.Offset, e.Reason)
}
