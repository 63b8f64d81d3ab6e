package text

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Errors of Path.
var (
	errEmptyName  = errors.New(`a name in the path of a bucket is empty; "/" stands between two names`)
	errPathEscape = errors.New(`a backslash begins an escape like \/ or \n; write \\ for a backslash itself`)
)

// root is the path of the root, which has no name.
const root = "/"

// AppendPath appends the path of a bucket, its names with "/" between them. In a name "/" is \/, and a backslash and
// what cannot be printed have the escapes of Go. The path without a name is "/".
func AppendPath(dst []byte, path []string) []byte {
	if len(path) == 0 {
		return append(dst, root...)
	}
	for i, name := range path {
		if i > 0 {
			dst = append(dst, '/')
		}
		escaped := string(AppendEscaped(nil, []byte(name), ""))
		dst = append(dst, strings.ReplaceAll(escaped, "/", `\/`)...)
	}
	return dst
}

// Path reads what AppendPath has written, or somebody who spells like it.
func Path(text string) (path []string, err error) {
	if text == root {
		return nil, nil
	}
	for {
		name, rest, more, err := pathName(text)
		switch {
		case err != nil:
			return nil, err
		case name == "":
			return nil, errEmptyName
		}
		path, text = append(path, name), rest
		if !more {
			return path, nil
		}
	}
}

// pathName reads the first name of a path. more tells that "/" stands behind it, and then rest.
func pathName(text string) (name, rest string, more bool, err error) {
	var out []byte
	for text != "" {
		switch {
		case text[0] == '/':
			return string(out), text[1:], true, nil
		case text[0] != '\\':
			out, text = append(out, text[0]), text[1:]
		case strings.HasPrefix(text, `\/`):
			out, text = append(out, '/'), text[2:]
		default:
			r, multibyte, rest, err := strconv.UnquoteChar(text, 0)
			if err != nil {
				return "", "", false, errPathEscape
			}
			text = rest
			if multibyte {
				out = utf8.AppendRune(out, r)
			} else {
				out = append(out, byte(r))
			}
		}
	}
	return string(out), "", false, nil
}

// UnfinishedPath is Path for one that is being written: the names before its last "/", and the last one as far as it
// goes. After an error there are none.
func UnfinishedPath(text string) (path []string, begun string) {
	for {
		name, rest, more, err := pathName(text)
		if err != nil || !more {
			return path, name
		}
		path, text = append(path, name), rest
	}
}
