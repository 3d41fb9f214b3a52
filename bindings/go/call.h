/* Every function of refit.h that Go calls, by the shape of its arguments. A new call is one word here. */
#ifndef REFIT_GO_CALL_H
#define REFIT_GO_CALL_H
#include <refit.h>

/* The Go structs mirror this ABI. */
#if !defined(REFIT_ABI_VERSION) || REFIT_ABI_VERSION != 0
#error "refit: this Go package is for ABI 0, and the refit.h that was found is of another: run `make go` in the checkout that this package is from"
#endif

#define REFIT_GO_PLAIN(F) F(refit_engine_info) F(refit_history_list) F(img_list) F(container_list) F(volume_list) F(service_list)

#define REFIT_GO_NAMED(F) \
  F(img_info) F(img_history) F(img_status) F(img_missing) F(img_containers) F(img_check_update) F(img_plan_update) F(img_remove_old) \
  F(container_status) F(container_info) F(container_start) F(container_stop) F(container_restart) F(container_remove) F(container_wait) \
  F(container_logs) F(container_stats) F(volume_create) F(volume_remove) F(service_check_update)

#define REFIT_GO_EXISTS(F) F(img_exists) F(container_exists) F(volume_exists)

#define REFIT_GO_INPUT(F) F(container_create) F(container_exec) F(volume_list_files) F(volume_remove_file)

#define REFIT_GO_PROGRESS(F) F(img_check_updates) F(img_pull) F(img_update) F(img_update_all) F(img_rollback) F(container_recreate) F(container_recover) \
  F(service_update)

#define REFIT_GO_INPUT_PROGRESS(F) F(volume_backup) F(volume_restore)

#define REFIT_GO_LINES(F) F(container_follow_logs)

#define REFIT_GO_DATA(F) F(container_raw_logs)

#define REFIT_GO_EXPORT(F) F(volume_export)

#define REFIT_GO_IMPORT(F) F(volume_import)

#define REFIT_GO_READ(F) F(volume_read_file)

#define REFIT_GO_WRITE(F) F(volume_write_file)

#define REFIT_GO_EACH(F) \
  REFIT_GO_PLAIN(F) REFIT_GO_NAMED(F) REFIT_GO_EXISTS(F) REFIT_GO_INPUT(F) REFIT_GO_PROGRESS(F) REFIT_GO_LINES(F) REFIT_GO_DATA(F) \
  REFIT_GO_READ(F) REFIT_GO_WRITE(F) REFIT_GO_EXPORT(F) REFIT_GO_IMPORT(F) REFIT_GO_INPUT_PROGRESS(F)

enum refit_go_function {
#define F(function) REFIT_GO_##function,
  REFIT_GO_EACH(F)
#undef F
};

/* The arguments of one call, and its results. */
typedef struct refit_go_call {
  enum refit_go_function function;
  const refit *handle;
  const char *name; /* an image, a container, a volume, a service or a list of images */
  const char *input; /* a create body, a command, a path or a local file */
  const void *content; /* what is written, during the call */
  size_t content_length;
  const char *options;
  uintptr_t listener; /* a cgo.Handle; 0: nobody listens */
  const refit_cancel *cancel;
  char *document;
  uint8_t *data; /* what was read */
  size_t length;
  int32_t exists;
  refit_error *error;
} refit_go_call;

refit_code refit_go_run(refit_go_call *call);

/* Every event of the library goes to Go, or none. */
void refit_go_set_logger(int32_t level, int on);

/* "img_pull" */
const char *refit_go_name(enum refit_go_function function);

/* Which thread this is; never 0. */
uintptr_t refit_go_thread(void);

#endif
