package status

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// reportHeader is the bytes before the text of a report: number, length, checksum.
const reportHeader = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxText is how many bytes of an error's text are in a report: it names a file and what the system said. A server of
// an archive may answer with a page, and a report that is too long is none.
const maxText = 512

// Short is the text of an error as far as a report has room for it.
func Short(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }

// SetReport publishes text as the newest report, if it is not longer than MaxReport.
func (p *Page) SetReport(text []byte) {
	if !p.usable() || len(text) > MaxReport {
		return
	}
	p.reports++
	data := make([]byte, reportHeader+len(text))
	binary.LittleEndian.PutUint64(data, p.reports)
	binary.LittleEndian.PutUint32(data[8:], uint32(len(text)))
	copy(data[reportHeader:], text)
	binary.LittleEndian.PutUint32(data[12:], reportSum(data))
	_, err := p.file.WriteAt(data, reportAt(int(p.reports%2)))
	p.check(err)
}

// reportAt is where the i-th of the two reports is.
func reportAt(i int) int64 { return pageBytes + int64(i)*reportBytes }

// reportSum is the checksum of a report: of all but itself.
func reportSum(data []byte) uint32 {
	return crc32.Update(crc32.Checksum(data[:12], castagnoli), castagnoli, data[reportHeader:])
}

// ReadReport returns the text of the newest whole report in fs. The error is ErrNone if there is none.
func ReadReport(fs vfs.FS) (text []byte, err error) {
	f, err := fs.Open(filename.Make(filename.Status, 0))
	if vfs.IsNotExist(err) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read the writer's report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	newest := uint64(0)
	for i := range 2 {
		data := make([]byte, reportBytes)
		n, err := f.ReadAt(data, reportAt(i))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the writer's report: %w", err)
		}
		if number, t, ok := decodeReport(data[:n]); ok && number > newest {
			newest, text = number, t
		}
	}
	if newest == 0 {
		return nil, ErrNone
	}
	return text, nil
}

func decodeReport(data []byte) (number uint64, text []byte, ok bool) {
	if len(data) < reportHeader {
		return 0, nil, false
	}
	length := binary.LittleEndian.Uint32(data[8:])
	if uint64(length) > uint64(len(data)-reportHeader) {
		return 0, nil, false
	}
	data = data[:reportHeader+int(length)]
	return binary.LittleEndian.Uint64(data), data[reportHeader:], reportSum(data) == binary.LittleEndian.Uint32(data[12:])
}
