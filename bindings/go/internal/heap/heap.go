// Package heap measures C's memory for the tests, which may not use cgo themselves. It is glibc's own count.
package heap

/*
#include <malloc.h>
*/
import "C"

// InUse is how many bytes all arenas of malloc have handed out.
func InUse() uint64 {
	counts := C.mallinfo2()
	return uint64(counts.uordblks) + uint64(counts.hblkhd)
}
