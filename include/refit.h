/* refit: manage Docker images, and the containers made from them, by hand. This file is the manual of the C ABI.
 *
 * Generated from src/ffi by cbindgen (`make header`). Do not edit.
 *
 * The convention
 *
 *   refit_code NAME(const refit *r, <names and inputs>, const char *options_json,
 *                   [callback, void *user_data,] const refit_cancel *cancel, char **out_json, refit_error **err);
 *
 * - The result is REFIT_OK (0) or the kind of the error, REFIT_E_*. Codes are never renumbered.
 * - options_json: NULL or "" for the defaults, else one JSON object; a key that is null is left out. An unknown key, a wrong type or a
 *   value out of range is REFIT_E_INVALID_ARGUMENT with the key's name in the message, and nothing has happened. Every call takes
 *   `timeout_s` (above 0, up to 86400, fractions allowed; default none) for the whole call. Options `*_s` are seconds, and may be
 *   fractions. `actor` says who asks, for the history; this version keeps none, and does nothing with it.
 * - cancel: NULL or a token. A token that was fired before the call: it returns at once and has done nothing. A cancelled or stopped call
 *   returns within 100 ms, unless its text says what is finished or undone first.
 * - out_json: NULL, or where the document goes: one JSON object, UTF-8, its fields named beside each function (`?`: may be null) and each
 *   one described in refit.schema.json. It is set to NULL first and may be written after any result, beside an error as the report of what
 *   was done and undone. Free it once with refit_string_free.
 * - In documents, what is not known is null, never 0, "" or false. Times are RFC 3339 in UTC, sizes bytes, `*_ms` milliseconds; digests and
 *   ids of images begin with "sha256:", ids of containers are the engine's. Fields may be added, none is renamed.
 * - err: NULL, or where the error goes: set to NULL first, and non-NULL exactly when the result is not REFIT_OK. Free it once with
 *   refit_error_free.
 * - r and required names: NULL or "" is REFIT_E_INVALID_ARGUMENT that names the parameter. Outputs may be NULL, but for `out` of
 *   refit_open.
 * - Strings in are NUL-terminated UTF-8, copied before the call returns; what is not UTF-8 is REFIT_E_INVALID_ARGUMENT.
 * - Any function from any thread; one handle serves many threads at once.
 * - A panic inside is caught and comes back as REFIT_E_PANIC; the next call works. Nothing prints; no signal handler is installed.
 * - Environment variables and HOME are read in refit_open alone. After fork() a child may only exit or exec: a call there is
 *   REFIT_E_UNSUPPORTED.
 * - UNREACHABLE is an engine or registry that does not answer within the handle's `timeout_s`; TIMEOUT is the call's own `timeout_s`.
 */


#ifndef REFIT_H
#define REFIT_H

#include <stddef.h>
#include <stdint.h>

// Version of this header: major * 1000000 + minor * 1000 + patch.
#define REFIT_VERSION_NUMBER 1000

// The N of `librefit.so.N`.
#define REFIT_ABI_VERSION 0

// A handle: one engine, its registries, and what is remembered between calls. Any number of threads may use it at once.
typedef struct refit refit;

// A token that ends calls early. One-shot, sticky, for any thread and any number of calls.
typedef struct refit_cancel refit_cancel;

// An error, owned by the caller.
typedef struct refit_error refit_error;

// What a call returns: 0 (`REFIT_OK`), or the kind of its error. See `REFIT_E_*`.
typedef int32_t refit_code;

// One report of a long call. The strings live until the callback returns.
typedef struct refit_progress {
  // Size of this structure, set by the library; fields are only appended.
  size_t struct_size;
  // "check", "pull", "recreate", "recover", "update", "rollback", "backup", "restore", "service_update".
  const char *operation;
  // The image, container, volume or service that it is about.
  const char *subject;
  // An open set: "checking", "resolving", "downloading", "extracting", "verifying", "creating", "hook", "stopping", "backing_up",
  // "renaming", "starting", "waiting", "pausing", "removing", "rolling_back", "done".
  const char *phase;
  // The layer in the engine's short form; NULL: the whole operation.
  const char *layer;
  // Bytes, or steps where nothing has a size.
  uint64_t current;
  // The same in all; 0: unknown.
  uint64_t total;
  // Speed of the download; 0: unknown.
  uint64_t bytes_per_second;
  // Time left of the download; 0: unknown.
  uint64_t eta_seconds;
  // Thousandths of the whole operation: never goes down, 1000 only at the end of a call that succeeds.
  uint32_t permille;
  // Which of several images or containers, from 1.
  uint32_t step;
  // How many there are.
  uint32_t steps;
  // Always 0.
  uint32_t reserved;
} refit_progress;

// Called for a long call's reports, on the thread that made the call, before it returns, never twice at once. It may call the library.
// Non-zero ends the call as `REFIT_E_STOPPED`; it is not called again. At most ten reports a second and layer, and every change of phase
// of the whole operation. A slow callback delays neither the work nor another caller. It must not throw.
typedef int32_t (*refit_progress_fn)(const struct refit_progress *progress, void *user_data);

// A line of a container's output.
typedef struct refit_log_line {
  // Size of this structure, set by the library; fields are only appended.
  size_t struct_size;
  // RFC 3339, or NULL when not asked for.
  const char *timestamp;
  // The bytes as they came, without the line end, a NUL after them; may hold NULs and not be UTF-8.
  const char *text;
  // Bytes of `text`.
  size_t length;
  // 1: stdout, 2: stderr.
  int32_t stream;
  // 1: a long line goes on in the next call.
  int32_t partial;
} refit_log_line;

// Takes a line of output; non-zero stops.
typedef int32_t (*refit_log_fn)(const struct refit_log_line *line, void *user_data);

// Takes all of the data; non-zero stops.
typedef int32_t (*refit_write_fn)(const uint8_t *data, size_t length, void *user_data);

// Gives data: the number of bytes written to `buffer`, 0 at the end, negative to stop.
typedef int64_t (*refit_read_fn)(uint8_t *buffer, size_t capacity, void *user_data);

// Done.
#define REFIT_OK 0

// An argument or option that cannot be meant; nothing has happened. The message names it.
#define REFIT_E_INVALID_ARGUMENT 1

// The token was fired, or the handle closed.
#define REFIT_E_CANCELLED 2

// The callback answered non-zero.
#define REFIT_E_STOPPED 3

// The call's own `timeout_s` has passed.
#define REFIT_E_TIMEOUT 4

// No such image, container, volume or file.
#define REFIT_E_NOT_FOUND 5

// A required image is not local: pull it by hand.
#define REFIT_E_IMAGE_MISSING 6

// The registry wants other credentials.
#define REFIT_E_UNAUTHORIZED 7

// The name is taken, in use, changed under our hands, or an interrupted run left something.
#define REFIT_E_CONFLICT 8

// The engine or the registry cannot be reached.
#define REFIT_E_UNREACHABLE 9

// The engine answered with an error.
#define REFIT_E_ENGINE 10

// The registry answered with an error.
#define REFIT_E_REGISTRY 11

// The registry wants to be left alone for a while.
#define REFIT_E_RATE_LIMITED 12

// This version, engine or container cannot do that.
#define REFIT_E_UNSUPPORTED 13

// The update failed and everything was put back.
#define REFIT_E_ROLLED_BACK 14

// It could not be put back: the message says what stands where.
#define REFIT_E_ROLLBACK_FAILED 15

// A digest or an archive does not verify.
#define REFIT_E_DATA 16

// The same thing is being done now, here or elsewhere: try again later.
#define REFIT_E_BUSY 17

// A local file or folder: disk full, `state_dir`.
#define REFIT_E_IO 18

// A defect of refit, contained; the next call works.
#define REFIT_E_PANIC 99

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A new token that nobody has fired. Freed with `refit_cancel_free`.
struct refit_cancel *refit_cancel_new(void);

// Ends every call that was given this token, now and later. Any thread, any number of times; not from a signal handler. NULL is a no-op.
//
// # Safety
// `cancel` is NULL or a token that was not freed.
void refit_cancel_fire(const struct refit_cancel *cancel);

// Frees a token; calls that use it go on with a copy of their own. NULL is a no-op.
//
// # Safety
// `cancel` is NULL or a token, freed once.
void refit_cancel_free(struct refit_cancel *cancel);

// The version of the library, "0.1.0". Never freed.
const char *refit_version(void);

// The ABI of the library, to be compared with `REFIT_ABI_VERSION`.
uint32_t refit_abi_version(void);

// The name of a code without its prefix: "OK", "NOT_FOUND"; "UNKNOWN" for a number that is none. Never freed.
const char *refit_code_name(refit_code code);

// The containers, running or not: `containers [ {id, name, image, image_id, state, status, outdated, created, labels {}, operation?,
// interrupted} ]`. The temporary names of a recreation are folded into the container that they belong to.
//
// Options: `all` true, `names` [], `labels` {key: value; "" matches any}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED,
// TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_list(const struct refit *r,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Whether there is a container of that name or id: `*out_exists` is 1 or 0.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_exists(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            int32_t *out_exists,
                            struct refit_error **err);

// What a container does: `container, id, operation?, interrupted, state, health?, exit_code?, error?, started_at?, finished_at?,
// restart_count, image, image_id`.
//
// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_status(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// What a container is: as `container_status`, and `name, created, env [], labels {}, ports [ {container_port, protocol, host_ip?,
// host_port?} ], mounts [ {type, name?, source?, destination, read_write} ], networks [ {name, ip_address?, ipv6_address?, mac_address?,
// aliases []} ], restart_policy, command [], entrypoint?, working_dir, user`.
//
// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_info(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Creates a container from the engine's own create body (`spec_json`), not started: `id, warnings []`. Nothing is pulled.
//
// Options: `platform`, `actor`. Codes: IMAGE_MISSING, CONFLICT (the name is taken), BUSY (it is being recreated), INVALID_ARGUMENT,
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_create(const struct refit *r,
                            const char *name,
                            const char *spec_json,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// Starts a container: `container, changed` (false: it ran already). `require` [images]: IMAGE_MISSING when one of them is not local; the
// error's `missing` lists them, and nothing is pulled.
//
// Options: `require`, `actor`. Codes: NOT_FOUND, IMAGE_MISSING, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_start(const struct refit *r,
                           const char *container,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

// Stops a container: `container, changed` (false: it was stopped). A stop that the engine has accepted goes on after a cancel.
//
// Options: `stop_timeout_s` (the container's own), `actor`. Codes: NOT_FOUND, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE,
// CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_stop(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Stops and starts a container: `container, changed`.
//
// Options: `stop_timeout_s` (the container's own), `actor`. Codes: as `container_stop`.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_restart(const struct refit *r,
                             const char *container,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Removes a container: `container, changed`. Its volumes stay unless asked for.
//
// Options: `force` false (also while it runs), `remove_volumes` false (its anonymous volumes too), `actor`. Codes: NOT_FOUND, CONFLICT (it
// runs), BUSY, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_remove(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// Waits until a container does not run, a day at most: `exit_code, error?`.
//
// Options: `stop_timeout_s`, without effect. Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_wait(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Replaces a container by a new one made from the image that its reference names now, with its whole configuration, networks and volumes;
// running again if it ran. Nothing is pulled. The new container is made, and compared with the old one, before that is stopped; the old
// one is removed once the new one has settled: it has kept running for `settle_s`, or has ended with exit code 0 under the policy "no" or
// "on-failure", and is healthy where it has a healthcheck.
//
// The report comes with every code once the container was found: `container, result, old_id, new_id?, image, old_image_id?,
// new_image_id?, state?, downtime_ms?, changes [ {field, before, after, because} ], warnings [ {code, container?, message} ], dependents
// [ as this one ], writable_layer_changes?, old_left, logs_tail?, error?, elapsed_ms`. `result` is
// - "recreated": the new container has the name;
// - "rolled_back": the old one was stopped, and runs again as before;
// - "rollback_failed": it could not be put back; `container_recover` goes on;
// - "refused": nothing was begun;
// - "failed": the old one was never stopped, or did not run, and stands as before;
// - "not_attempted", of a dependent alone: something failed before its successor was made.
//
// `downtime_ms` is from the end of the old one to the start of the new one by the engine's clock, null where it did not run;
// `writable_layer_changes` counts files outside of volumes, which are not kept; `old_left`: the old one could not be removed and stands
// beside, `container_recover` removes it; `logs_tail` is of a new container that failed.
//
// Options:
// - `stop_timeout_s` (the container's own), 0 to 86400, rounded up to whole seconds: the grace before it is killed. For an `--rm`
//   container at most 265 s above its own, else UNSUPPORTED.
// - `settle_s` 3, 0 to 600: how long the new container must keep running.
// - `health_timeout_s` 60, 0 to 86400: how long its healthcheck may say "starting", never less than start period, interval and timeout
//   together; "unhealthy" fails at once. 0: its health does not count.
// - `recreate_dependents` false: recreates those too that hold the container by its id (network, pid or ipc namespace, volumes-from); all
//   or none.
// - `allow_paused` false: a paused container loses its frozen memory; the new one is paused once it has settled.
// - `allow_auto_remove` false: an `--rm` container is lost when the engine restarts between its stop and the new one's start.
// - `allow_pinned` false: one that was created from an image id is made from that image again.
// - `allow_lossy` false: Podman does not tell all that a container was created with; what may be lost is in the warnings.
// - `recover_first` false: first repairs what an interrupted run has left of it, as `container_recover` does; else that is CONFLICT.
// - `hooks` {before: [argv], after: [argv]}: commands, each a list of its arguments (one alone may stand as that list), run in the
//   container one after another; an exit code other than 0 is a failure. before: in the old one ahead of the stop, when it runs and is not
//   paused; a failure ends the recreation with nothing changed. after: in the new one once it has settled, when it runs; a failure puts the
//   old one back. Not in dependents. Only the end of the call ends the wait for a hook, and then its command goes on in the container.
// - `backup_volumes`: not in this version, UNSUPPORTED when set.
// - `actor`.
//
// Codes: OK; ROLLED_BACK (it failed after the stop and everything was put back); ROLLBACK_FAILED (the message says what stands where);
// CONFLICT and UNSUPPORTED (refused: the message names the option that would allow it, where there is one); CONFLICT also when somebody
// changed the container meanwhile (it was put back) or another run has taken it over (which goes on); BUSY, NOT_FOUND, IMAGE_MISSING,
// UNREACHABLE, ENGINE, IO (`state_dir`; nothing was stopped), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: before the stop the new
// container is removed, from the stop on everything is put back. Once the new container is settled it is finished and the code is OK.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_recreate(const struct refit *r,
                              const char *container,
                              const char *options_json,
                              refit_progress_fn on_progress,
                              void *user_data,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Finishes or undoes what an interrupted recreation left, of one container (its name, or 12 digits of its id at least) or, NULL,
// of all: `found [ {container, situation, action, error?} ]`, empty where nothing was left. `action` is
// - "finished": the new container has the name;
// - "undone": the old one is back as before;
// - "removed_old": the new one stood already, and the old one was removed;
// - "busy": a run is at work on it, or was a moment ago (30 s; up to 5 min where it was stopping a container with a `stop_timeout_s` above
//   its own); nothing was touched;
// - "foreign": other containers are in the way; nothing was touched;
// - "would_finish", "would_undo": what is still to be done: in a dry run, and beside an `error`.
//
// What is to be done follows from names, ids and states on the engine, so that any process may do it. A handle with the `state_dir` of the
// interrupted run can also make an old container again that somebody has removed.
//
// Options: `dry_run` false, `force` false (also where a run was at work a moment ago; not where one of this process is), `actor`. Codes: OK
// (also for "busy" and "foreign"), else that of the first `error`: CONFLICT (another run has taken it over meanwhile), NOT_FOUND (a
// container is gone, and nothing tells how it was made), UNREACHABLE, ENGINE, IO (`state_dir`), INVALID_ARGUMENT; CANCELLED, STOPPED,
// TIMEOUT: a wait ends and what is left is for the next call; an undo that has begun is finished.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_recover(const struct refit *r,
                             const char *container_or_null,
                             const char *options_json,
                             refit_progress_fn on_progress,
                             void *user_data,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// What the engine says of itself: `engine ("docker"/"podman"), version, api_version, min_api_version, os, architecture, store
// ("classic"/"containerd"/"podman"), storage_driver, host, root_dir, swarm, mirrors [], insecure_registries [], state_dir?`.
//
// Codes: UNREACHABLE, ENGINE, UNSUPPORTED, INVALID_ARGUMENT, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code refit_engine_info(const struct refit *r,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// What was done through this handle (or its `state_dir`), newest first: `entries [ {id, at, kind, actor?, image?, container?, from?, to?,
// result, error?, elapsed_ms, containers []} ]`. This version keeps no history: the list is empty.
//
// Options: `image`, `container`, `actor`, `kind`, `since` strings, `limit` 100, 1 to 1000000. Codes: INVALID_ARGUMENT, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code refit_history_list(const struct refit *r,
                              const char *options_json,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// The code of an error; `REFIT_OK` for NULL.
//
// # Safety
// `err` is NULL or an error of this library that was not freed.
refit_code refit_error_code(const struct refit_error *err);

// The message: one line, what was attempted on what, and what to do next where that is known; "" for NULL. It lives as long as the error.
//
// # Safety
// `err` is NULL or an error of this library that was not freed.
const char *refit_error_message(const struct refit_error *err);

// The error as JSON: `code, name, message, op, image?, container?, http_status?, retry_after_s?, missing [], causes []`; "{}" for NULL.
// It lives as long as the error.
//
// # Safety
// `err` is NULL or an error of this library that was not freed.
const char *refit_error_json(const struct refit_error *err);

// Frees an error. NULL is a no-op.
//
// # Safety
// `err` is NULL or an error of this library, freed once.
void refit_error_free(struct refit_error *err);

// Opens a handle. It changes nothing on the engine; the environment and HOME are read here alone.
//
// Options (all may be left out):
// - `host` string: the engine (unix://, tcp://, https://; ssh:// is UNSUPPORTED), else DOCKER_HOST, else DOCKER_CONTEXT, else the current
//   context of docker's config.json, else the platform's socket.
// - `connect` "now": the engine is asked which API it speaks; "lazy": the first call asks.
// - `state_dir` folder (none; 0700, made when missing): last checks, and what a recreation in hand keeps.
// - `docker_config` folder (DOCKER_CONFIG, else ~/.docker): contexts and credentials.
// - `tls_dir` folder (DOCKER_CERT_PATH, or the context's own): ca.pem, cert.pem, key.pem.
// - `timeout_s` 30, 1 to 3600: for each request to the engine, and for a stream the longest silence.
// - `engine_wait_s` 120, 0 to 3600: how long an undo waits for an engine that went away.
// - `registries` {HOST: {username, password, token, ca_file, insecure, mirror}}: where docker's config.json is not enough. token: an
//   identity token; ca_file: PEM, beside the system's; insecure: any certificate, and plain HTTP; mirror: an address that is asked first.
// - `check_via` "auto" (the registry; the engine where only that reaches it), "registry" or "engine": whom a check asks.
// - `max_concurrency` 4, 1 to 64: containers replaced side by side.
// - `worker_threads` 2, 1 to 64.
// - `helper_image` string; `history_max_entries` 10000, 1 to 10000000; `history_max_age_days` 365, 1 to 36500: without effect, as volumes
//   and the history are not in this version.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE (no engine answers: the message says at which address and what to look at), UNSUPPORTED (ssh://,
// an engine older than API 1.40), ENGINE, IO (`state_dir`). `*out` is NULL on an error, else closed once with `refit_close`.
//
// # Safety
// `options_json` is NULL or NUL-terminated; `out` is writable; `err` is NULL or writable.
refit_code refit_open(const char *options_json, struct refit **out, struct refit_error **err);

// Closes a handle: refuses new calls, gives the running ones 2 s, then cancels them and waits until they have returned (for a recreation:
// until it is finished or undone). Called from inside a callback it marks the handle closed; the running call returns
// `REFIT_E_CANCELLED` (`REFIT_OK` when it was already done) and frees it. No call may begin on another thread once close has begun.
// NULL is a no-op.
//
// # Safety
// `r` is NULL or a handle of this library, closed once.
void refit_close(struct refit *r);

// Whether an image (a reference or an id) is local: `*out_exists` is 1 or 0.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_exists(const struct refit *r,
                      const char *image,
                      const char *options_json,
                      const struct refit_cancel *cancel,
                      int32_t *out_exists,
                      struct refit_error **err);

// The local images: `images [ {id, tags [], digests [], size, created?, containers} ]`.
//
// Options: `names` [references], `labels` {key: value; "" matches any}, `reference` pattern with `*` and `?`. Codes: INVALID_ARGUMENT,
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_list(const struct refit *r,
                    const char *options_json,
                    const struct refit_cancel *cancel,
                    char **out_json,
                    struct refit_error **err);

// A local image by reference or id: `image, id, tags [], digests [], os, architecture, variant?, size, created?, version?, labels {},
// env [], exposed_ports [], volumes [], user, working_dir, entrypoint?, cmd?, healthcheck?, layers [], last_checked?, last_check_state?,
// last_pulled?`.
//
// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_info(const struct refit *r,
                    const char *image,
                    const char *options_json,
                    const struct refit_cancel *cancel,
                    char **out_json,
                    struct refit_error **err);

// How a local image was built, newest step first: `layers [ {id?, created?, created_by, size, comment} ]`.
//
// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_history(const struct refit *r,
                       const char *image,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Whether an image is there and what this handle does to it: `image, exists, pulling, ready, operation? {kind, phase, permille, current,
// total?, bytes_per_second?, eta_seconds?, started_at, layers [ {id, status, current, total?} ]}, last_check?, last_error? {code, name,
// message, at}`. `ready` stays true while a local image is updated.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_status(const struct refit *r,
                      const char *image,
                      const char *options_json,
                      const struct refit_cancel *cancel,
                      char **out_json,
                      struct refit_error **err);

// Which of the images in `images_json` (a JSON list of references) are not local: `missing [], present []`, each in the order asked. NULL
// is the empty list. An error of the engine fails the whole call; nothing is pulled.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_missing(const struct refit *r,
                       const char *images_json,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Every container, running or not, that was created from this reference, or whose image is the one that it names now: `containers [ {id,
// name, image, image_id, match, state, status, outdated, created, labels {}, operation?, interrupted} ]`. `match` is "reference" (an update
// recreates it) or "same_image" (made from another reference of the same image: shown, never recreated); `outdated`: its reference names
// another image now.
//
// Options: `all` true, `names` [], `labels` {}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_containers(const struct refit *r,
                          const char *image,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Whether the registry has a newer image; nothing is pulled. The document (a check) comes with every code: `image, state, reason?,
// has_update (true/false/null), platform?, local? {id, digests [], created?, version?}, remote? {digest, created?, version?,
// download_bytes?}, via, certainty, requests, elapsed_ms, checked_at, retry_at?, limit?, remaining?, credential?, maybe_missing?,
// maybe_local?, tag_moved?, newer_tag?, outdated_containers [], notes [ {code, message} ], error?`. "No update" (`has_update` false) is
// said only when the registry said so.
//
// Options: `check_via` "auto"/"registry"/"engine" (the handle's), `platform` "os/arch[/variant]" (the local image's), `newer_tag` {} (not
// in this version: UNSUPPORTED when set), `actor`. Codes: OK for every answer, also "update_available"; NOT_FOUND (neither local nor in
// the registry), UNAUTHORIZED, RATE_LIMITED, UNREACHABLE, REGISTRY, UNSUPPORTED, INVALID_ARGUMENT, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_check_update(const struct refit *r,
                            const char *image,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// The same for many images at once: `images_json` is a JSON list of references, NULL is every tagged local image. `images [ checks, in the
// order asked ], requests, elapsed_ms`. OK with a document an image; a failed one has its own error in it and spoils no other.
//
// Options: those of `img_check_update`. Codes: OK, INVALID_ARGUMENT, UNSUPPORTED (`newer_tag`), UNREACHABLE or ENGINE (the engine's list
// failed), CANCELLED, STOPPED, TIMEOUT (with those that were ready).
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_check_updates(const struct refit *r,
                             const char *images_json,
                             const char *options_json,
                             refit_progress_fn on_progress,
                             void *user_data,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Pulls an image through the engine: `image, changed, before? {id, digests []}, after {id, digests []}, digest?, bytes_downloaded,
// elapsed_ms, shared`. Pulls of one image share one download; it stops when its last caller has left, and the engine keeps the layers that
// came.
//
// Options: `platform` (the local image's, else the engine's), `registry_auth` {username, password, token}, `actor`. Progress: phases
// "resolving", "downloading", "extracting", "verifying", "done", and a report a layer. Codes: NOT_FOUND, UNAUTHORIZED, RATE_LIMITED,
// UNREACHABLE, DATA, ENGINE (with the engine's words), INVALID_ARGUMENT, CANCELLED, STOPPED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_pull(const struct refit *r,
                    const char *image,
                    const char *options_json,
                    refit_progress_fn on_progress,
                    void *user_data,
                    const struct refit_cancel *cancel,
                    char **out_json,
                    struct refit_error **err);

// A container's output as text: `text, lines, truncated`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_logs(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// A container's output line by line, as it comes: `lines, bytes`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_follow_logs(const struct refit *r,
                                 const char *container,
                                 const char *options_json,
                                 refit_log_fn on_line,
                                 void *user_data,
                                 const struct refit_cancel *cancel,
                                 char **out_json,
                                 struct refit_error **err);

// A container's output in the engine's own frames: `bytes`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_raw_logs(const struct refit *r,
                              const char *container,
                              const char *options_json,
                              refit_write_fn on_data,
                              void *user_data,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Runs a command in a running container: `exit_code, stdout, stderr, truncated`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_exec(const struct refit *r,
                          const char *container,
                          const char *argv_json,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// What a container uses: `cpu_percent, cpu_cores, memory_usage_bytes, ...`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code container_stats(const struct refit *r,
                           const char *container,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

// The services of a swarm: `services [ {id, name, image, replicas_running, replicas_wanted, update_state?} ]`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code service_list(const struct refit *r,
                        const char *options_json,
                        const struct refit_cancel *cancel,
                        char **out_json,
                        struct refit_error **err);

// A check of the image of a service: as `img_check_update`, and `service`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code service_check_update(const struct refit *r,
                                const char *service,
                                const char *options_json,
                                const struct refit_cancel *cancel,
                                char **out_json,
                                struct refit_error **err);

// Updates a service: `service, result, from {image}, to {image}, elapsed_ms, error?`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code service_update(const struct refit *r,
                          const char *service,
                          const char *options_json,
                          refit_progress_fn on_progress,
                          void *user_data,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Frees a string that the library gave. NULL is a no-op.
//
// # Safety
// `s` came from this library and is freed once.
void refit_string_free(char *s);

// Frees bytes that the library gave, with the length that it gave. NULL is a no-op.
//
// # Safety
// `data` and `length` came from this library together, and are freed once.
void refit_bytes_free(uint8_t *data, size_t length);

// What `img_update` would do: `image, check, pull, expect_digest?, download_bytes?, containers [ {container, id, state, outdated, match,
// action, reason?, order, dependents [], estimated_downtime_ms?} ], image_changes [ {field, before, after} ], keep_as?, warnings [ {code,
// container?, message} ]`. `action` is "recreate_and_start", "recreate", "up_to_date", "other_reference" or "refused". Nothing is changed
// or pulled; every refusal of a recreation is found here, and is no error. Without a verdict of the check the plan comes with that alone.
//
// Options: those of `img_update`. Codes: those of `img_check_update`.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_plan_update(const struct refit *r,
                           const char *image,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

// Checks, pulls, then recreates every container that was created from this reference and is outdated; those that ran run again. The report
// comes with every code once the check has begun: `image, check?, pull?, tag ("moved"/"restored"/"unchanged"), containers [ recreations,
// and {container, result: "not_attempted"} ], backups [], removed_old?, elapsed_ms, error?`. What a recreation would refuse is refused
// before the download. The first container goes alone. When none has moved, the tag is put back on the old image.
//
// Options: `containers` [names or ids] (all), `force` false (also those that are current), `expect_digest` (the plan's), `platform` (the
// local image's), `on_failure` "stop" (nothing new starts)/"continue", `max_concurrency` (the handle's), 1 to 64, `remove_old` false (as
// `img_remove_old` does, after a success), `restore_on_rollback` false (not in this version: UNSUPPORTED when true), `actor`, and those of
// `container_recreate`.
//
// Codes: OK; ROLLBACK_FAILED (of a container, or the tag could not be put back), else ROLLED_BACK (of a container); CANCELLED, STOPPED,
// TIMEOUT: the containers in hand are finished or undone, the rest are "not_attempted"; BUSY (the same image is being updated); CONFLICT
// (the registry has another digest than `expect_digest`, or a container cannot be recreated), UNSUPPORTED (a container cannot be
// recreated); those of `img_check_update`, `img_pull` and `container_recreate`.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_update(const struct refit *r,
                      const char *image,
                      const char *options_json,
                      refit_progress_fn on_progress,
                      void *user_data,
                      const struct refit_cancel *cancel,
                      char **out_json,
                      struct refit_error **err);

// `img_update` for each image of a JSON list, NULL: every image that has an update: `images [ updates ], elapsed_ms`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_update_all(const struct refit *r,
                          const char *images_json,
                          const char *options_json,
                          refit_progress_fn on_progress,
                          void *user_data,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Back to the image that was in use before, as long as it is local.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_rollback(const struct refit *r,
                        const char *image,
                        const char *options_json,
                        refit_progress_fn on_progress,
                        void *user_data,
                        const struct refit_cancel *cancel,
                        char **out_json,
                        struct refit_error **err);

// Removes the untagged images of a repository that no container and no other tag uses; never by force: `image, removed [ {id, tags [],
// bytes} ], kept [ {id, why} ], bytes_freed`.
//
// Options: `keep_latest` true (false: the current image too, under the same rules), `dry_run` false, `actor`. Codes: INVALID_ARGUMENT,
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code img_remove_old(const struct refit *r,
                          const char *image,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// The volumes: `volumes [ {name, driver, created?, labels {}, containers []} ]`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_list(const struct refit *r,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Creates a volume: `volume, changed` (false: it was there).
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_create(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Whether there is a volume of that name.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_exists(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         int32_t *out_exists,
                         struct refit_error **err);

// Removes a volume: `volume, changed`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_remove(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Lists the files below a path of a volume: `files [ {name, path, type, size, mode, uid, gid, modified, link_target?} ]`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_list_files(const struct refit *r,
                             const char *volume,
                             const char *path,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Reads a file of a volume; freed with `refit_bytes_free`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_read_file(const struct refit *r,
                            const char *volume,
                            const char *path,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            uint8_t **out_data,
                            size_t *out_length,
                            struct refit_error **err);

// Writes a file of a volume: `path, bytes, changed`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_write_file(const struct refit *r,
                             const char *volume,
                             const char *path,
                             const uint8_t *data,
                             size_t length,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Removes a file of a volume: `path, changed`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_remove_file(const struct refit *r,
                              const char *volume,
                              const char *path,
                              const char *options_json,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Hands out a path of a volume as a tar: `bytes, entries`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_export(const struct refit *r,
                         const char *volume,
                         const char *path,
                         const char *options_json,
                         refit_write_fn on_data,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Unpacks a tar below a path of a volume: `path, bytes, changed`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_import(const struct refit *r,
                         const char *volume,
                         const char *path,
                         const char *options_json,
                         refit_read_fn read,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Writes a volume into a local archive: `volume, file, entries, bytes_in, bytes_out, sha256, elapsed_ms`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_backup(const struct refit *r,
                         const char *volume,
                         const char *file_path,
                         const char *options_json,
                         refit_progress_fn on_progress,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Puts an archive back into a volume: `volume, file, entries, bytes, replaced, elapsed_ms`.
//
// Not in this version: UNSUPPORTED.
//
// # Safety
// Every pointer is NULL or as the convention at the top says.
refit_code volume_restore(const struct refit *r,
                          const char *volume,
                          const char *file_path,
                          const char *options_json,
                          refit_progress_fn on_progress,
                          void *user_data,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REFIT_H */
