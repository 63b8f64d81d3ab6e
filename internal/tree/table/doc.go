// Package table is the immutable sorted table: a file of internal keys and values, written once in order, then only
// read. A Writer builds it, a Reader answers point lookups and hands out iterators, and Verify reads every byte.
//
// # The file
//
//	table = (extent* leaf)+ inner* locator+ properties directory+ footer
//
// All but the footer are blocks: a payload, perhaps compressed, and a trailer with a checksum that also covers the
// block's identity (block.go). Nothing lies between blocks, so every byte of the file is under a checksum. Pages are
// numbered: leaves first, in key order; inner pages next, each level above the one below, the root last; then the pages
// of the locator. The directory holds the place of each page; its blocks are the last pages. Package page defines
// entries and pages, package locator the locator, package directory the directory; extents are values too large to
// stand in a leaf.
//
// # Reading
//
// A lookup hashes the key, reads one bucket of the locator, and goes from there straight to the entry: three cache
// misses when the pages are cached. A seek finds its leaf by the leaf index (leafindex.go) once there is one, and
// before that by descending the inner pages. The neighbour of a leaf is the next page number. The directory is read
// only where a page has to be read from the file.
//
// # Trust
//
// Bytes are used only after their checksum was verified; a page's structure and order are checked when it is loaded,
// an extent's place when it is read. Files with right checksums and impossible content give a *corrupt.Error, never
// a panic, an endless loop or a large allocation. A device's error is returned as it is, wrapped once.
//
// A Reader is safe for concurrent use; a Writer and an Iterator belong to one goroutine at a time.
package table
