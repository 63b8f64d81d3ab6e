package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// What an answer may take. A monitor has less than a hundredth of that.
const (
	maxTime        = 3 * time.Second
	maxLineBytes   = 8 << 10
	maxHeaderLines = 100
	maxBodyBytes   = 16 << 20
	maxReasonBytes = 300 // of the body that says why there is no answer
)

var errTooLarge = errors.New("it is too large")

// get asks the host at address for a path, and returns the body of an answer with status 200.
func get(ctx context.Context, address, host, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) // ends what waits
	defer stop()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lightning\r\nAccept: application/json\r\n"+
		"Connection: close\r\n\r\n", path, host)
	if err != nil {
		return nil, err
	}
	body, err := answer(bufio.NewReaderSize(conn, maxLineBytes))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("within %v: %w", maxTime, ctx.Err())
	}
	return body, err
}

// answer reads an answer. Of one without success the error says what is in its body.
func answer(in *bufio.Reader) ([]byte, error) {
	first, err := line(in)
	if err != nil {
		return nil, err
	}
	version, rest, _ := strings.Cut(first, " ")
	status, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || len(status) != 3 {
		return nil, errors.New("what is there does not speak HTTP")
	}
	from, err := body(in)
	if err != nil {
		return nil, err
	}
	if status != "200" {
		reason, _ := io.ReadAll(io.LimitReader(from, maxReasonBytes)) // the status says enough
		return nil, fmt.Errorf("status %s: %s", status, strings.Join(strings.Fields(string(reason)), " "))
	}
	text, err := io.ReadAll(io.LimitReader(from, maxBodyBytes+1))
	if err == nil && len(text) > maxBodyBytes {
		err = errTooLarge
	}
	return text, err
}

// line reads a line of the header, or of the chunks, without its end.
func line(in *bufio.Reader) (string, error) {
	text, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errTooLarge
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	}
	return strings.TrimRight(string(text), "\r\n"), err
}

// body reads the header, and returns the body behind it.
func body(in *bufio.Reader) (io.Reader, error) {
	var length io.Reader = in // to the end, unless the header says more
	for range maxHeaderLines {
		text, err := line(in)
		if text == "" || err != nil {
			return length, err
		}
		name, value, _ := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("its length is %q", value)
			}
			if _, chunked := length.(*chunks); !chunked {
				length = &exactly{in, n}
			}
		case "transfer-encoding":
			if !strings.EqualFold(value, "chunked") {
				return nil, fmt.Errorf("its encoding is %q", value)
			}
			length = &chunks{in: in}
		}
	}
	return nil, errTooLarge
}

// exactly reads the next n bytes, and fails if there are fewer.
type exactly struct {
	in *bufio.Reader
	n  int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n, err := e.in.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(n)
	if errors.Is(err, io.EOF) && e.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunks reads a body in chunks: each is its length in hexadecimal, a line end, its bytes, a line end; the last one has
// the length 0.
type chunks struct {
	in   *bufio.Reader
	part exactly
	last bool
}

func (c *chunks) Read(p []byte) (int, error) {
	for c.part.n == 0 {
		if c.last {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	return c.part.Read(p)
}

// next begins the next chunk.
func (c *chunks) next() error {
	text, err := line(c.in)
	if text == "" && err == nil && c.part.in != nil { // the end of the chunk before
		text, err = line(c.in)
	}
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(text, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
	if err != nil {
		return fmt.Errorf("the length of a chunk is %q", size)
	}
	c.part, c.last = exactly{c.in, int64(n)}, n == 0
	return nil
}
