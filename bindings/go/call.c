#include "call.h"

#include <pthread.h>

#include "_cgo_export.h"

uintptr_t refit_go_thread(void) { return (uintptr_t)pthread_self(); }

static int32_t on_progress(const refit_progress *report, void *listener) {
  return refitGoProgress((refit_progress *)report, (uintptr_t)listener, refit_go_thread());
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
  }
  return REFIT_E_UNSUPPORTED;
}

const char *refit_go_name(enum refit_go_function function) {
  switch (function) {
#define F(function) \
  case REFIT_GO_##function: \
    return #function;
    REFIT_GO_PLAIN(F) REFIT_GO_NAMED(F) REFIT_GO_EXISTS(F) REFIT_GO_INPUT(F) REFIT_GO_PROGRESS(F)
#undef F
  }
  return "";
}
