/* refit manages Docker images, and the containers made from them, by hand. This header is the manual of its C ABI.
 *
 * Generated from src/ffi by cbindgen (`make header`). Do not edit.
 *
 * 1. The calling convention
 *
 *   refit_code NAME(const refit *r, <names and inputs>, const char *options_json,
 *                   [callback, void *user_data,] const refit_cancel *cancel, char **out_json, refit_error **err);
 *
 * Result: REFIT_OK (0), or the kind of the error, REFIT_E_*. Codes are never renumbered. Each function lists the codes that it returns
 * beside REFIT_E_PANIC and, in a child after fork(), REFIT_E_UNSUPPORTED.
 *
 * r and names are required: NULL or "" is REFIT_E_INVALID_ARGUMENT, and the message names the parameter.
 *
 * Strings that you pass are NUL-terminated UTF-8 and are copied before the call returns; invalid UTF-8 is REFIT_E_INVALID_ARGUMENT. Paths
 * are UTF-8 too: a path that is not valid UTF-8 cannot be passed. A message quotes at most 200 characters of what you passed.
 *
 * options_json is NULL or "" for the defaults, else one JSON object; a key whose value is null has its default. An unknown key, a wrong
 * type or a value out of range is REFIT_E_INVALID_ARGUMENT with the key in the message, and nothing has happened. Every call takes
 * `timeout_s` (above 0, up to 86400; default: no limit), the time limit of the whole call. An option whose name ends in `_s` is in seconds
 * and may be a fraction. `actor` says who asked for the call, for the history.
 *
 * on_progress may be NULL: then no progress is reported. user_data is passed to the callback as it is. A callback runs on the thread that
 * made the call, before the call returns, and never twice at the same time for one call. A callback may call this library.
 *
 * cancel is NULL or a token. When the token was fired before the call, the call returns at once and has done nothing. A cancelled or
 * stopped call returns within 100 ms, unless its text says what it finishes or rolls back first. A call copies the token when it begins,
 * so a token may be freed while calls that were given it are running. It must not be freed, or fired, at the same time as another thread
 * frees it or passes it to a call that has not begun.
 *
 * out_json is NULL, or where the document goes: one JSON object in UTF-8. Its fields are listed beside each function (`?`: may be null)
 * and described in refit.schema.json. *out_json is set to NULL first. A document may come with any result: beside an error it is the
 * report of what was done and what was rolled back. Free it once with refit_string_free. In documents, a value that is not known is null,
 * never 0, "" or false. Times are RFC 3339 in UTC, sizes are bytes, `*_ms` is milliseconds. Digests and image ids begin with "sha256:",
 * container ids are the engine's. Later versions may add fields; they rename none.
 *
 * err is NULL, or where the error goes: *err is set to NULL first and is not NULL exactly when the result is not REFIT_OK. Free it once
 * with refit_error_free. There is no errno and no last error of a thread.
 *
 * Every output may be NULL, except `out` of refit_open. Every _free function and refit_close accept NULL and then do nothing.
 *
 * REFIT_E_UNREACHABLE means that the engine or the registry did not answer within the handle's `timeout_s`; REFIT_E_TIMEOUT means that the
 * call did not end within its own.
 *
 * 2. Threads and the process
 *
 * Threads: any function may be called from any thread, and one handle serves many threads at once. The first refit_open starts
 * `worker_threads` (2) threads, which do all the work of all handles; the calling thread waits and runs the callback. Work that blocks
 * (name lookups, files, credential helpers) runs on further threads, which are started when they are needed and end after 10 s without
 * work. All of them are named "refit". The refit_close of the last handle ends them: it waits for them on a thread named "refit-close", and
 * 1 s at most for those that are blocked in the system, which end when that has returned. A connection by ssh has a child process, and a
 * thread named "refit-ssh" that waits for it.
 *
 * Signals: the library installs no signal handler. It blocks SIGPIPE on its own threads only; what your program does with SIGPIPE stays.
 *
 * Environment: environment variables and HOME are read in refit_open only. Nothing is printed: refit_set_logger hands over what happens.
 *
 * fork: in a child, every call returns REFIT_E_UNSUPPORTED and refit_close does nothing, because the threads are in the parent. The child
 * may exit or exec. The parent is not affected.
 *
 * exit: the process may exit with an open handle. Its threads end with it, and a recreation that is in progress is interrupted as by
 * SIGKILL: container_recover repairs that. Call refit_close first to let it finish or roll back.
 *
 * dlclose: librefit.so is linked with `-z nodelete`, so dlclose does not unload it: its threads may still be ending. A shared object that
 * contains librefit.a must be linked with `-Wl,-z,nodelete` as well.
 *
 * Defects: a panic inside the library is caught and returned as REFIT_E_PANIC; the next call works.
 */


#ifndef REFIT_H
#define REFIT_H

#include <stddef.h>
#include <stdint.h>

// The version of this header: major * 1000000 + minor * 1000 + patch.
#define REFIT_VERSION_NUMBER 1000

// The version of the ABI: the N of `librefit.so.N`.
#define REFIT_ABI_VERSION 0

// A rollback that failed, a defect.
#define REFIT_LOG_ERROR 1

// A call that failed, a warning of a report.
#define REFIT_LOG_WARN 2

// The steps of a recreation, a rollback and a recovery, and what became of them.
#define REFIT_LOG_INFO 3

// The end of each long call, and each request to an engine or a registry.
#define REFIT_LOG_DEBUG 4

// Everything.
#define REFIT_LOG_TRACE 5

// A handle: the connection to one engine and to its registries, and the state that is kept between calls.
typedef struct refit refit;

// A token that cancels calls. Once fired it stays fired. Any number of calls may use one token, and any thread may fire it.
typedef struct refit_cancel refit_cancel;

// An error. The caller owns it and frees it with `refit_error_free`.
typedef struct refit_error refit_error;

// The result of a call: 0 (`REFIT_OK`), or the kind of its error, `REFIT_E_*`.
typedef int32_t refit_code;

// An event of the library. Its strings are valid until the callback returns.
typedef struct refit_log_record {
  // The size of this structure, set by the library. Later versions append fields.
  size_t struct_size;
  // The part of the library, "refit::engine::request". An open set.
  const char *target;
  // One line.
  const char *message;
  // One JSON object, `op?` the function of this header that was called ("img_pull"), `image?`, `container?` or `volume?` its subject, and what the event
  // has: `step`, `result`, `code`, `method`, `host`, `path`, `status`, `ms` and others, an open set.
  const char *fields_json;
  // `REFIT_LOG_ERROR` to `REFIT_LOG_TRACE`.
  int32_t level;
  // Always 0.
  int32_t reserved;
} refit_log_record;

// Receives an event of the library, on any thread, on several at once: see refit_set_logger.
typedef void (*refit_log_record_fn)(const struct refit_log_record *record, void *user_data);

// A progress report. Its strings are valid until the callback returns.
typedef struct refit_progress {
  // The size of this structure, set by the library. Later versions append fields.
  size_t struct_size;
  // "check", "pull", "recreate", "recover", "update", "rollback", "backup", "restore" or "service_update".
  const char *operation;
  // The image, container, volume or service.
  const char *subject;
  // What is being done. Later versions may add phases: "checking", "resolving", "downloading", "extracting", "verifying", "creating",
  // "hook", "stopping", "backing_up", "renaming", "starting", "waiting", "pausing", "removing", "rolling_back", "restoring",
  // "done".
  const char *phase;
  // The layer's id in the engine's short form; NULL when the report is about the whole operation.
  const char *layer;
  // Bytes done, or steps done where there is no size.
  uint64_t current;
  // Bytes or steps in all; 0 when unknown.
  uint64_t total;
  // The speed of the download; 0 when unknown.
  uint64_t bytes_per_second;
  // The remaining time of the download; 0 when unknown.
  uint64_t eta_seconds;
  // Thousandths of the whole operation that are done. It never decreases, and is 1000 only at the end of a call that succeeds.
  uint32_t permille;
  // The number of the image or container, from 1.
  uint32_t step;
  // How many images or containers there are.
  uint32_t steps;
  // Always 0.
  uint32_t reserved;
} refit_progress;

// Receives the progress of a long call. A result other than 0 ends the call with `REFIT_E_STOPPED`, and the callback is not called again.
// There are at most ten reports per second and layer, and one for every change of phase of the whole operation. A slow callback delays
// neither the work nor other callers. The callback must not throw a C++ exception or `longjmp` out of it.
typedef int32_t (*refit_progress_fn)(const struct refit_progress *progress, void *user_data);

// A line of a container's log.
typedef struct refit_log_line {
  // The size of this structure, set by the library. Later versions append fields.
  size_t struct_size;
  // RFC 3339; NULL unless `timestamps` is set.
  const char *timestamp;
  // The bytes of the line without its end, and a NUL after them. They may contain NULs and may be invalid UTF-8.
  const char *text;
  // The number of bytes in `text`.
  size_t length;
  // 1: stdout, 2: stderr.
  int32_t stream;
  // 1: the line is longer, and the next call continues it.
  int32_t partial;
} refit_log_line;

// Receives a line of a log. A result other than 0 ends the call with `REFIT_E_STOPPED`.
typedef int32_t (*refit_log_fn)(const struct refit_log_line *line, void *user_data);

// Receives data and must consume all of it. A result other than 0 ends the call with `REFIT_E_STOPPED`.
typedef int32_t (*refit_write_fn)(const uint8_t *data, size_t length, void *user_data);

// Supplies data: returns the number of bytes written to `buffer`, 0 at the end, or a negative number to end the call with
// `REFIT_E_STOPPED`.
typedef int64_t (*refit_read_fn)(uint8_t *buffer, size_t capacity, void *user_data);

// The call succeeded.
#define REFIT_OK 0

// An argument or option is invalid; nothing has happened. The message names it.
#define REFIT_E_INVALID_ARGUMENT 1

// The token was fired, or the handle was closed.
#define REFIT_E_CANCELLED 2

// The callback returned a value that ends the call.
#define REFIT_E_STOPPED 3

// The call did not end within its own `timeout_s`.
#define REFIT_E_TIMEOUT 4

// There is no such image, container, volume or file.
#define REFIT_E_NOT_FOUND 5

// A required image is not local: pull it first.
#define REFIT_E_IMAGE_MISSING 6

// The registry does not accept the credentials, or needs some.
#define REFIT_E_UNAUTHORIZED 7

// The name is taken, the object is in use, it was changed concurrently, or an interrupted run left something.
#define REFIT_E_CONFLICT 8

// The engine or the registry cannot be reached.
#define REFIT_E_UNREACHABLE 9

// The engine answered with an error.
#define REFIT_E_ENGINE 10

// The registry answered with an error.
#define REFIT_E_REGISTRY 11

// The registry limits the number of requests: try again later.
#define REFIT_E_RATE_LIMITED 12

// This version of the library, the engine or the container does not support it.
#define REFIT_E_UNSUPPORTED 13

// The operation failed and was rolled back: the state is the one before the call.
#define REFIT_E_ROLLED_BACK 14

// The operation failed and could not be rolled back: the message says what state it left.
#define REFIT_E_ROLLBACK_FAILED 15

// A digest or an archive does not match its checksum.
#define REFIT_E_DATA 16

// Another call or process is working on the same object: try again later.
#define REFIT_E_BUSY 17

// A local file or folder cannot be read or written: the disk is full, or it is about `state_dir`.
#define REFIT_E_IO 18

// A defect of the library was caught; the next call works.
#define REFIT_E_PANIC 99

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* 3. The handle, tokens, strings, errors, the engine */

// Opens a handle. It changes nothing on the engine.
//
// Options (each may be left out):
// - `host` string: the engine (unix://, tcp://, https://, ssh://user@host:port/socket). Default: DOCKER_HOST, else DOCKER_CONTEXT, else the
//   current context of docker's config.json, else the platform's socket. ssh:// is a child process ssh for each connection that runs
//   `docker system dial-stdio` there; keys, known hosts and jump hosts are ssh's own configuration, and it must get in without a question.
// - `connect` "now": refit_open asks the engine for its API version; "lazy": the first call does.
// - `state_dir` folder (default: none): created with mode 0700 when missing. It holds the last checks, and the configuration of containers
//   whose recreation is in progress.
// - `docker_config` folder (DOCKER_CONFIG, else ~/.docker): contexts and credentials.
// - `tls_dir` folder (DOCKER_CERT_PATH, or the context's own): ca.pem, cert.pem, key.pem.
// - `timeout_s` 30, 1 to 3600: the time limit of each request to the engine, and for a stream (a pull) the silence after which the engine is
//   pinged: as long as it answers, the stream is waited for.
// - `long_timeout_s` 300, 1 to 3600: the time limit of a create and of a start, which may copy gigabytes into a volume or publish thousands
//   of ports.
// - `engine_wait_s` 120, 0 to 3600: how long a rollback goes on while the engine is not reachable or refuses a step, and how long the
//   answer of a create is still waited for after `long_timeout_s`.
// - `registries` {HOST: {username, password, token, ca_file, insecure, mirror}}: in addition to docker's config.json. token: an
//   identity token; ca_file: a PEM file of certificate authorities, in addition to the system's; insecure: accepts any certificate, and
//   plain HTTP; mirror: an address that is asked first.
// - `check_via` "auto" (the registry, or the engine where only the engine reaches it), "registry" or "engine": who is asked by a check.
// - `max_concurrency` 4, 1 to 64: how many containers an update recreates at the same time, after the first has gone alone. One that only
//   has to settle or to become healthy takes no place; with those, at most three times as many are in progress. Of those one
//   more than the engine has processors (a quarter of the places at least) are stopped and started at the same time, so that
//   each is down for less, unless a hook, a stop, a backup or a start takes more than 2 s.
// - `worker_threads` 2, 1 to 64: the threads of the process's handles, which share them. That of the first handle counts as long as one is
//   open.
// - `history_max_entries` 10000, 1 to 10000000, and `history_max_age_days` 365, 1 to 36500: how much of the history is kept;
// - `helper_image` string: a local image with sh, rm, find, stat and readlink (busybox, debian), for volume_remove_file, volume_restore and
//   volume_list_files.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE (no engine answers: the message names the address and what to look at), UNSUPPORTED (an engine
// older than API 1.40, or one that speaks only newer versions), ENGINE, IO (`state_dir`). `*out` is set to NULL first; close the handle once
// with `refit_close`.
refit_code refit_open(const char *options_json,
                      struct refit **out,
                      struct refit_error **err);

// Closes a handle and frees it. It refuses new calls, waits 2 s for the running ones, then cancels them and waits until they have returned
// (a recreation is finished or rolled back first). No call may begin on another thread once refit_close has begun. In a callback it
// returns at once: the call that runs the callback returns REFIT_E_CANCELLED (REFIT_OK when it had already succeeded), and the last
// running call frees the handle.
void refit_close(struct refit *r);

// The version of the library: "0.1.0". Do not free it.
const char *refit_version(void);

// The ABI version of the library: compare it with `REFIT_ABI_VERSION`.
uint32_t refit_abi_version(void);

// The name of a code without its prefix: "OK", "NOT_FOUND"; "UNKNOWN" for a number that is not a code. Do not free it.
const char *refit_code_name(refit_code code);

// Makes a token that is not fired. Free it with `refit_cancel_free`.
struct refit_cancel *refit_cancel_new(void);

// Cancels every call that was given this token, now and later. Any thread may fire a token, any number of times; a signal handler must
// not.
void refit_cancel_fire(const struct refit_cancel *cancel);

// Frees a token. Calls that were given it go on and keep its state.
void refit_cancel_free(struct refit_cancel *cancel);

// Frees a string that the library returned.
void refit_string_free(char *s);

// Frees bytes that the library returned, with the length that it returned.
void refit_bytes_free(uint8_t *data, size_t length);

// The code of an error; `REFIT_OK` for NULL.
refit_code refit_error_code(const struct refit_error *err);

// The message: one line that says what was attempted on what, and what to do next where that is known; "" for NULL. It is valid until the
// error is freed.
const char *refit_error_message(const struct refit_error *err);

// The error as JSON: `code, name, message, op, image?, container?, http_status?, retry_after_s?, missing [], causes [],
// create_body?`; "{}" for NULL. `create_body` is the body of the engine's `POST /containers/create` for a container that is lost otherwise,
// with the values of its environment. It is valid until the error is freed.
const char *refit_error_json(const struct refit_error *err);

// Frees an error, its message and its JSON.
void refit_error_free(struct refit_error *err);

// Sends the events of the library in this process, of all handles, to a callback, in place of the one that was set before; a NULL callback
// removes it. `level` is the least important that is sent, `REFIT_LOG_ERROR` to `REFIT_LOG_TRACE`; with a NULL callback it is not read.
//
// REFIT_LOG_ERROR: a rollback that failed, a defect. REFIT_LOG_WARN: a call that failed, a warning of a report. REFIT_LOG_INFO: each step of
// a recreation, a rollback and a recovery, and what became of it. REFIT_LOG_DEBUG: the end of each long call, and each request to an engine or
// a registry with its method, path, status and milliseconds. No event holds a credential, a header, a query, a body or the environment of a
// container.
//
// The callback is called on any thread of the library, on several at once, and while one runs, that thread does nothing else: it should be
// quick, and hand over to a queue what takes long. It must not call the library, except refit_set_logger and the functions without a handle:
// a call there is REFIT_E_UNSUPPORTED. It must not throw or `longjmp`.
//
// Once refit_set_logger has returned, the callback that was set before is never called again, and no call of it is running: calls that have
// begun are waited for. In the callback itself it does not wait: no call begins any more, but that one, and those on other threads that had
// begun, return later. Any thread may call it at any time, before the first refit_open and after the last refit_close too.
//
// Codes: INVALID_ARGUMENT (`level` is no level: nothing was changed), UNSUPPORTED (in a child after fork).
refit_code refit_set_logger(int32_t level,
                            refit_log_record_fn callback,
                            void *user_data);

// The engine and its settings: `engine ("docker"/"podman"), version, api_version, min_api_version, os, architecture, store
// ("classic"/"containerd"/"podman"), storage_driver, host, root_dir, swarm, mirrors [], insecure_registries [], state_dir?`.
//
// Codes: UNREACHABLE, ENGINE, UNSUPPORTED, INVALID_ARGUMENT, CANCELLED, TIMEOUT.
refit_code refit_engine_info(const struct refit *r,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// The calls that changed something, or tried to, through this handle or through any with the same `state_dir`, newest first: `entries
// [ {id, at, kind, actor?, image?, container?, volume?, service?, from? {id, digest?, version?}, to? {id, digest?, version?}, result,
// error?, elapsed_ms, containers [ {container, result, error?} ], backups [ {volume, file} ]} ]`. `kind` is "pull", "update", "recreate", "rollback", "remove_old",
// "backup", "restore" or "service_update": one record a call; what an update pulls and recreates is in the update's own, a batch has one
// an image, a removal one for each image that is gone. `result` is "done", "unchanged", "rolled_back", "rollback_failed", "failed" or
// "cancelled". Reads, dry runs and refused arguments leave none. Without `state_dir` the records end with the handle. A record that cannot
// be written fails no call: it is a warning `history_not_written` of that call.
//
// Options: `image` (in any form), `container` (updates that recreated it too), `actor`, `kind`, `since` (RFC 3339), `limit` 100, 1 to
// 1000000. Codes: INVALID_ARGUMENT, IO (the file cannot be read), CANCELLED, TIMEOUT.
refit_code refit_history_list(const struct refit *r,
                              const char *options_json,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

/* 4. Images */

// Whether an image is local, by its reference or id: `*out_exists` is 1 or 0.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
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
refit_code img_info(const struct refit *r,
                    const char *image,
                    const char *options_json,
                    const struct refit_cancel *cancel,
                    char **out_json,
                    struct refit_error **err);

// How a local image was built, newest step first: `layers [ {id?, created?, created_by, size, comment} ]`.
//
// Codes: NOT_FOUND (not local), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code img_history(const struct refit *r,
                       const char *image,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Whether an image is local, and what this handle is doing to it: `image, exists, pulling, ready, operation? {kind, phase, permille,
// current, total?, bytes_per_second?, eta_seconds?, started_at, layers [ {id, status, current, total?} ]}, last_check?, last_error? {code,
// name, message, at}`. `ready` stays true while a newer version of a local image is pulled.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code img_status(const struct refit *r,
                      const char *image,
                      const char *options_json,
                      const struct refit_cancel *cancel,
                      char **out_json,
                      struct refit_error **err);

// Which of the images in `images_json` (a JSON list of references; NULL, "" and null are INVALID_ARGUMENT) are not local: `missing [],
// present []`, each in the order asked. An error of the engine fails the whole call. Nothing is pulled.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code img_missing(const struct refit *r,
                       const char *images_json,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Every container, running or not, that was created from this reference, or whose image is the one that the reference names now:
// `containers [ {id, name, image, image_id, match, state, status, outdated, created, labels {}, operation?, interrupted} ]`. `match` is
// "reference" (an update recreates it) or "same_image" (it was created from another reference of the same image: it is listed, never
// recreated). `outdated`: its reference names another image now.
//
// Options: `all` true, `names` [], `labels` {}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code img_containers(const struct refit *r,
                          const char *image,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Whether the registry has a newer image. Nothing is pulled. The document, a check, comes with every code: `image, state, reason?,
// has_update (true/false/null), platform?, local? {id, digests [], created?, version?}, remote? {digest, created?, version?,
// download_bytes?}, via, certainty, requests, elapsed_ms, checked_at, retry_at?, limit?, remaining?, credential?, maybe_missing?,
// maybe_local?, tag_moved?, newer_tag?, outdated_containers [], notes [ {code, message} ], error?`. `has_update` is false
// only when the registry, or the engine that was asked in its place, answered so.
//
// Options: `check_via` "auto"/"registry"/"engine" (the handle's), `platform` "os/arch[/variant]" (the local image's), `newer_tag` {} (this
// version does not have it: UNSUPPORTED when set), `actor`. Codes: OK for every answer, also "update_available"; NOT_FOUND (neither local
// nor in the registry), UNAUTHORIZED, RATE_LIMITED, UNREACHABLE, REGISTRY, UNSUPPORTED, INVALID_ARGUMENT, ENGINE, CANCELLED, TIMEOUT.
refit_code img_check_update(const struct refit *r,
                            const char *image,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// Checks many images at once. `images_json` is a JSON list of references; NULL means every local image that has a tag. The document:
// `images [ checks, in the order of the list ], requests, elapsed_ms`. A check that fails has its own `error` and fails no other.
//
// Options: those of `img_check_update`. Codes: OK, INVALID_ARGUMENT, UNSUPPORTED (`newer_tag`), UNREACHABLE or ENGINE (the engine could
// not list its images), CANCELLED, STOPPED, TIMEOUT (with the checks that had ended).
refit_code img_check_updates(const struct refit *r,
                             const char *images_json,
                             const char *options_json,
                             refit_progress_fn on_progress,
                             void *user_data,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Pulls an image through the engine: `image, changed, before? {id, digests []}, after {id, digests []}, digest?, bytes_downloaded,
// elapsed_ms, shared, notes [ {code, message} ]` (`credential_rejected`: the registry refused the credential, and the image was pulled
// without one). An image for another platform than the wanted one is NOT_FOUND, and the tag names the image of before again where no
// container uses the new one. Pulls of one image share one download: it stops when no caller waits for it any more, and the engine keeps the
// complete layers.
//
// Options: `platform` (the local image's, else the engine's), `registry_auth` {username, password, token}, `actor`. Progress: phases
// "resolving", "downloading", "extracting", "verifying", "done", and reports for each layer. Codes: NOT_FOUND, UNAUTHORIZED, RATE_LIMITED,
// UNREACHABLE, DATA, ENGINE (with the engine's message), INVALID_ARGUMENT, CANCELLED, STOPPED, TIMEOUT.
refit_code img_pull(const struct refit *r,
                    const char *image,
                    const char *options_json,
                    refit_progress_fn on_progress,
                    void *user_data,
                    const struct refit_cancel *cancel,
                    char **out_json,
                    struct refit_error **err);

// What `img_update` would do: `image, check, pull, expect_digest?, download_bytes?, containers [ {container, id, state, outdated, match,
// action, reason?, order, dependents [], volumes [ {volume, size?} ], estimated_downtime_ms?} ], services [names], image_changes [ {field, before, after} ],
// keep_as?, warnings [ {code, container?, message} ]`. `services` are those of the swarm that have this reference: `img_update` leaves them as they are, and
// `service_update` updates them; empty too where the engine manages no swarm, and where it does not answer (warning `services_unknown`). `action` is
// "recreate_and_start", "recreate", "up_to_date", "other_reference" or "refused". Nothing is changed or pulled. Every container whose recreation would be refused is listed as "refused"; that is no error. When the check fails, the plan
// has the check alone.
//
// With `backup_volumes`, `volumes` are those that would be backed up; what prevents that is the `reason` of "refused", and `estimated_downtime_ms` is the
// time of the backups at 100 MB/s and a second, without what the container takes to stop (null where the engine did not tell a size within 2 s).
//
// Options: those of `img_update`. Codes: those of `img_check_update`.
refit_code img_plan_update(const struct refit *r,
                           const char *image,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

// Checks, pulls, then recreates every container that was created from this reference and is outdated; a container that was running runs
// again. The report comes with every code once the check has begun: `image, check?, pull?, tag? ("moved"/"restored"/"unchanged"; null:
// the engine did not say), containers [ recreations, and {container, result: "not_attempted"} ], backups [ {volume, file} ], removed_old?, warnings
// [ {code, container?, message} ] (what did not succeed beside the update: "remove_old_failed"), elapsed_ms, error?`. A recreation that
// would be refused is refused before the download. The first container is recreated alone. When no container was recreated, the tag is
// rolled back to the old image, where it still names what this update has pulled: one that somebody else has moved stays.
//
// Options: `containers` [names or ids] (all), `force` false (also those that are not outdated), `expect_digest` (the plan's), `platform`
// (the local image's), `on_failure` "stop" (no further container is begun)/"continue", `max_concurrency` (the handle's), 1 to 64,
// `remove_old` false (as `img_remove_old` does, after a success), `actor`, and those of `container_recreate`; the report's backups are those
// of all containers.
//
// Codes: OK; ROLLBACK_FAILED (of a container or of the tag), else ROLLED_BACK (of a container); CANCELLED, STOPPED, TIMEOUT: the
// recreations in progress are finished or rolled back, the other containers are "not_attempted"; BUSY (the same image is being updated);
// CONFLICT (the registry has another digest than `expect_digest`, or a container cannot be recreated), UNSUPPORTED (a container cannot be
// recreated); those of `img_check_update`, `img_pull` and `container_recreate`.
refit_code img_update(const struct refit *r,
                      const char *image,
                      const char *options_json,
                      refit_progress_fn on_progress,
                      void *user_data,
                      const struct refit_cancel *cancel,
                      char **out_json,
                      struct refit_error **err);

// Updates each image of a JSON list, one after another; NULL: every image with a tag whose check says that there is an update. The
// document: `images [ updates, each with its own error? ], elapsed_ms`. An image that cannot be updated keeps no other from its update and
// does not fail the call. With NULL the images whose check failed are listed with its error; those that are current, or only local, are
// not. In progress `step` of `steps` is the image, and `permille` covers all.
//
// Options: those of `img_update`, for each image, without `containers` and `expect_digest`, which belong to one image: INVALID_ARGUMENT.
// Codes: OK; INVALID_ARGUMENT (also for one reference of the list, before anything is changed), UNREACHABLE or ENGINE (the engine could
// not list its images), CANCELLED, STOPPED, TIMEOUT (with the reports that there are).
refit_code img_update_all(const struct refit *r,
                          const char *images_json,
                          const char *options_json,
                          refit_progress_fn on_progress,
                          void *user_data,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Goes back to the image that the tag named before the last update, as an operator asks for it after an update that succeeded: the tag
// names that image again, and every container of this reference is recreated from it, those that ran running again. Volumes stay as they
// are; no registry is asked. The document is that of `img_update`, with `check` and `pull` null, and `to? {id, digest?, version?}`.
//
// Without `to` the target is the image before the newest pull, update or rollback of the history that led to the current one, so that a
// second rollback goes forward again; without such a record it is the one image of the repository that has lost its tag. A target that is
// the current image is OK, and nothing is done.
//
// Options: `to` (an image id), `actor`, and those of `container_recreate`. Codes: OK; NOT_FOUND (there is no earlier image); CONFLICT
// (several may be meant: their ids are in the message; or a container cannot be recreated); IMAGE_MISSING (the target is not local any
// more: the message has its digest where it is known); INVALID_ARGUMENT (`to` is no id, or of another repository); ROLLED_BACK (the
// target's container does not run: the tag is "restored"); BUSY; those of `container_recreate`.
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
refit_code img_remove_old(const struct refit *r,
                          const char *image,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

/* 5. Containers */

// The containers, running or not: `containers [ {id, name, image, image_id, state, status, outdated, created, labels {}, operation?,
// interrupted} ]`. A container that is being recreated is listed once, under its own name.
//
// Options: `all` true, `names` [], `labels` {key: value; "" matches any}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED,
// TIMEOUT.
refit_code container_list(const struct refit *r,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Whether there is a container of that name or id: `*out_exists` is 1 or 0.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
refit_code container_exists(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            int32_t *out_exists,
                            struct refit_error **err);

// The state of a container: `container, id, operation?, interrupted, state, health?, exit_code?, error?, started_at?, finished_at?,
// restart_count, image, image_id`.
//
// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_status(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// The state and the configuration of a container: as `container_status`, and `name, created, env [], labels {}, ports [ {container_port,
// protocol, host_ip?, host_port?} ], mounts [ {type, name?, source?, destination, read_write} ], networks [ {name, ip_address?,
// ipv6_address?, mac_address?, aliases []} ], restart_policy, command [], entrypoint?, working_dir, user`.
//
// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
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
refit_code container_create(const struct refit *r,
                            const char *name,
                            const char *spec_json,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// Starts a container: `container, changed` (false: it was running). When an image of `require` [images] is not local the code is
// IMAGE_MISSING, and the error's `missing` lists those images. Nothing is pulled.
//
// Options: `require`, `actor`. Codes: NOT_FOUND, IMAGE_MISSING, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_start(const struct refit *r,
                           const char *container,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

// Stops a container: `container, changed` (false: it was stopped). When the engine has accepted the stop, a cancel does not end it.
//
// Options: `stop_timeout_s` (the container's own), `actor`. Codes: NOT_FOUND, BUSY, CONFLICT, INVALID_ARGUMENT, UNREACHABLE, ENGINE,
// CANCELLED, TIMEOUT.
refit_code container_stop(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Stops and starts a container: `container, changed`.
//
// Options: `stop_timeout_s` (the container's own), `actor`. Codes: as `container_stop`.
refit_code container_restart(const struct refit *r,
                             const char *container,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Removes a container: `container, changed`. Its volumes stay unless `remove_volumes` is set.
//
// Options: `force` false (also while it runs), `remove_volumes` false (its anonymous volumes too), `actor`. Codes: NOT_FOUND, CONFLICT (it
// runs), BUSY, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_remove(const struct refit *r,
                            const char *container,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            char **out_json,
                            struct refit_error **err);

// Waits until a container is not running, for at most one day: `exit_code, error?`.
//
// Codes: NOT_FOUND, INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_wait(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// Replaces a container by a new one that is created from the image that its reference names now, with the same configuration, networks and
// volumes. The new one runs if the old one ran. Nothing is pulled. The new container is created and compared with the old one before the
// old one is stopped. The old one is removed once the new one has settled: it has been running for `settle_s`, or has ended with exit code
// 0 under the restart policy "no" or "on-failure", and is healthy where it has a healthcheck.
//
// The report comes with every code once the container was found: `container, result, old_id, new_id?, image, old_image_id?,
// new_image_id?, state?, downtime_ms?, changes [ {field, before, after, because} ], warnings [ {code, container?, message} ], dependents
// [ as this one ], backups [ {volume, file} ], writable_layer_changes?, old_left, logs_tail?, error?, elapsed_ms`. `result` is
// - "recreated": the new container has the name;
// - "rolled_back": the old one was stopped, and runs again as before;
// - "rollback_failed": the rollback failed; `container_recover` tries it again;
// - "refused": nothing was begun;
// - "failed": the old one was not stopped, or was not running, and is as before;
// - "not_attempted", only of a dependent: the recreation failed before its new container was created.
//
// `downtime_ms` is from `State.FinishedAt` of the old one to `State.StartedAt` of the new one, which is the engine's clock at its events
// "die" and "start"; null when the old one was not running, or had `--rm` and was gone before it could be inspected.
// `writable_layer_changes` counts changed files outside of volumes, which are lost; null when they were not counted. `old_left`: the old one could not be removed, and
// `container_recover` removes it. `logs_tail` is the end of the log of a new container that failed.
//
// Options:
// - `stop_timeout_s` (the container's own), 0 to 86400, rounded up to whole seconds: how long the engine waits before it kills it.
//   For an `--rm` container at most 265 s above its own, else UNSUPPORTED.
// - `settle_s` 3, 0 to 600: how long the new container must run without ending. 0: it is enough that it was started, whatever becomes of
//   it.
// - `health_timeout_s`, 0 to 86400: how long its health may be "starting"; a warning says where that is less than its healthcheck needs.
//   "unhealthy" fails at once. 0: the health is not looked at. The default is when the engine says "unhealthy" at the latest: start period
//   + retries x (interval + timeout), and at least 60.
// - `recreate_dependents` false: also recreates the containers that refer to this one by its id (network, pid or ipc namespace,
//   volumes-from), or link to it, all or none of them.
// - `allow_paused` false: also a paused container. Its memory is lost; the new one is paused once it has settled.
// - `allow_auto_remove` false: also an `--rm` container. It is lost when the engine restarts between its stop and the new one's start.
// - `allow_pinned` false: also a container that was created from an image id. The new one is created from the same image.
// - `allow_lossy` false: also on Podman, which does not report all of a container's configuration. The warnings list what may be lost.
// - `allow_own_connection` false: also the container through which this handle reaches its engine (a socket proxy, an agent, a tunnel). Its
//   stop cuts the connection, and `container_recover` has to be called through another one.
// - `count_layer_changes` true: counts the changed files outside of volumes, for which the engine gets 2 s.
// - `provider` container: a name or an id. Where the container's network, pid or ipc namespace is that of a container which is gone
//   (`--network container:ID`), the new one is attached to this one, which has to run; the warning "provider_replaced" says so. Default: the
//   one that its labels of Compose name, else CONFLICT. NOT_FOUND: it is needed, and there is none.
// - `recover_first` false: first repairs what an interrupted run left of this container, as `container_recover` does. Otherwise such a
//   rest is CONFLICT.
// - `accept_changes` [fields]: fields in which the new container may differ from the old one, named as in the error of a recreation that found
//   such a difference ("HostConfig.Memory"); the report lists them under changes. What the engine discards whatever is asked needs no such
//   option: it is a warning "discarded".
// - `hooks` {before: [argv], after: [argv], timeout_s 600, 1 to 86400}: commands, each a list of its arguments (a single command may be given as that list), run in
//   the container one after another; an exit code other than 0 is a failure. before: in the old one before the stop, when it is running
//   and not paused; a failure ends the recreation with nothing changed. after: in the new one once it has settled, when it is running; a
//   failure rolls back. Hooks do not run in dependents. Each has failed when it has not ended within `timeout_s`; its command goes on in
//   the container then, and when the call ends. Of its output only the last line is shown, and the last 1 MiB is kept in memory.
// - `backup_volumes` folder: backs up every volume of the container, as `volume_backup` does, to a new file `<volume>-<UTC time>.tar.zst` in this
//   folder of the library's machine, while the container is stopped and before the new one starts: the downtime is longer by so much. No file is
//   replaced. A backup that fails or is cancelled leaves no file of this call, and the recreation is rolled back. A volume in memory (tmpfs) is not backed up
//   (warning "volume_in_memory"), and one that another running container mounts is of no single moment (warning "volume_in_use"). The report lists
//   the files under backups, also beside an error; what is restored, and when, is up to the caller (`volume_restore`). UNSUPPORTED on Podman where
//   the container has volumes; IO where the folder is missing. Progress: "backing_up", whose bytes are those of the volume's archive.
// - `restore_on_rollback` false: with `backup_volumes` (else INVALID_ARGUMENT). When the new container fails, the volumes that the container may
//   write to are restored from these backups before the old one starts (warning "volumes_restored"); what was written since the stop is gone, and
//   so is what no backup holds (sockets, fractions of times, attributes user.*). Progress: "verifying" and then "restoring" for each, with the bytes
//   of the backup's file.
//   Refused before anything is changed: UNSUPPORTED without helper_image and state_dir of `refit_open`, with `--rm`, and where dependents are
//   recreated with it; IMAGE_MISSING when the helper_image is not local; CONFLICT, which names it, when another running container mounts such a volume.
//   Where a volume cannot be restored, nothing starts the old container: ROLLBACK_FAILED, and `container_recover` through a handle with the same
//   state_dir goes on.
// - `actor`.
//
// Codes: OK; ROLLED_BACK (it failed after the stop and was rolled back); ROLLBACK_FAILED (the message says what state it left); CONFLICT
// and UNSUPPORTED (refused: the message names the option that allows it, where there is one); CONFLICT also when the container was changed
// concurrently (then it was rolled back) or another run took over (which goes on); BUSY, NOT_FOUND, IMAGE_MISSING, UNREACHABLE, ENGINE, IO
// (`state_dir`, `backup_volumes`; nothing was stopped), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: before the stop the new container is removed, after
// the stop the recreation is rolled back, and once the new container has settled the recreation is finished and the code is OK.
refit_code container_recreate(const struct refit *r,
                              const char *container,
                              const char *options_json,
                              refit_progress_fn on_progress,
                              void *user_data,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Finishes or rolls back interrupted recreations, of one container (its name, or at least 12 digits of its id) or, NULL, of all
// containers: `found [ {container, volume?, situation, action, error?} ]`, empty when there are none. With NULL also restores of volumes that were
// interrupted (volume_restore): `volume` is set then, and `container` is "". `action` is
// - "finished": the new container has the name; the volume is restored;
// - "undone": it was rolled back, the old one is as before;
// - "removed_old": the new one had the name already, and the old one was removed;
// - "removed_helper": it was the storage container of a call about a volume that was interrupted (volume_list_files), and was removed; with a container
//   those of the volumes that it mounts;
// - "busy": a run is working on it, or was within its lease (30 s); nothing was changed;
// - "foreign": another container has the name, or somebody has renamed one of the two; nothing was changed, and `situation` names what
//   stands in the way and how it is removed. With an `error`: a restore is not finished, because something was written to the volume since, or its
//   backup is gone or another one;
// - "would_finish", "would_undo": what remains to be done, in a dry run and beside an `error`.
//
// It reads names, ids and states from the engine, so any process can do it. A handle with the `state_dir` of the interrupted run can also
// create an old container anew that was removed meanwhile. A new container that has run longer than it had to settle is never rolled back:
// it stays in the state that it is in, and the old one is removed.
//
// Options: `dry_run` false, `force` false (does not wait for a lease to end; a run of this process is never disturbed), `settle_s` 3, 0 to 600,
// `health_timeout_s`, 0 to 86400, and `stop_timeout_s` (the container's own), 0 to 86400, as `container_recreate` has them, for what neither
// the state folder nor the names on the engine tell of the interrupted run; `volume` (all): only the interrupted restore of this volume, and no
// container; `actor`. Codes: OK (also for "busy", and "foreign" without an `error`), else that
// of the first `error`: CONFLICT (another run took over meanwhile), NOT_FOUND (a container is gone, and its configuration is not known),
// UNREACHABLE, ENGINE, IO (`state_dir`), INVALID_ARGUMENT; CANCELLED, STOPPED, TIMEOUT: a wait ends and the rest is left for the next
// call; a rollback that has begun is finished.
refit_code container_recover(const struct refit *r,
                             const char *container_or_null,
                             const char *options_json,
                             refit_progress_fn on_progress,
                             void *user_data,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// The log of a container so far as text, both streams in the order in which the engine has them: `text, lines, truncated`. Bytes that are
// not UTF-8 are replaced. `lines` counts those of `text`. The text cannot tell the streams apart: container_follow_logs with
// `"follow": false` can.
//
// Options:
// - `tail` (all): only so many of the last lines, 0 to 2147483647, or "all".
// - `since` RFC 3339 (all): only what was written at this time or later, to the nanosecond.
// - `timestamps` false: begins each line with its time, in RFC 3339 with nine digits, and a space.
// - `max_bytes` 16777216, 1 to 1073741824: keeps the newest bytes; older ones that were left out make the document's truncated true. The library holds
//   about as many and no more, however long the log is. It is refused together with `follow`.
// - `follow` false: waits until the container stops.
//
// Codes: NOT_FOUND, UNSUPPORTED (its log driver keeps nothing that can be read, such as "none": the message names it), INVALID_ARGUMENT,
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_logs(const struct refit *r,
                          const char *container,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// The log of a container, each line as it is written, to `on_line`, which must not be NULL: `lines, bytes`, the lines that were handed over
// and their bytes without the lines' ends. The document comes with every code once the log was found.
//
// A line that is longer than 256 KiB comes in pieces of at most 256 KiB; each but the last has `partial` 1. The last line has `partial` 0
// also when the log ends before the line does. In a container with a terminal everything is stdout, and the carriage return before a line's
// end is taken off. The engine stores the time of every 16 KiB of a line; the line has the first of them.
//
// With `follow` the call goes on until the container stops, restarts or is recreated, and is then OK. A silence of any length is waited for
// while the engine answers pings. The library reads ahead of `on_line` by about 1 MiB, and then waits for it.
//
// Options: `follow` true (false: only the log so far), `tail` (all), `since` (all) and `timestamps` false, as in container_logs. Codes: as
// `container_logs`, and STOPPED.
refit_code container_follow_logs(const struct refit *r,
                                 const char *container,
                                 const char *options_json,
                                 refit_log_fn on_line,
                                 void *user_data,
                                 const struct refit_cancel *cancel,
                                 char **out_json,
                                 struct refit_error **err);

// The log of a container in the engine's own frames, to `on_data`, which must not be NULL: `lines` null, `bytes`, those that were handed
// over. The document comes with every code once the log was found.
//
// A frame is the number of its stream (1 stdout, 2 stderr, 3 a message of the engine about a failure of its own), three zeros, the length of
// the rest as four bytes, the highest first, and the bytes. A container with a terminal has no frames. A call of `on_data` need not end
// where a frame does.
//
// Options: `follow` false (true: until the container stops), `tail` (all), `since` (all) and `timestamps` false (the engine's own, before
// every line and every 16 KiB of a longer one), as in container_logs. Codes: as `container_logs`, and STOPPED.
refit_code container_raw_logs(const struct refit *r,
                              const char *container,
                              const char *options_json,
                              refit_write_fn on_data,
                              void *user_data,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Runs a command (`argv_json`, a list of the program and its arguments) in a running container and waits for its end: `exit_code, stdout,
// stderr, truncated`. It has no terminal. Bytes that are not UTF-8 are replaced. No shell is involved unless the program is one:
// `["sh", "-c", "ls /data | wc -l"]`.
//
// A command that cannot be started, such as one that does not exist, is OK with the exit code 126 or 127 (engines differ), and the engine's
// words are in the output.
// After a cancel or a timeout the command goes on in the container: the engine has no way to end it.
//
// Options:
// - `user` (the container's own): "user", "user:group" or numbers.
// - `working_dir` (the container's own).
// - `env` []: "KEY=value", in addition to the container's own.
// - `stdin` string: what the command reads. Without it a command that reads sees the end at once.
// - `max_output_bytes` 1048576, 0 to 1073741824: the first bytes are kept, of both streams together; when there were more, or the
//   connection ended before the command did, the document's truncated is true. The exit code comes all the same.
// - `actor`.
//
// Codes: NOT_FOUND, CONFLICT (the container is not running or is paused, or it stopped meanwhile), INVALID_ARGUMENT, UNSUPPORTED (`stdin`
// through a proxy that does not upgrade connections), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_exec(const struct refit *r,
                          const char *container,
                          const char *argv_json,
                          const char *options_json,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

// What a running container uses, as `docker stats` counts it: `cpu_percent` (of one processor: 200 when two are busy), `cpu_cores` (of the
// engine's machine), `memory_usage_bytes` (without the pages of files that can be dropped, `inactive_file`), `memory_limit_bytes` (the
// machine's memory when there is no limit), `memory_percent, network_rx_bytes?, network_tx_bytes?` (null with the machine's network),
// `block_read_bytes, block_write_bytes, pids?, sampled_at`. It takes two samples, a second apart.
//
// Codes: NOT_FOUND, CONFLICT (it is not running), INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code container_stats(const struct refit *r,
                           const char *container,
                           const char *options_json,
                           const struct refit_cancel *cancel,
                           char **out_json,
                           struct refit_error **err);

/* 6. Volumes */

// The volumes: `volumes [ {name, driver, created?, labels {}, containers []} ]`, by name. `containers` are the names of those that mount it,
// running or not. `created` is what the engine says; Docker says when the volume's root was changed last.
//
// Options: `names` [], `labels` {key: value; "" matches any}. Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code volume_list(const struct refit *r,
                       const char *options_json,
                       const struct refit_cancel *cancel,
                       char **out_json,
                       struct refit_error **err);

// Creates a volume: `volume, changed` (false: it was there, with the same driver, options and labels). One that is there with others is CONFLICT,
// and the message names the difference; it is not changed.
//
// Options: `driver` "local", `driver_options` {}, `labels` {}, `actor`. Codes: CONFLICT, INVALID_ARGUMENT, NOT_FOUND (no such driver; Docker takes
// 15 s to say so), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code volume_create(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Whether there is a volume of that name: `*out_exists` is 1 or 0.
//
// Codes: INVALID_ARGUMENT, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT. `*out_exists` is 0 on an error.
refit_code volume_exists(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         int32_t *out_exists,
                         struct refit_error **err);

// Removes a volume and everything in it: `volume, changed`.
//
// Options: `actor`. Codes: NOT_FOUND, CONFLICT (containers have it, running or not: the message names them), INVALID_ARGUMENT, UNREACHABLE, ENGINE,
// CANCELLED, TIMEOUT.
refit_code volume_remove(const struct refit *r,
                         const char *volume,
                         const char *options_json,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Lists the files in a folder of a volume: `files [ {name, path, type, size, mode, uid, gid, modified, link_target?} ]`, by path; of a file, that one.
// `type` is "file", "directory", "symlink" or "other"; `path` is relative to the volume; `mode` is a number, with setuid, setgid and sticky.
//
// For the files of volumes: `path` is relative to the volume, with or without a slash at the beginning; "/" and "." are its root. A part that is ".."
// is INVALID_ARGUMENT. Symbolic links are followed where they are relative and stay in the volume; others on the way, and those that lead to each
// other, are INVALID_ARGUMENT. No image is pulled and none has to be there; nothing runs. The volume may be in use. While a call works there is a
// container named refit-volume-…, which is never started and is removed with the end of the call, also when it fails or is cancelled;
// container_recover removes one whose process was killed.
//
// Without `helper_image` the engine reads all that is below the path, so that it takes as long as that is large, and sockets are not listed. With it
// `find` and `stat` run in a container of that image, without network and as root, and nothing of the files is read. Files whose name is not UTF-8
// are never listed; times are in whole seconds.
//
// Options: `recursive` false, `helper_image` (the handle's): a local image with sh, find, stat and readlink; IMAGE_MISSING when it is not local. Codes: NOT_FOUND (no such volume or file), INVALID_ARGUMENT, CONFLICT (a file became shorter meanwhile: try again),
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code volume_list_files(const struct refit *r,
                             const char *volume,
                             const char *path,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Reads a file of a volume: `*out_data` and `*out_length`. Free the bytes with `refit_bytes_free`; those of an empty file are NULL.
//
// Paths, links and containers: volume_list_files.
//
// Options: `max_bytes` 67108864, 0 to 1099511627776: a larger file is INVALID_ARGUMENT; volume_export reads it as a stream. Codes: NOT_FOUND (no such
// volume or file), INVALID_ARGUMENT (a folder, a pipe or a device, too), CONFLICT (its size changed meanwhile: try again), UNREACHABLE, ENGINE,
// CANCELLED, TIMEOUT.
refit_code volume_read_file(const struct refit *r,
                            const char *volume,
                            const char *path,
                            const char *options_json,
                            const struct refit_cancel *cancel,
                            uint8_t **out_data,
                            size_t *out_length,
                            struct refit_error **err);

// Writes a file of a volume with `length` bytes at `data`, which may be NULL when `length` is 0: `path` (as asked), `bytes, changed`. Folders on the
// way that are missing are made, with mode 0755 and owner 0. A link is followed where it stays in the volume. A folder in its place is
// INVALID_ARGUMENT. Who reads the file meanwhile may see a part of it.
//
// Paths, links and containers: volume_list_files. After a cancel the file may be there in part.
//
// Options: `mode` (number, 0 to 4095), `uid`, `gid` (numbers): those of the file that is there, else 420 (0644), 0 and 0. `modified` RFC 3339 (now),
// in whole seconds. `actor`. Codes: NOT_FOUND (no such volume, or a link to nothing), INVALID_ARGUMENT, UNSUPPORTED (the volume is in memory, and no
// running container has it), CONFLICT (a folder on the way became a link meanwhile), UNREACHABLE, ENGINE (the engine's disk is full, too), CANCELLED,
// TIMEOUT.
refit_code volume_write_file(const struct refit *r,
                             const char *volume,
                             const char *path,
                             const uint8_t *data,
                             size_t length,
                             const char *options_json,
                             const struct refit_cancel *cancel,
                             char **out_json,
                             struct refit_error **err);

// Removes a file of a volume, or a link and not what it leads to, or, with `recursive`, a folder and all that is in it: `path` (as asked),
// `bytes` null, `changed`. The engine has no call for it: `rm` runs in `helper_image`, without network, as root and with a root file system that is
// read-only.
//
// Paths, links and containers: volume_list_files. The root of the volume is INVALID_ARGUMENT. After a cancel a folder may be removed in part.
//
// Options: `recursive` false, `helper_image` (the handle's): a local image with sh and rm, `actor`. Codes: NOT_FOUND (no such volume or file),
// INVALID_ARGUMENT (a folder without `recursive`, too), UNSUPPORTED (no `helper_image`), IMAGE_MISSING (it is not local), CONFLICT (it was made again
// meanwhile), UNREACHABLE, ENGINE (rm failed: its words), CANCELLED, TIMEOUT.
refit_code volume_remove_file(const struct refit *r,
                              const char *volume,
                              const char *path,
                              const char *options_json,
                              const struct refit_cancel *cancel,
                              char **out_json,
                              struct refit_error **err);

// Exports a file or a folder of a volume as a tar archive to `on_data`, which must not be NULL: `bytes` (those that were handed over), `entries`.
// The names in it are relative to the folder and begin with `./`; a file has its own name. The library holds about 1 MiB of it. It has modes, owners
// by number, hard links, pipes, devices and the attribute security.capability; the engine leaves out sockets, fractions of times and the
// attributes user.*.
//
// Paths, links and containers: volume_list_files. A file that grows meanwhile is as long as it was. The document comes with every code once the
// archive was begun; with another code than OK it is not whole.
//
// Options: none. Codes: NOT_FOUND (no such volume or file), CONFLICT (a file became shorter meanwhile: export again), INVALID_ARGUMENT, STOPPED,
// UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code volume_export(const struct refit *r,
                         const char *volume,
                         const char *path,
                         const char *options_json,
                         refit_write_fn on_data,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Unpacks a tar archive, which `read` supplies and which must not be compressed, into a folder of a volume, which is made when it is missing: `path`
// (as asked), `bytes` (of the archive, that were read), `changed`. `read` must not be NULL; it is called on the caller's thread, at least until the
// archive's end mark, and not after it has returned 0 or a negative number. The call returns after `read` has, also when it has failed.
//
// Modes, owners and times are the archive's, those of folders that are there too, and fractions of times and attributes are kept. A file replaces a
// file; a folder where a file is, or the other way round, is INVALID_ARGUMENT, and so are entries whose name or link leads out of the volume or
// through a link, and devices. Extended headers may have 1 MiB. What came before an entry that is refused stays in the volume: the document comes
// with every code once the archive was begun, and its `changed` is false when nothing was sent to the engine.
//
// Paths, links and containers: volume_list_files. A cancel leaves what was unpacked.
//
// Options: `mode` (number, 0 to 4095; of files only), `uid`, `gid` (numbers), `modified` RFC 3339: instead of the archive's. `actor`. Codes: NOT_FOUND
// (no such volume), DATA (no archive, an empty, damaged or compressed one, or one without its end mark), INVALID_ARGUMENT, UNSUPPORTED (the volume is
// in memory, and no running container has it), CONFLICT (a folder became a link meanwhile), STOPPED, UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code volume_import(const struct refit *r,
                         const char *volume,
                         const char *path,
                         const char *options_json,
                         refit_read_fn read,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Writes all of a volume to a local file, a tar archive that zstd has compressed: `volume, file, entries, bytes_in, bytes_out, sha256, elapsed_ms,
// warnings [ {code, container?, message} ]`. `entries` are the volume's files, folders and links, its root too; `bytes_in` those of its archive
// before it was compressed; `bytes_out` and `sha256` are the file's. `volume_restore` verifies and restores it; without refit,
// `tar --zstd -xf FILE --strip-components=1 volume` unpacks it.
//
// The file is written under a hidden name beside it, `.NAME.refit-partial`, synced, and renamed: `file_path` is the whole backup or what it was
// before. Its mode is 0600, since it holds the volume's driver options and labels too. After an error or a cancel nothing of it is left; what a
// killed process leaves is taken over by the next backup of the same name. No image is pulled and nothing runs; the storage container is that of
// volume_list_files.
//
// It has modes, owners by number, times in whole seconds, hard and symbolic links, pipes, devices and the attribute security.capability. The
// engine leaves out sockets, fractions of times and the attributes user.*. A sparse file is backed up as long as it is.
//
// The volume may be in use; the warning "volume_in_use" says that files which were written meanwhile may be of different moments. A file that grows
// is as long as it was when it was begun, one that vanishes is left out, and one that becomes shorter ends the backup as CONFLICT.
//
// Progress: "backing_up" with `current` the bytes of the volume's archive so far; `total` is 0, as the engine does not say how large a volume is.
//
// Options: `level` 3, 1 to 19 (zstd; 19 takes about 100 MiB of memory), `actor`. Codes: NOT_FOUND (no such volume), CONFLICT (a file became shorter
// meanwhile: try again), BUSY (another backup is being written to the same file), IO (it cannot be written: the disk is full, its folder is missing),
// INVALID_ARGUMENT (a folder, too), UNSUPPORTED (Podman), UNREACHABLE, ENGINE, CANCELLED, STOPPED, TIMEOUT.
refit_code volume_backup(const struct refit *r,
                         const char *volume,
                         const char *file_path,
                         const char *options_json,
                         refit_progress_fn on_progress,
                         void *user_data,
                         const struct refit_cancel *cancel,
                         char **out_json,
                         struct refit_error **err);

// Replaces all that is in a volume by what is in a backup of `volume_backup`, or in a gzip archive of the earlier Go package: `volume, file, entries,
// bytes, replaced, elapsed_ms, warnings []`. `bytes` are those of the volume's archive that were written; `replaced`: there was something in the
// volume, and it is gone, as files that are not in the backup go too.
//
// The backup is read as a whole and verified before anything is changed. A volume that is missing is created with the driver, options and labels
// that it had at the backup; one that is there keeps its own. The engine deletes nothing from a volume: `find` and `rm` run in `helper_image`,
// without network; without one the volume is removed and created again with its own labels, which is possible while no container has it, running or
// not, its driver is "local" and it has no driver options; otherwise it is UNSUPPORTED.
//
// No container that has the volume may run. From the first change on an error comes with the document, and the volume may hold a part of the backup
// only: `container_recover` with NULL finishes the restore, also of a process that was killed, where the handle has a `state_dir`; otherwise restore
// it again. A cancel before leaves the volume as it was.
//
// Progress: "verifying" and "extracting" with `current` and `total` bytes of the file.
//
// Options: `overwrite` false (a volume that is not empty is CONFLICT), `helper_image` (the handle's): a local image with sh, rm and find; `actor`.
// Codes: NOT_FOUND (no such file), DATA (it is damaged, cut, or no backup), CONFLICT (a running container has the volume: the message names it; it
// is not empty), BUSY (it is being restored), UNSUPPORTED (it cannot be emptied; it is in memory; Podman), IMAGE_MISSING (`helper_image` is not
// local), INVALID_ARGUMENT (also an entry that leads out of the volume), IO, UNREACHABLE, ENGINE (the engine's disk is full, too), CANCELLED,
// STOPPED, TIMEOUT.
refit_code volume_restore(const struct refit *r,
                          const char *volume,
                          const char *file_path,
                          const char *options_json,
                          refit_progress_fn on_progress,
                          void *user_data,
                          const struct refit_cancel *cancel,
                          char **out_json,
                          struct refit_error **err);

/* 7. Services */

// The services of the swarm that this engine manages: `services [ {id, name, image, replicas_running, replicas_wanted, update_state?} ]`, in
// the order of their names. `image` is the spec's, mostly `NAME:TAG@DIGEST`. `replicas_wanted` is what `docker service ls` shows: the replicas, of a global
// service a task a node that fits, of a job the tasks that it runs at the same time and that have not completed. `update_state` is the engine's word:
// "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"; null: never updated.
//
// Codes: UNSUPPORTED (the engine manages no swarm: the message says what to do), UNREACHABLE, ENGINE, CANCELLED, TIMEOUT.
refit_code service_list(const struct refit *r,
                        const char *options_json,
                        const struct refit_cancel *cancel,
                        char **out_json,
                        struct refit_error **err);

// Is there a newer image than a service runs? The document of `img_check_update`, and `service` (its name). The digest to which the spec is pinned is
// compared with what its tag names now, for the platforms of the nodes on which its tasks are to run; where these differ, the verdict that
// matters most counts, and the note "platforms" has all. `image` is `NAME:TAG`; `local` is what the service runs, read from the registry where it is not the
// same. Of a spec without a digest the service's containers on this engine are compared, which the note "not_pinned" says; where there are none,
// `has_update` is null.
//
// Options: those of `img_check_update`; `platform` instead of those of the nodes. Codes: those of `img_check_update`; NOT_FOUND (no such service, or
// the registry has no such image), UNSUPPORTED (the engine manages no swarm; the service runs no containers).
refit_code service_check_update(const struct refit *r,
                                const char *service,
                                const char *options_json,
                                const struct refit_cancel *cancel,
                                char **out_json,
                                struct refit_error **err);

// Updates a service by the engine's own rolling update: its spec gets `NAME:TAG@DIGEST` with the digest that the tag names now, everything else in it stays,
// and the nodes get the credential for the registry. It returns when every task runs. The document: `service, result, from {image}, to {image},
// update_state?, replicas_running?, replicas_wanted?, logs_tail?, warnings [ {code, container?, message} ], elapsed_ms, error?`. `result` is
// "updated", "unchanged" (it is at that digest: nothing was sent), "rolled_back", "rollback_failed", "updating" or "rolling_back" (the call has ended,
// and the engine goes on), "changed_meanwhile" (somebody else has updated or removed the service since), "failed" (the service is as before). In
// progress `current` of `total` tasks run.
//
// A task that fails makes the engine stop (the failure action `pause`, which is the default) or go back (`rollback`); where it stops, its rollback is
// asked for. Either is waited for: the code is ROLLED_BACK, the causes of the error are the engine's words about the task and the last lines of its log,
// which are `logs_tail` too. With `continue` the engine goes on: the call waits until every task runs. Parallelism, delay and monitor are the service's.
//
// Options: `expect_digest` (`remote.digest` of the check), `force` false (replaces the tasks of a service that is at that digest), `wait_s` 300, 1 to 86400
// (then the engine goes on by itself), `actor`. Codes: OK; ROLLED_BACK; ROLLBACK_FAILED; TIMEOUT (`wait_s` or `timeout_s` has passed), CANCELLED, STOPPED (the
// engine goes on once it has the update, and the report says how far it was); CONFLICT (the registry has another digest than `expect_digest`; somebody else
// has changed the image); BUSY (this process updates the service, or the engine is rolling it back); NOT_FOUND (no such service; the registry has no such tag,
// or not for the platform of a node); UNSUPPORTED (the engine manages no swarm; a job); those of `service_check_update`.
refit_code service_update(const struct refit *r,
                          const char *service,
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
