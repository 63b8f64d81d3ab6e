package monitor

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"net/http"
	"strings"
)

// The page is markup, its style and its script. It has them in itself, and asks for nothing but /debug/lightning.
var (
	//go:embed page.html
	pageMarkup string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	page = strings.NewReplacer("{{style}}", "\n"+pageStyle, "{{script}}", "\n"+pageScript).Replace(pageMarkup)
)

// tokenPlace is where the token goes in the page.
const tokenPlace = "{{token}}"

// pagePolicy forbids everything that the page does not have: its script and style are allowed by their digests.
var pagePolicy = "default-src 'none'; script-src " + digestOf("script") + "; style-src " + digestOf("style") +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// digestOf is the digest of what is in the element of the page with this name, as a Content-Security-Policy has it.
func digestOf(element string) string {
	_, text, _ := strings.Cut(page, "<"+element+">")
	text, _, _ = strings.Cut(text, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (m *Monitor) showPage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Frame-Options", "DENY")
	w.Write([]byte(strings.Replace(page, tokenPlace, m.token, 1))) // whoever has gone does not want it
}
