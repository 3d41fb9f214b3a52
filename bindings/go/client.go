// Package refit manages Docker images, and the containers made from them, by hand: it checks a registry for updates, pulls, and recreates
// the containers of an image with their configuration, networks and volumes, or rolls everything back.
//
// Nothing is done that was not asked for. Nothing is lost: a container that cannot be replaced is as before. An error is never
// "no update".
//
// # Where to begin
//
// [Open] gives a [Client], and the example of the package is the main job. In the order in which a service needs them:
//
//   - is there a newer image: [Client.CheckUpdate], [Client.CheckUpdates]
//   - what would an update do, and do it: [Client.PlanUpdate], [Client.Update], [Client.UpdateAll], [Client.Rollback], [Client.RemoveOld]
//   - one container from the image that is there: [Client.Recreate]; what a killed process has left: [Client.Recover]
//   - images: [Client.Pull], [Client.ImageStatus], [Client.ImageMissing]
//   - containers: [Client.ContainerCreate], [Client.ContainerStart], [Client.FollowLogs], [Client.ContainerExec], [Client.ContainerStats]
//   - files, backups and volumes: [Client.VolumeReadFile], [Client.VolumeExport], [Client.VolumeBackup]
//   - services of a swarm: [Client.ServiceList], [Client.ServiceCheckUpdate], [Client.ServiceUpdate]
//   - what was done: [Client.HistoryList]; what is being done: [Progress], [SetLogger]
//
// # Calls
//
// Every method takes a [context.Context]; one that is cancelled or expires ends the call within 100 ms, or, while a container is being
// replaced, once that is finished or rolled back. The zero value of an options struct is the default of every option. Errors are [Error], and
// [errors.Is] finds their kind: [ErrNotFound] and the others. Where a report exists beside an error, both are returned. A [Client] serves any
// number of goroutines.
//
// # Building
//
// It is refit's C library, linked in: `make go` in refit's checkout builds it and puts it where this package looks. With the build tag
// musl it is the one of `make go MUSL=1`, for Alpine; with refit_dynamic the shared library is found through pkg-config.
package refit

/*
#include <stdlib.h>
#include "call.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"
	"unsafe"
)

// grace is how long Close lets calls go on before it cancels them; refit_close does the same.
const grace = 2 * time.Second

// Options of [Open]. The zero value is the engine that the docker command would use.
type Options struct {
	// Host is the engine: unix:///path, tcp://host:port, https://host:port, ssh://user@host:port. Default: DOCKER_HOST, else DOCKER_CONTEXT,
	// else the current context of docker's config.json, else the platform's socket. For ssh:// an ssh that needs no answers is found on PATH.
	Host string
	// Connect is "now" (the default: Open asks the engine) or "lazy" (the first call does, and Open succeeds without an engine).
	Connect string
	// StateDir is a folder for the last checks and the snapshot of a recreation in progress. Default: memory.
	StateDir string
	// DockerConfig is docker's configuration folder, with its contexts and credentials. Default: DOCKER_CONFIG, else ~/.docker.
	DockerConfig string
	// TLSDir is a folder with ca.pem, cert.pem and key.pem. Default: DOCKER_CERT_PATH, or the context's own.
	TLSDir string
	// Timeout of each request to the engine, and the silence of a stream (a pull) after which the engine is pinged: as long as it answers, the
	// stream is waited for. 1 s to 1 h. Default: 30 s.
	Timeout time.Duration
	// LongTimeout of a create and of a start, which may copy gigabytes into a volume or publish thousands of ports, 1 s to 1 h.
	// Default: 300 s.
	LongTimeout time.Duration
	// EngineWait is how long a rollback goes on while the engine is away or refuses a step, up to 1 h; negative: not at all. Default: 120 s.
	EngineWait time.Duration
	// Registries by host, where docker's config.json is not enough.
	Registries map[string]Registry
	// CheckVia says who is asked in an update check: "auto" (the default), "registry" or "engine".
	CheckVia string
	// MaxConcurrency is how many containers an update replaces side by side, 1 to 64. One that only has to settle or to become healthy takes
	// no place; with those, at most three times as many are in progress. Default: 4.
	MaxConcurrency int
	// WorkerThreads of the library, 1 to 64, which all clients of the process share: those of the first one count. Default: 2.
	WorkerThreads int
	// HelperImage is a local image with sh, rm, find, stat and readlink, for [Client.VolumeRemoveFile], [Client.VolumeRestore] and
	// [Client.VolumeListFiles].
	HelperImage string
	// HistoryMaxEntries is how many records the history keeps. Default: 10000.
	HistoryMaxEntries int
	// HistoryMaxAgeDays is for how many days it keeps a record. Default: 365.
	HistoryMaxAgeDays int
}

// Registry is how one registry is reached.
type Registry struct {
	Username, Password string
	// Token is an identity token in the place of user name and password.
	Token string
	// CAFile is a PEM file with the registry's certificate authority, beside the system's.
	CAFile string
	// Insecure takes any certificate, and plain HTTP where there is no TLS.
	Insecure bool
	// Mirror is another address that is asked first.
	Mirror string
}

func (o Options) json() options {
	registries := options{}
	for host, r := range o.Registries {
		registries[host] = options{}.text("username", r.Username).text("password", r.Password).text("token", r.Token).
			text("ca_file", r.CAFile).flag("insecure", r.Insecure).text("mirror", r.Mirror)
	}
	return options{}.text("host", o.Host).text("state_dir", o.StateDir).text("docker_config", o.DockerConfig).text("tls_dir", o.TLSDir).
		seconds("timeout_s", o.Timeout).seconds("long_timeout_s", o.LongTimeout).seconds("engine_wait_s", o.EngineWait).nested("registries", registries).text("check_via", o.CheckVia).
		number("max_concurrency", o.MaxConcurrency).number("worker_threads", o.WorkerThreads).text("helper_image", o.HelperImage).
		number("history_max_entries", o.HistoryMaxEntries).number("history_max_age_days", o.HistoryMaxAgeDays)
}

// Client is one engine, its registries, and what is remembered between calls. It is closed with [Client.Close].
type Client struct {
	handle *C.refit

	mu        sync.Mutex
	closed    bool
	abandoned bool
	calls     map[*running]struct{}
	ended     chan struct{} // closed after the handle
}

// Open changes nothing on the engine. Unless o.Connect is "lazy" it asks the engine which API it speaks, and [ErrUnreachable] says where
// it looked. The environment is read here alone.
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(ctx, &Error{Code: CodeCancelled, Op: "refit_open", Message: "the engine was not asked: " + err.Error()})
	}
	// call.h has compared the header; this is the library, which may be a shared one of another day.
	if found := C.refit_abi_version(); found != C.REFIT_ABI_VERSION {
		return nil, &Error{Code: CodeUnsupported, Op: "refit_open", Message: "the librefit that was found is of another ABI than this package: " + Version()}
	}
	settings := o.json()
	switch o.Connect {
	case "", "now", "lazy":
		// refit_open knows no context: the engine is asked by a call that does.
		settings["connect"] = "lazy"
	default:
		settings["connect"] = o.Connect
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	c := &Client{calls: map[*running]struct{}{}, ended: make(chan struct{})}
	configuration := C.CString(string(text))
	defer C.free(unsafe.Pointer(configuration))
	var failure *C.refit_error
	if C.refit_open(configuration, &c.handle, &failure) != C.REFIT_OK {
		return nil, taken(failure)
	}
	if o.Connect == "lazy" {
		return c, nil
	}
	if _, err := c.EngineInfo(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Version of the library: "0.1.0".
func Version() string { return C.GoString(C.refit_version()) }

// Close refuses new calls, lets those that run go on for two seconds, then cancels them and waits until they have returned: for a
// recreation, until it is finished or rolled back. From within a callback it cancels the client's calls and returns at once. A callback that
// runs for two seconds more may wait for the goroutine that closes: Close returns then, and the call ends when its callback has. It may be called
// any number of times, and always returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	idle := !c.closed && len(c.calls) == 0
	c.closed = true
	inside := c.inside(uintptr(C.refit_go_thread()))
	c.mu.Unlock()
	if idle {
		c.end()
	}
	if inside {
		c.cancelCalls()
		return nil
	}
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-c.ended:
	case <-patience.C:
		c.cancelCalls()
		c.wait()
	}
	return nil
}

// wait returns when all calls have, or when none is left but those whose callback has not returned for a while.
func (c *Client) wait() {
	var stuck map[*running]uint64
	var since time.Time
	for look := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-c.ended:
			look.Stop()
			return
		case <-look.C:
		}
		now := c.inCallbacks()
		if now == nil || !maps.Equal(now, stuck) {
			stuck, since = now, time.Now()
		} else if time.Since(since) > grace {
			look.Stop()
			return
		}
	}
}

// inCallbacks are the calls with the number of their callback, when all of them are in one; else nil.
func (c *Client) inCallbacks() map[*running]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[*running]uint64, len(c.calls))
	for call := range c.calls {
		if call.thread.Load() == 0 {
			return nil
		}
		all[call] = call.callbacks.Load()
	}
	return all
}

// inside reports whether this thread is in the OnProgress function of one of the calls.
func (c *Client) inside(thread uintptr) bool {
	for call := range c.calls {
		if call.thread.Load() == thread {
			return true
		}
	}
	return false
}

func (c *Client) cancelCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for call := range c.calls {
		C.refit_cancel_fire(call.token)
	}
}

// enter begins a call. refit_close frees the handle at once, so that it must not be called while a call is on its way into the library:
// the last call that leaves a closed client does it.
func (c *Client) enter(call *running) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.calls[call] = struct{}{}
	}
	return !c.closed
}

// leave ends a call.
func (c *Client) leave(call *running) {
	c.mu.Lock()
	delete(c.calls, call)
	c.abandoned = c.abandoned || call.abandoned
	last := c.closed && len(c.calls) == 0
	c.mu.Unlock()
	if last {
		c.end()
	}
}

func (c *Client) end() {
	// A call that was left by runtime.Goexit never returns to the library, which would wait for it.
	if !c.abandoned {
		C.refit_close(c.handle)
	}
	close(c.ended)
}
