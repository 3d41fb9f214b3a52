package docker_manager

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// CreateContainer creates the server's container and does not start it. One of its name that exists is stopped, with 30 s to end, and replaced only
// after the engine has accepted the new one: a missing image, a failing Spec or a body that the engine refuses keeps it. Volumes stay.
func (dm *DockerManager) CreateContainer(serverID uint, serverName string, port, queryPort, rconPort int, adminPassword, mapName, gameModIds string, autoRestart bool) (string, error) {
	name := dm.containerName(serverID)
	defer dm.lock(name)()
	request := CreateRequest{ServerID: serverID, ServerName: serverName, Port: port, QueryPort: queryPort, RconPort: rconPort,
		AdminPassword: adminPassword, MapName: mapName, GameModIds: gameModIds, AutoRestart: autoRestart,
		ContainerName: name, DataVolume: dm.dataVolume(serverID), DataMount: dm.profile.DataMount,
		PluginsVolume: dm.pluginsVolume(serverID), PluginsMount: dm.profile.PluginsMount}
	if len(dm.profile.RequiredImages) > 0 {
		request.Image = dm.profile.RequiredImages[0]
	}
	spec, err := dm.profile.Spec(request)
	if err != nil {
		return "", err
	}
	old, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ContainerStatus, error) { return dm.client.ContainerStatus(ctx, name) })
	if isMissing(err) {
		return dm.create(name, spec)
	}
	if err != nil {
		return "", err
	}
	if err := dm.tryCreate(name, spec); err != nil {
		return "", err
	}
	if err := dm.removeForNew(old, name); err != nil {
		return "", err
	}
	return dm.createAgain(name, spec)
}

// CreateContainerWithRollback creates the server's volumes and its container; when that fails, the volumes that it has created are removed.
func (dm *DockerManager) CreateContainerWithRollback(serverID uint, serverName string, port, queryPort, rconPort int, adminPassword, mapName, gameModIds string, autoRestart bool) (containerID string, err error) {
	undo := NewRollbackManager()
	if err := dm.createVolumes(serverID, undo); err != nil {
		return "", err
	}
	containerID, err = dm.CreateContainer(serverID, serverName, port, queryPort, rconPort, adminPassword, mapName, gameModIds, autoRestart)
	if err != nil {
		return "", several(err, undo.Rollback())
	}
	return containerID, nil
}

func (dm *DockerManager) create(name string, spec refit.Spec) (string, error) {
	created, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ContainerCreated, error) {
		return dm.client.ContainerCreate(ctx, name, spec, refit.ContainerCreateOptions{})
	})
	if err != nil {
		return "", err
	}
	return created.ID, nil
}

// tryCreate lets the engine judge the body under another name.
func (dm *DockerManager) tryCreate(name string, spec refit.Spec) error {
	trial := name + "-trial-" + randomHex()
	_, err := dm.create(trial, spec)
	removed := dm.bounded(callLimit, func(ctx context.Context) error {
		// Also after an error: the engine may have created it and its answer was lost.
		_, err := dm.client.ContainerRemove(ctx, trial, refit.ContainerRemoveOptions{RemoveVolumes: true})
		return err
	})
	if err != nil {
		if e := asError(err); e != nil && e.Container == trial {
			e.Container = name
		}
		return err
	}
	if isMissing(removed) {
		return nil
	}
	return removed
}

// removeForNew leaves the old container as it was when it cannot be removed.
func (dm *DockerManager) removeForNew(old *refit.ContainerStatus, name string) error {
	if err := dm.StopContainer(old.ID); err != nil && !isMissing(err) {
		return err
	}
	err := dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.ContainerRemove(ctx, old.ID, refit.ContainerRemoveOptions{})
		return err
	})
	if err == nil || isMissing(err) {
		return nil
	}
	if old.State == "running" || old.State == "restarting" {
		return several(err, dm.StartContainer(old.ID))
	}
	return err
}

// createAgain creates what the engine has accepted a moment ago. The old container is gone, so that a passing failure is not given in to at once.
func (dm *DockerManager) createAgain(name string, spec refit.Spec) (string, error) {
	for attempt := 0; ; attempt++ {
		id, err := dm.create(name, spec)
		if err == nil {
			return id, nil
		}
		passing := errors.Is(err, refit.ErrUnreachable) || errors.Is(err, refit.ErrEngine) || errors.Is(err, refit.ErrTimeout)
		if !passing || attempt == 30 {
			return "", fmt.Errorf("the old container %s was removed, its volumes are kept, and the new one could not be created, call CreateContainer again: %w", name, err)
		}
		time.Sleep(time.Second)
	}
}

// lock keeps others from creating the same container, and gives what ends that.
func (dm *DockerManager) lock(name string) (unlock func()) {
	dm.mu.Lock()
	if dm.names[name] == nil {
		dm.names[name] = &sync.Mutex{}
	}
	lock := dm.names[name]
	dm.mu.Unlock()
	lock.Lock()
	return lock.Unlock
}

func randomHex() string {
	random := make([]byte, 8)
	// It never fails on Linux.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}
