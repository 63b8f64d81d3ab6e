package torture

// Keys are written in this package as text, for people, and spelled in bytes for the database: what is trimmed,
// compared or cut as text, and not as bytes, goes wrong with them. Digits become bytes from both sides of 0x80 and
// from the ends, none of them valid UTF-8 behind another; a slash becomes 0xff, so that a prefix ends in it, and the
// first key behind all that have the prefix is shorter. Spelling keeps prefixes, and the order of numbers of one
// length and of small letters.

// spelledDigits are ascending.
const spelledDigits = "\x00\x01\x2f\x7e\x7f\x80\x81\xc3\xfd\xfe"

// spell returns the bytes of a key. text has digits, small letters and slashes; other characters stay what they are.
func spell[T string | []byte](text T) []byte {
	k := make([]byte, len(text))
	for i := range k {
		switch c := text[i]; {
		case c == '/':
			k[i] = 0xff
		case '0' <= c && c <= '9':
			k[i] = spelledDigits[c-'0']
		case 'a' <= c && c <= 'z':
			k[i] = 0x83 + 2*(c-'a')
		default:
			k[i] = c
		}
	}
	return k
}
