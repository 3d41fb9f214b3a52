/* The linker sends every allocation of the library here: -Wl,--wrap in native.go. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

atomic_ullong native_allocations, native_bytes;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **to, size_t alignment, size_t size);

static void count(size_t size) {
  atomic_fetch_add_explicit(&native_allocations, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&native_bytes, size, memory_order_relaxed);
}

void *__wrap_malloc(size_t size) {
  count(size);
  return __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size) {
  count(number * size);
  return __real_calloc(number, size);
}

/* One that grows in its place counts too. */
void *__wrap_realloc(void *old, size_t size) {
  count(size);
  return __real_realloc(old, size);
}

int __wrap_posix_memalign(void **to, size_t alignment, size_t size) {
  count(size);
  return __real_posix_memalign(to, alignment, size);
}
