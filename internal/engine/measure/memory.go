package measure

import (
	"math/bits"
	"runtime"
)

// MinMemoryLimit is the least memory limit, in bytes.
const MinMemoryLimit = 10 << 20

// MemoryLimit is the limit where wanted bytes are asked for, on a system whose addresses have addressBits bits: 256 MiB
// by default, and 16 MiB where dozens of open databases would otherwise use up the addresses that there are. What is
// beyond all memory that there can be is no limit: bookkeeping must not grow with it.
func MemoryLimit(wanted int64, addressBits int) int64 {
	usual, most := int64(256<<20), int64(1<<40)
	if addressBits == 32 {
		usual, most = 16<<20, 1<<30
	}
	if wanted == 0 {
		return usual
	}
	return min(max(wanted, MinMemoryLimit), most)
}

// AddressBits is how many bits the addresses have that this program can use. WebAssembly has words of 64 bits, but a
// memory of 4 GiB.
func AddressBits() int {
	if runtime.GOARCH == "wasm" {
		return 32
	}
	return bits.UintSize
}
