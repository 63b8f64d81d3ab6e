package mutants

// fileMutants break what a database in an io/fs.FS relies on.
var fileMutants = []Mutant{
	{
		Name:   "a file that is read whole is not read to its end",
		Breaks: "the checksum of an archive is never compared, and a longer file passes for what it was said to be",
		Changes: []Change{{"internal/system/vfs/iofs/file.go", `	case err != io.EOF:
		return nil, err
	}
	return pieces, nil`, `	case err != io.EOF:
	}
	return pieces, nil`}},
		Killer: Check{Package: ".", Run: "^(TestOpenFS_damagedArchive)$"},
		Quick:  true,
	},
	{
		Name:   "a read beyond the end is an invalid one",
		Breaks: "the end of a log looks like a broken disk, and the database does not open",
		Changes: []Change{{"internal/system/vfs/iofs/file.go", `	case off >= f.size:
		return 0, io.EOF
`, `	case off >= f.size:
		return 0, pathError("read", f.name, fs.ErrInvalid)
`}},
		Killer: test("system/vfs/iofs", "TestRead_isThatOfTheFileAtEveryPlace"),
		Quick:  true,
	},
	{
		Name:   "a file of any length is read whole",
		Breaks: "an archive of a few bytes takes all memory",
		Changes: []Change{{"internal/system/vfs/iofs/file.go", `	if size < 0 || size > maxWholeBytes {
`, `	if size < 0 {
`}},
		Killer: test("system/vfs/iofs", "TestWhole_believesNoLength"),
		Quick:  true,
	},
	{
		Name:   "memory is taken by the length that an archive tells",
		Breaks: "a few bytes that claim to be a gigabyte take one",
		Changes: []Change{{"internal/system/vfs/iofs/file.go", `	for left := size; left > 0; left -= pieceBytes {
		piece := make([]byte, min(left, pieceBytes))
`, `	for left := size; left > 0; left -= size {
		piece := make([]byte, size)
`}},
		Killer: test("system/vfs/iofs", "TestWhole_believesNoLength|TestRead_isThatOfTheFileAtEveryPlace"),
		Quick:  true,
	},
	{
		Name:   "two readers move one file",
		Breaks: "a page is read from where another reader went, and taken for damage",
		Changes: []Change{{"internal/system/vfs/iofs/file.go", `	s.mu.Lock()
	defer s.mu.Unlock()
`, ``}},
		Killer: test("system/vfs/iofs", "TestRead_byManyAtOnce"),
	},
	{
		Name:   "OpenFS opens for writing",
		Breaks: "a database that is embedded does not open at all",
		Changes: []Change{{"db.go", `	readOnly.ReadOnly = true
`, ``}},
		Killer: Check{Package: ".", Run: "^(TestOpenFS_readsWhatWasEmbedded)$"},
	},
}
