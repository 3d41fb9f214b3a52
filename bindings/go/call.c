#include "call.h"

#include <pthread.h>

#include "_cgo_export.h"

uintptr_t refit_go_thread(void) { return (uintptr_t)pthread_self(); }

static int32_t on_progress(const refit_progress *report, void *listener) {
  return refitGoProgress((refit_progress *)report, (uintptr_t)listener, refit_go_thread());
}

static int32_t on_line(const refit_log_line *line, void *listener) {
  return refitGoLine((refit_log_line *)line, (uintptr_t)listener, refit_go_thread());
}

static int32_t on_data(const uint8_t *data, size_t length, void *listener) {
  return refitGoData((uint8_t *)data, length, (uintptr_t)listener, refit_go_thread());
}

static void on_record(const refit_log_record *record, void *user_data) {
  (void)user_data;
  refitGoRecord((refit_log_record *)record);
}

void refit_go_set_logger(int32_t level, int on) { refit_set_logger(level, on ? on_record : NULL, NULL); }

static int64_t on_read(uint8_t *buffer, size_t capacity, void *listener) {
  return refitGoRead(buffer, capacity, (uintptr_t)listener, refit_go_thread());
}

refit_code refit_go_run(refit_go_call *c) {
  refit_progress_fn listen = c->listener ? on_progress : NULL;
  void *listener = (void *)c->listener;
  switch (c->function) {
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->options, c->cancel, &c->document, &c->error);
    REFIT_GO_PLAIN(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->options, c->cancel, &c->document, &c->error);
    REFIT_GO_NAMED(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->options, c->cancel, &c->exists, &c->error);
    REFIT_GO_EXISTS(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->options, c->cancel, &c->document, &c->error);
    REFIT_GO_INPUT(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->options, listen, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_PROGRESS(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->options, listen, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_INPUT_PROGRESS(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->options, on_line, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_LINES(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->options, on_data, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_DATA(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->options, c->cancel, &c->data, &c->length, &c->error);
    REFIT_GO_READ(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->content, c->content_length, c->options, c->cancel, &c->document, &c->error);
    REFIT_GO_WRITE(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->options, on_data, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_EXPORT(F)
#undef F
#define F(function) \
  case REFIT_GO_##function: \
    return function(c->handle, c->name, c->input, c->options, on_read, listener, c->cancel, &c->document, &c->error);
    REFIT_GO_IMPORT(F)
#undef F
  }
  return REFIT_E_UNSUPPORTED;
}

const char *refit_go_name(enum refit_go_function function) {
  switch (function) {
#define F(function) \
  case REFIT_GO_##function: \
    return #function;
    REFIT_GO_EACH(F)
#undef F
  }
  return "";
}
