package tuple

// The type codes of FoundationDB's tuple layer. Never renumber one: keys that are stored begin with them, and other
// programs read them. 0xff is no type code and must not become one: it is how a zero byte within a string is told from
// the end of the string, and how Prefix and Range end.
const (
	nullCode         byte = 0x00
	bytesCode        byte = 0x01
	stringCode       byte = 0x02
	nestedCode       byte = 0x05
	negativeBigCode  byte = 0x0b
	negativeCode     byte = 0x0c // of eight bytes; up to zeroCode the codes of fewer follow
	zeroCode         byte = 0x14
	positiveCode     byte = 0x1c // of eight bytes; from zeroCode the codes of fewer lead here
	positiveBigCode  byte = 0x1d
	float32Code      byte = 0x20
	float64Code      byte = 0x21
	falseCode        byte = 0x26
	trueCode         byte = 0x27
	uuidCode         byte = 0x30
	versionstampCode byte = 0x33

	terminator byte = 0x00 // ends strings and nested tuples
	escape     byte = 0xff // behind a zero byte: it is one, and not the terminator
)

// maxBigBytes is what the length byte of a large integer can say.
const maxBigBytes = 255

// MaxDepth is how deep tuples may lie in each other; an element of the key itself is at depth 0.
const MaxDepth = 256

// isKnown reports whether elements begin with this code.
func isKnown(code byte) bool {
	switch code {
	case nullCode, bytesCode, stringCode, nestedCode, negativeBigCode, positiveBigCode, float32Code, float64Code,
		falseCode, trueCode, uuidCode, versionstampCode:
		return true
	}
	return isInteger(code)
}

// isInteger reports whether an element with this code is an integer of up to eight bytes.
func isInteger(code byte) bool { return negativeCode <= code && code <= positiveCode }
