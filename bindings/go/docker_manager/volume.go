package docker_manager

import (
	"context"
	"errors"

	refit "github.com/refit-rs/refit/bindings/go"
)

// CreateVolume creates both volumes of a server, takes those that exist, and gives the name of the data volume. When the second fails, the first is
// removed if it was created here.
func (dm *DockerManager) CreateVolume(serverID uint) (string, error) {
	undo := NewRollbackManager()
	if err := dm.createVolumes(serverID, undo); err != nil {
		return "", err
	}
	return dm.dataVolume(serverID), nil
}

// createVolumes undoes its own steps when it fails, and leaves them to undo when it does not.
func (dm *DockerManager) createVolumes(serverID uint, undo *RollbackManager) error {
	for _, volume := range []string{dm.dataVolume(serverID), dm.pluginsVolume(serverID)} {
		created, err := dm.createVolume(volume)
		if err != nil {
			return several(err, undo.Rollback())
		}
		if created {
			undo.AddAction("volume", volume, "the removal", func() error { return dm.RemoveSingleVolume(volume) })
		}
	}
	return nil
}

// createVolume tells whether it was created here; one that exists is taken as it is.
func (dm *DockerManager) createVolume(volume string) (created bool, err error) {
	exists, err := dm.VolumeExists(volume)
	if exists || err != nil {
		return false, err
	}
	change, err := answer(dm, callLimit, func(ctx context.Context) (*refit.VolumeChange, error) {
		return dm.client.VolumeCreate(ctx, volume, refit.VolumeCreateOptions{})
	})
	if errors.Is(err, refit.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return change.Changed, nil
}

// RemoveVolume removes both volumes of a server with all that is in them; those that are missing are no error. refit.ErrConflict while containers
// have one.
func (dm *DockerManager) RemoveVolume(serverID uint) error {
	return several(dm.RemoveSingleVolume(dm.dataVolume(serverID)), dm.RemoveSingleVolume(dm.pluginsVolume(serverID)))
}

// VolumeExists reports whether there is a volume of that name.
func (dm *DockerManager) VolumeExists(volumeName string) (bool, error) {
	return answer(dm, callLimit, func(ctx context.Context) (bool, error) { return dm.client.VolumeExists(ctx, volumeName) })
}

// CreateSingleVolume creates a volume; one that exists is no error.
func (dm *DockerManager) CreateSingleVolume(volumeName string) error {
	_, err := dm.createVolume(volumeName)
	return err
}

// RemoveSingleVolume removes a volume with all that is in it; a missing one is no error.
func (dm *DockerManager) RemoveSingleVolume(volumeName string) error {
	err := dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.VolumeRemove(ctx, volumeName, refit.VolumeRemoveOptions{})
		return err
	})
	if isMissing(err) {
		return nil
	}
	return err
}
