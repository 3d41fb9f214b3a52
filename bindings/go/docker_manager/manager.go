// Package docker_manager has the calls of the package of that name which refit replaces, with the same names, parameters, results and JSON, over
// [refit.Client]. A service changes its import path, calls [Configure] when it starts, and builds with cgo; README.md beside this file is the guide.
//
// Nothing is pulled, removed or recreated unless that call was made. An error is one readable sentence, and [errors.Is] finds refit's sentinels in
// it: refit.ErrNotFound, refit.ErrImageMissing, refit.ErrTimeout and the others.
//
// Every call has a time limit: two minutes, ten seconds for statistics, two hours for pulls, updates and recreations. Backups, restores, open file
// streams and commands in volumes end after two minutes in which nothing came, and after two hours in all.
package docker_manager

import (
	"context"
	"errors"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// DockerManager has all calls. [GetDockerManager] gives the one of this process.
type DockerManager struct {
	client  *refit.Client
	profile Profile

	mu     sync.Mutex
	images map[string]*imageState
	names  map[string]*sync.Mutex // one creation of a container at a time

	quiet time.Duration // the silence that ends a stream
}

// process is the manager that GetDockerManager gives.
var process struct {
	sync.Mutex
	profile Profile
	manager *DockerManager
	closed  bool
}

// Configure sets the names, contents and hooks of the service. It is called before [GetDockerManager], or again after [CloseDockerManager], which
// it undoes. While a manager is open it changes nothing and returns [refit.ErrConflict].
func Configure(profile Profile) error {
	process.Lock()
	defer process.Unlock()
	if process.manager != nil {
		return &refit.Error{Code: refit.CodeConflict, Op: "configure", Message: "docker_manager is in use with another profile: call Configure before GetDockerManager"}
	}
	if err := profile.check(); err != nil {
		return err
	}
	process.profile, process.closed = profile, false
	return nil
}

// GetDockerManager gives the manager of this process. It never contacts the engine, so that it succeeds while the engine is down. After
// [CloseDockerManager] it is nil and [refit.ErrClosed].
func GetDockerManager() (*DockerManager, error) {
	process.Lock()
	defer process.Unlock()
	if process.closed {
		return nil, refit.ErrClosed
	}
	if process.manager == nil {
		manager, err := newManager(process.profile)
		if err != nil {
			return nil, err
		}
		process.manager = manager
	}
	return process.manager, nil
}

// CloseDockerManager ends the manager. Calls that run have two seconds to end, are then cancelled, and a recreation is finished or rolled back
// first. It may be called any number of times and by several goroutines; each returns when all calls have.
func CloseDockerManager() error {
	process.Lock()
	manager := process.manager
	process.closed = true
	process.Unlock()
	if manager == nil {
		return nil
	}
	err := manager.client.Close()
	process.Lock()
	defer process.Unlock()
	// Configure may have begun anew meanwhile.
	if process.manager == manager {
		process.manager = nil
	}
	return err
}

// CheckDockerStatus asks the engine whether it is there.
func CheckDockerStatus() error {
	dm, err := GetDockerManager()
	if err != nil {
		return err
	}
	return dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.EngineInfo(ctx)
		return err
	})
}

// IsImagePulling reports whether this process pulls or updates the image now.
func IsImagePulling(imageName string) bool {
	process.Lock()
	dm := process.manager
	process.Unlock()
	return dm != nil && dm.isPulling(imageName)
}

// Client is the client beneath, for what this package does not have: plans, progress, rollbacks, the history, and [refit.Client.Recover] after a
// process was killed while it recreated a container.
func (dm *DockerManager) Client() *refit.Client { return dm.client }

func newManager(profile Profile) (*DockerManager, error) {
	profile = profile.withDefaults()
	if err := profile.check(); err != nil {
		return nil, err
	}
	profile.Options.Connect = "lazy"
	client, err := refit.Open(context.Background(), profile.Options)
	if err != nil {
		return nil, err
	}
	return &DockerManager{client: client, profile: profile, images: map[string]*imageState{}, names: map[string]*sync.Mutex{}, quiet: silence}, nil
}

// isMissing reports whether what was asked about is not there.
func isMissing(err error) bool { return errors.Is(err, refit.ErrNotFound) }
