package main

/*
#cgo LDFLAGS: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=posix_memalign

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

extern atomic_ullong native_allocations, native_bytes;
static uint64_t allocations(void) { return atomic_load(&native_allocations); }
static uint64_t bytes(void) { return atomic_load(&native_bytes); }
*/
import "C"

// native is what C and Rust have allocated: native.c counts it.
func native() (allocations, bytes uint64) { return uint64(C.allocations()), uint64(C.bytes()) }
