// Package fake is a bucket in memory that answers the requests of S3 over HTTP, and goes wrong as buckets do: it
// throttles, cuts connections, fails after it has done what it was asked, does it later, lists what was, and takes
// conditions for nothing. It is for tests. Signatures are not looked at, digests of contents are.
package fake

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Name is the name of the bucket.
const Name = "bucket"

// Kind is what a request asks for.
type Kind string

// The kinds of requests.
const (
	Put      Kind = "put"
	Get      Kind = "get"
	Head     Kind = "head"
	Remove   Kind = "remove"
	Copy     Kind = "copy"
	List     Kind = "list"
	Begin    Kind = "begin" // a multipart upload
	Part     Kind = "part"
	CopyPart Kind = "copy part"
	Complete Kind = "complete"
	Abort    Kind = "abort"
	Uploads  Kind = "uploads" // lists multipart uploads
	Parts    Kind = "parts"   // lists parts of one
)

// Request is one request, as faults are chosen by it.
type Request struct {
	Kind        Kind
	Key         string
	Conditional bool // it has If-Match or If-None-Match
	N           int  // how many there were before, of all
}

// Fault is what goes wrong with a request.
type Fault int

// The faults.
const (
	None        Fault = iota
	SlowDown          // refused: 503 SlowDown
	Internal          // not done: 500
	CutRequest        // not done: the connection ends in the middle of the request's body
	FailAfter         // done: 500
	CutAnswer         // done: the connection ends in the middle of the answer's body, or before it
	HangBefore        // not done: no answer until the client has gone
	HangAfter         // done: the same
	Late              // done after Lateness: the connection ends at once
	HiddenError       // not done: 200, with an error in the body
	Denied            // 403 AccessDenied
)

// Server is the bucket. Its fields are set before Start.
type Server struct {
	Fault func(r Request) Fault // nil for none. SetFault replaces it

	IgnoreConditions bool          // it takes If-None-Match and If-Match, and does as if they were not there
	IgnoreMatch      bool          // it does that with If-Match alone
	RefuseConditions bool          // it answers them with 501 NotImplemented
	Racy             bool          // it looks at conditions, waits, and then does it
	StaleLists       time.Duration // what came or went since is not listed yet, or still
	Lateness         time.Duration // of what is done late

	mu       sync.Mutex
	objects  map[string]object
	uploads  map[string]*upload // by id
	changes  []change
	requests []Request
	late     sync.WaitGroup
	http     *httptest.Server
}

type object struct {
	content []byte
	etag    string
	meta    http.Header
}

type upload struct {
	key   string
	meta  http.Header
	parts map[int][]byte
}

// change is one that a stale list does not know yet.
type change struct {
	at     time.Time
	key    string
	before *object
}

// Start begins to serve on a port of this machine. Close ends it.
func (s *Server) Start() *Server {
	s.objects, s.uploads = make(map[string]object), make(map[string]*upload)
	s.http = httptest.NewServer(s)
	return s
}

// URL is where it is.
func (s *Server) URL() string { return s.http.URL }

// Close ends it, after what is late was done.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
	s.late.Wait()
}

// SetFault replaces Fault.
func (s *Server) SetFault(fault func(r Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Fault = fault
}

// Wait waits until what is late was done.
func (s *Server) Wait() { s.late.Wait() }

// Requests are all that were made until now.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Keys lists what is there, without asking over HTTP.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// Content is what a key has.
func (s *Server) Content(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.objects[key].content)
}

// Remove removes a key, without asking over HTTP.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

// OpenUploads counts the multipart uploads that were neither completed nor aborted.
func (s *Server) OpenUploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// answer is what a request is answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func failed(status int, code string) answer {
	return answer{status: status, body: fmt.Appendf(nil,
		`<?xml version="1.0"?><Error><Code>%s</Code><Message>%s, says the fake</Message></Error>`, code, code)}
}

func done(format string, args ...any) answer {
	return answer{status: 200, body: fmt.Appendf(nil, `<?xml version="1.0"?>`+format, args...)}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	kind, ok := kindOf(r, key)
	fault := s.note(Request{Kind: kind, Key: key,
		Conditional: r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != ""})
	if fault == CutRequest {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	do := func() answer {
		switch {
		case bucket != Name:
			return failed(404, "NoSuchBucket")
		case !ok:
			return failed(501, "NotImplemented")
		case !whole(r, body):
			return failed(400, "XAmzContentSHA256Mismatch")
		}
		return s.do(kind, key, r, body)
	}
	s.serve(w, r, fault, do)
}

// serve does a request, as far as its fault lets it, and answers.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, fault Fault, do func() answer) {
	switch fault {
	case SlowDown:
		failed(503, "SlowDown").write(w, r)
	case Internal:
		failed(500, "InternalError").write(w, r)
	case Denied:
		failed(403, "AccessDenied").write(w, r)
	case HiddenError:
		a := failed(200, "InternalError")
		a.write(w, r)
	case FailAfter:
		do()
		failed(500, "InternalError").write(w, r)
	case CutAnswer:
		a := do()
		a.cut(w)
	case HangBefore:
		<-r.Context().Done()
	case HangAfter:
		do()
		<-r.Context().Done()
	case Late:
		s.late.Go(func() {
			time.Sleep(s.Lateness)
			do()
		})
		panic(http.ErrAbortHandler)
	default:
		a := do()
		a.write(w, r)
	}
}

// note counts a request, and says what goes wrong with it.
func (s *Server) note(r Request) Fault {
	s.mu.Lock()
	r.N = len(s.requests)
	s.requests = append(s.requests, r)
	fault := s.Fault
	s.mu.Unlock()
	if fault == nil {
		return None
	}
	return fault(r)
}

// kindOf says what a request asks for; false if it is nothing that is known here.
func kindOf(r *http.Request, key string) (Kind, bool) {
	q := r.URL.Query()
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case key == "":
		if q.Has("uploads") {
			return Uploads, r.Method == http.MethodGet
		}
		return List, r.Method == http.MethodGet && q.Get("list-type") == "2"
	case q.Has("uploadId"):
		kind, ok := map[string]Kind{http.MethodPut: Part, http.MethodPost: Complete, http.MethodDelete: Abort,
			http.MethodGet: Parts}[r.Method]
		if kind == Part && copied {
			kind = CopyPart
		}
		return kind, ok
	case q.Has("uploads"):
		return Begin, r.Method == http.MethodPost
	}
	kind, ok := map[string]Kind{http.MethodPut: Put, http.MethodGet: Get, http.MethodHead: Head,
		http.MethodDelete: Remove}[r.Method]
	if kind == Put && copied {
		kind = Copy
	}
	return kind, ok
}

// whole reports whether a body has the digest that its request says.
func whole(r *http.Request, body []byte) bool {
	want := r.Header.Get("X-Amz-Content-Sha256")
	sum := sha256.Sum256(body)
	return len(want) != 64 || want == hex.EncodeToString(sum[:])
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), a.header)
	if w.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body)
	}
}

// cut answers half.
func (a answer) cut(w http.ResponseWriter) {
	if len(a.body) > 1 && a.status < 300 {
		maps.Copy(w.Header(), a.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}

func (s *Server) do(kind Kind, key string, r *http.Request, body []byte) answer {
	conditional := r.Header.Get("If-Match")+r.Header.Get("If-None-Match") != "" && kind != Get
	if conditional && s.RefuseConditions {
		return failed(501, "NotImplemented")
	}
	if conditional && s.Racy {
		if a, ok := s.condition(key, r); !ok {
			return a
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if conditional && !s.Racy {
		if a, ok := s.conditionLocked(key, r); !ok {
			return a
		}
	}
	switch kind {
	case Put:
		return s.setLocked(key, body, r.Header)
	case Get, Head:
		return s.getLocked(key, r)
	case Remove:
		s.changedLocked(key)
		delete(s.objects, key)
		return answer{status: 204}
	case Copy:
		from, ok := s.sourceLocked(r)
		if !ok {
			return failed(404, "NoSuchKey")
		}
		a := s.setLocked(key, from.content, r.Header)
		return done("<CopyObjectResult><ETag>%s</ETag></CopyObjectResult>", a.header.Get("ETag"))
	case List:
		return s.listLocked(r.URL.Query())
	default:
		return s.multipartLocked(kind, key, r, body)
	}
}

// condition is conditionLocked, for a server that is in no hurry after it.
func (s *Server) condition(key string, r *http.Request) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conditionLocked(key, r)
}

// conditionLocked reports whether the conditions of a request are met.
func (s *Server) conditionLocked(key string, r *http.Request) (answer, bool) {
	if s.IgnoreConditions {
		return answer{}, true
	}
	o, there := s.objects[key]
	if r.Header.Get("If-None-Match") == "*" && there {
		return failed(412, "PreconditionFailed"), false
	}
	if match := r.Header.Get("If-Match"); match != "" && !s.IgnoreMatch && (!there || o.etag != match) {
		return failed(412, "PreconditionFailed"), false
	}
	return answer{}, true
}

func (s *Server) setLocked(key string, content []byte, header http.Header) answer {
	s.changedLocked(key)
	meta := make(http.Header)
	for name, values := range header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			meta[name] = values
		}
	}
	sum := md5.Sum(content)
	o := object{content: bytes.Clone(content), etag: `"` + hex.EncodeToString(sum[:]) + `"`, meta: meta}
	s.objects[key] = o
	return answer{status: 200, header: http.Header{"Etag": {o.etag}}}
}

// changedLocked notes how a key was.
func (s *Server) changedLocked(key string) {
	if s.StaleLists == 0 {
		return
	}
	c := change{at: time.Now(), key: key}
	if o, ok := s.objects[key]; ok {
		c.before = &o
	}
	s.changes = append(s.changes, c)
}

func (s *Server) getLocked(key string, r *http.Request) answer {
	o, ok := s.objects[key]
	if !ok {
		return failed(404, "NoSuchKey")
	}
	if match := r.Header.Get("If-Match"); match != "" && match != o.etag {
		return failed(412, "PreconditionFailed")
	}
	a := answer{status: 200, header: o.meta.Clone(), body: o.content}
	a.header.Set("ETag", o.etag)
	a.header.Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
	a.header.Set("Content-Length", strconv.Itoa(len(o.content)))
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		at, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
		if err != nil || at >= len(o.content) {
			return failed(416, "InvalidRange")
		}
		a.status, a.body = 206, o.content[at:]
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(o.content)-1, len(o.content)))
	}
	return a
}

func (s *Server) sourceLocked(r *http.Request) (object, bool) {
	from, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	o, ok := s.objects[strings.TrimPrefix(strings.TrimPrefix(from, "/"), Name+"/")]
	return o, ok && err == nil
}

// listLocked lists as ListObjectsV2, in pages of at most three keys more than are asked for are never given.
func (s *Server) listLocked(q url.Values) answer {
	shown := maps.Clone(s.objects)
	for _, c := range slices.Backward(s.changes) {
		if time.Since(c.at) >= s.StaleLists {
			break
		}
		if delete(shown, c.key); c.before != nil {
			shown[c.key] = *c.before
		}
	}
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	limit, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil || limit <= 0 || limit > 1000 {
		limit = 1000
	}
	var out strings.Builder
	n, truncated, last := 0, false, ""
	for _, key := range slices.Sorted(maps.Keys(shown)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= after {
			continue
		}
		if truncated = n == limit; truncated {
			break
		}
		fmt.Fprintf(&out, "<Contents><Key>%s</Key><Size>%d</Size><ETag>x</ETag></Contents>", url.QueryEscape(key),
			len(shown[key].content))
		n, last = n+1, key
	}
	next := ""
	if truncated {
		next = "<NextContinuationToken>" + last + "</NextContinuationToken>"
	}
	return done("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%t</IsTruncated>%s%s</ListBucketResult>",
		truncated, next, out.String())
}

var errNoUpload = errors.New("NoSuchUpload")

func (s *Server) multipartLocked(kind Kind, key string, r *http.Request, body []byte) answer {
	if kind == Uploads {
		return s.uploadsLocked(r.URL.Query().Get("prefix"))
	}
	if kind == Begin {
		id := fmt.Sprintf("upload-%d", len(s.requests))
		s.uploads[id] = &upload{key: key, meta: r.Header.Clone(), parts: make(map[int][]byte)}
		return done("<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId>"+
			"</InitiateMultipartUploadResult>", Name, key, id)
	}
	id := r.URL.Query().Get("uploadId")
	u, ok := s.uploads[id]
	if !ok || u.key != key {
		return failed(404, errNoUpload.Error())
	}
	switch kind {
	case Abort:
		delete(s.uploads, id)
		return answer{status: 204}
	case Parts:
		var out strings.Builder
		for n, part := range u.parts {
			fmt.Fprintf(&out, "<Part><PartNumber>%d</PartNumber><Size>%d</Size><ETag>x</ETag></Part>", n, len(part))
		}
		return done("<ListPartsResult><IsTruncated>false</IsTruncated>%s</ListPartsResult>", out.String())
	case Complete:
		return s.completeLocked(id, u)
	}
	n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil || n < 1 || n > 10_000 {
		return failed(400, "InvalidArgument")
	}
	if kind == CopyPart {
		from, ok := s.sourceLocked(r)
		var first, last int
		_, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &first, &last)
		if !ok || err != nil || first > last || last >= len(from.content) {
			return failed(404, "NoSuchKey")
		}
		u.parts[n] = from.content[first : last+1]
		return done("<CopyPartResult><ETag>part</ETag></CopyPartResult>")
	}
	u.parts[n] = body
	return answer{status: 200, header: http.Header{"Etag": {fmt.Sprintf(`"part-%d"`, n)}}}
}

func (s *Server) completeLocked(id string, u *upload) answer {
	var content []byte
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		content = append(content, u.parts[n]...)
	}
	delete(s.uploads, id)
	s.setLocked(u.key, content, u.meta)
	return done("<CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><ETag>x</ETag>"+
		"</CompleteMultipartUploadResult>", Name, u.key)
}

func (s *Server) uploadsLocked(prefix string) answer {
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.uploads)) {
		if key := s.uploads[id].key; strings.HasPrefix(key, prefix) {
			fmt.Fprintf(&out, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", key, id)
		}
	}
	return done("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>%s</ListMultipartUploadsResult>",
		out.String())
}
