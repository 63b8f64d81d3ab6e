package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// View is the window that a page is shown in.
type View struct {
	Width, Height int  // in CSS pixels
	Dark          bool // the colour scheme that the person prefers
	Phone         bool // touched, not pointed at
}

// Page is a page in a context of its own, which shares no cookies and no cache with others.
type Page struct {
	browser *Browser
	session string
	context string

	mu       sync.Mutex
	problems []string
	requests []string
}

// arguments are the parameters of a call.
type arguments map[string]any

// Open shows the page at address, and returns once it is loaded.
func (b *Browser) Open(ctx context.Context, address string, v View) (*Page, error) {
	var created struct {
		Context string `json:"browserContextId"`
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	if err := b.call(ctx, "", "Target.createBrowserContext", nil, &created); err != nil {
		return nil, err
	}
	err := b.call(ctx, "", "Target.createTarget", arguments{"url": "about:blank",
		"browserContextId": created.Context}, &created)
	if err == nil {
		err = b.call(ctx, "", "Target.attachToTarget", arguments{"targetId": created.Target, "flatten": true}, &created)
	}
	if err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: created.Session, context: created.Context}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	for _, c := range []struct {
		method string
		params arguments
	}{
		{"Page.enable", nil}, {"Runtime.enable", nil}, {"Log.enable", nil}, {"Network.enable", nil},
		{"Emulation.setDeviceMetricsOverride", arguments{"width": v.Width, "height": v.Height, "deviceScaleFactor": 1,
			"mobile": v.Phone}},
		{"Emulation.setTouchEmulationEnabled", arguments{"enabled": v.Phone}},
		{"Emulation.setEmulatedMedia", arguments{"features": []arguments{{"name": "prefers-color-scheme",
			"value": scheme}}}},
		{"Page.navigate", arguments{"url": address}},
	} {
		if err := p.call(ctx, c.method, c.params, nil); err != nil {
			return nil, err
		}
	}
	return p, p.Wait(ctx, `location.href !== "about:blank" && document.readyState === "complete"`)
}

func (p *Page) call(ctx context.Context, method string, params arguments, result any) error {
	if params == nil {
		return p.browser.call(ctx, p.session, method, nil, result)
	}
	return p.browser.call(ctx, p.session, method, params, result)
}

// Close ends the page.
func (p *Page) Close(ctx context.Context) error {
	return p.browser.call(ctx, "", "Target.disposeBrowserContext", arguments{"browserContextId": p.context}, nil)
}

// Eval evaluates an expression of JavaScript, or awaits the promise that it is, and stores its value in result.
func (p *Page) Eval(ctx context.Context, expression string, result any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.call(ctx, "Runtime.evaluate", arguments{"expression": expression, "returnByValue": true,
		"awaitPromise": true}, &answer)
	switch {
	case err != nil:
		return err
	case answer.Exception != nil:
		return fmt.Errorf("browser: %s: %s", expression, answer.Exception.Exception.Description)
	case len(answer.Result.Value) == 0:
		return fmt.Errorf("browser: %s has no value", expression)
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// askEvery is how often Wait asks.
const askEvery = 50 * time.Millisecond

// Wait returns once a condition of JavaScript holds, or with an error when ctx ends.
func (p *Page) Wait(ctx context.Context, condition string) error {
	for {
		var holds bool
		err := p.Eval(ctx, "Boolean("+condition+")", &holds)
		if holds && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("browser: it never held that %s: %w", condition, ctx.Err()), err)
		case <-time.After(askEvery):
		}
	}
}

// Point moves the mouse to a place of the window.
func (p *Page) Point(ctx context.Context, x, y float64) error {
	return p.call(ctx, "Input.dispatchMouseEvent", arguments{"type": "mouseMoved", "x": x, "y": y}, nil)
}

// Screenshot returns a picture of the window as a PNG, or of the whole page.
func (p *Page) Screenshot(ctx context.Context, whole bool) ([]byte, error) {
	var answer struct {
		Data []byte `json:"data"` // base64, as JSON has bytes
	}
	err := p.call(ctx, "Page.captureScreenshot", arguments{"format": "png", "captureBeyondViewport": whole}, &answer)
	return answer.Data, err
}

// Problems returns what the console of the page has said that is an error or a warning, exceptions, and what the
// policy of the page has refused.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Requests returns the addresses that the page has asked for.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// event is what the events that note knows have in their parameters.
type event struct {
	Type string `json:"type"` // of a call of the console
	Args []struct {
		Value       any    `json:"value"`
		Description string `json:"description"`
	} `json:"args"`
	Details struct {
		Text      string `json:"text"`
		Exception struct {
			Description string `json:"description"`
		} `json:"exception"`
	} `json:"exceptionDetails"`
	Entry struct {
		Level string `json:"level"`
		Text  string `json:"text"`
		URL   string `json:"url"`
	} `json:"entry"`
	Request struct {
		URL string `json:"url"`
	} `json:"request"`
}

// note keeps what an event says.
func (p *Page) note(m *message) {
	var e event
	if json.Unmarshal(m.Params, &e) != nil {
		return // none of those
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, e.Request.URL)
	case "Runtime.exceptionThrown":
		p.problems = append(p.problems, e.Details.Text+" "+e.Details.Exception.Description)
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			p.problems = append(p.problems, fmt.Sprintf("console.%s: %v", e.Type, e.Args))
		}
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}
