// Package browser drives a headless Chromium, so that a test can look at a page as people do: what it draws, says on
// its console, and asks for. It speaks the DevTools protocol over two pipes, and needs nothing but the program, which
// Find looks for; it installs nothing.
//
//	b, err := browser.Start(program, t.TempDir())
//	defer b.Close()
//	page, err := b.Open(ctx, address, browser.View{Width: 390, Height: 844, Dark: true})
//	err = page.Wait(ctx, `document.title !== ""`)
//	problems, requests := page.Problems(), page.Requests()
//
// A message is a JSON object and a NUL. Chromium reads them from its file 3 and writes them to its file 4.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// programs are the names under which systems have Chromium.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Find returns the path of Chromium; false if it is not installed.
func Find() (program string, ok bool) {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// flags keep Chromium from whatever is not the page: windows, first-run dialogs, its own requests to elsewhere. It is
// without its sandbox because that refuses to run for root; it shows pages of tests only.
var flags = []string{"--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
	"--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb", "about:blank"}

// closeTime is how long Chromium may take to end by itself.
const closeTime = 30 * time.Second

// Browser is a running Chromium. Its methods may be called from several goroutines.
type Browser struct {
	process *exec.Cmd
	to      io.WriteCloser
	stderr  bytes.Buffer // read after the process has ended

	mu      sync.Mutex
	last    int                     // number of the newest call
	waiting map[int]chan<- *message // calls without an answer
	pages   map[string]*Page        // by session
	ended   chan struct{}           // closed by read, when Chromium says no more
}

// message is one of the protocol, either way.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start runs program, which Find has found, until Close. Its profile goes into dir.
func Start(program, dir string) (*Browser, error) {
	input, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	from, output, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	defer output.Close()
	b := &Browser{process: exec.Command(program, append([]string{"--user-data-dir=" + dir}, flags...)...),
		to: to, waiting: make(map[int]chan<- *message), pages: make(map[string]*Page), ended: make(chan struct{})}
	b.process.ExtraFiles = []*os.File{input, output}
	b.process.Stderr = &b.stderr
	b.process.WaitDelay = closeTime
	if err := b.process.Start(); err != nil {
		return nil, errors.Join(err, to.Close(), from.Close())
	}
	go b.read(from)
	return b, nil
}

// Close ends Chromium.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = b.call(ctx, "", "Browser.close", nil, nil) // if it does not listen it is killed
	select {
	case <-b.ended:
	case <-ctx.Done():
		_ = b.process.Process.Kill() // Wait tells
	}
	err := b.process.Wait()
	b.to.Close()
	if err != nil {
		return fmt.Errorf("browser: %w: %s", err, b.stderr.String())
	}
	return nil
}

// read hands out what Chromium says, until it says no more.
func (b *Browser) read(from io.ReadCloser) {
	defer close(b.ended)
	defer from.Close()
	for in := bufio.NewReader(from); ; {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		m := new(message)
		if json.Unmarshal(text[:len(text)-1], m) != nil {
			continue // the call that it answers ends with its context
		}
		b.mu.Lock()
		page, call := b.pages[m.Session], b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case call != nil:
			call <- m
		case page != nil:
			page.note(m)
		}
	}
}

// call calls a method of the protocol. params and result may be nil.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	if params == nil {
		text = nil
	}
	answer := make(chan *message, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	text, err = json.Marshal(message{ID: id, Session: session, Method: method, Params: text})
	if err == nil {
		_, err = b.to.Write(append(text, 0)) // under mu, so that messages do not mix
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("browser: %s: %w", method, err)
	}
	select {
	case m := <-answer:
		switch {
		case m.Error != nil:
			return fmt.Errorf("browser: %s: %s", method, m.Error.Message)
		case result != nil:
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-b.ended:
		return fmt.Errorf("browser: %s: Chromium has ended", method)
	case <-ctx.Done():
		return fmt.Errorf("browser: %s: %w", method, ctx.Err())
	}
}
