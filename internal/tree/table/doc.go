// Package table is the immutable sorted table: a file of internal keys and values, written once in order, then only
// read. A Writer builds it, a Reader answers point lookups and hands out iterators, and Verify reads every byte.
//
// # The file
//
//	table = (extent* leaf)+ inner* locator+ properties directory+ footer
//
// All but the footer are blocks: a payload, perhaps compressed, and a trailer with a checksum that also covers the
// block's identity (package block). Nothing lies between blocks, so every byte of the file is under a checksum. Pages
// are numbered: leaves first, in key order; inner pages next, each level above the one below, the root last; then the
// pages of the locator. The directory holds the place of each page; its blocks are the last pages. Package page defines
// entries and pages, package locator the locator, package directory the directory; extents are values too large to
// stand in a leaf.
//
// # Reading
//
// A lookup hashes the key, reads one bucket of the locator, and goes from there straight to the entry: three cache
// misses when the pages are cached. A seek finds its leaf by the leaf index (package leafindex) once there is one, and
// before that by descending the inner pages. The neighbour of a leaf is the next page number. The directory is read
// only where a page has to be read from the file.
//
// # Properties and footer
//
// The payload of the properties block. FileSize is in the footer. All fields are u64 but the keys.
//
//	offset  size  meaning
//	     0     8  entries
//	     8     8  tombstones
//	    16     8  shadowed
//	    24     8  raw bytes
//	    32     8  smallest sequence number
//	    40     8  largest sequence number
//	    48     8  digest
//	    56     8  length of the smallest user key
//	    64     8  length of the largest user key
//	    72     8  stored lengths of all extents in this file
//	    80   ...  the smallest user key, then the largest
//	   ...   24n  n value files, each once, in the order in which leaves first refer to them: number, id, bytes
//
// The footer is the last 96 bytes of the file. Integers are little-endian.
//
//	offset  size  meaning
//	     0     2  format version, 1
//	     2     2  flags, 0: a reader refuses flags that it does not know
//	     4     1  codec of compressed blocks
//	     5     1  page size as a power of two
//	     6     2  zero
//	     8     4  key id, 0: not encrypted
//	    12     4  number of leaf pages
//	    16     4  number of inner pages
//	    20     4  number of locator pages
//	    24     8  table id
//	    32     8  length of the file, this footer included
//	    40     8  offset of the properties block
//	    48     8  offset of the directory's blocks; they end where the footer begins
//	    56    24  zero
//	    80     8  checksum: xxHash64 (seed 0) of bytes 0 to 79
//	    88     8  magic "LTNGTBL\n"
//
// # Trust
//
// Bytes are used only after their checksum was verified; a page's structure and order are checked when it is loaded,
// an extent's place when it is read. Files with right checksums and impossible content give a *corrupt.Error, never
// a panic, an endless loop or a large allocation. A device's error is returned as it is, wrapped once.
//
// A Reader is safe for concurrent use; a Writer and an Iterator belong to one goroutine at a time.
package table
