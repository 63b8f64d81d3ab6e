package text

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A path that leads to another bucket than the one that was shown drops or moves the wrong one.
func TestPath_isReadAsItIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(1, 20, 255), rapid.SampledFrom([]string{
			"/", `\`, `\/`, "a/b", "\x00", "\xff", " ", "\u00ad"}))
		path := rapid.SliceOfN(name, 0, 5).Draw(t, "path")
		shown := string(AppendPath(nil, path))
		read, err := Path(shown)
		if err != nil || !slices.Equal(read, path) {
			t.Fatalf("%q is shown as %s and read as %q, %v", path, shown, read, err)
		}
		words, err := Split(string(AppendWord(nil, []byte(shown))))
		if err != nil || len(words) != 1 || words[0] != shown {
			t.Fatalf("%s is the words %q, %v", shown, words, err)
		}
		if len(path) > 0 {
			in, begun := UnfinishedPath(shown)
			if !slices.Equal(append(in, begun), path) {
				t.Fatalf("%s begins with %q and %q", shown, in, begun)
			}
		}
	})
	for _, wrong := range []string{"", "a/", "/a", "a//b", `a\`, `\q`, "//"} {
		if path, err := Path(wrong); err == nil {
			t.Errorf("%s is read as %q", wrong, path)
		}
	}
}
