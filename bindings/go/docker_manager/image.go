package docker_manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// ImageExists reports whether the image is local.
func (dm *DockerManager) ImageExists(imageName string) (bool, error) {
	return answer(dm, callLimit, func(ctx context.Context) (bool, error) { return dm.client.ImageExists(ctx, imageName) })
}

// WaitForImage waits until the image is local, for as many seconds; false: it is not by then. Nothing is pulled. A pull of this process that fails
// meanwhile ends the wait with its error.
func (dm *DockerManager) WaitForImage(imageName string, timeout int) (bool, error) {
	end := time.Now().Add(time.Duration(timeout) * time.Second)
	failures, _ := dm.failures(imageName)
	for {
		exists, err := dm.ImageExists(imageName)
		if exists || err != nil {
			return exists, err
		}
		if now, last := dm.failures(imageName); now != failures && !dm.isPulling(imageName) {
			return false, last
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		time.Sleep(min(left, 200*time.Millisecond))
	}
}

// GetImageInfo describes a local image; refit.ErrNotFound when it is not local.
func (dm *DockerManager) GetImageInfo(imageName string) (*ImageInfo, error) {
	info, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ImageInfo, error) { return dm.client.ImageInfo(ctx, imageName) })
	if err != nil {
		return nil, err
	}
	return &ImageInfo{ID: info.ID, Tags: info.Tags, Size: info.Size, Created: when(info.Created), Digests: info.Digests, Version: info.Version,
		Architecture: info.Architecture, OS: info.OS, LastChecked: info.LastChecked}, nil
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// GetImageHistory is how a local image was built, newest step first.
func (dm *DockerManager) GetImageHistory(imageName string) ([]ImageHistoryEntry, error) {
	layers, err := answer(dm, callLimit, func(ctx context.Context) ([]refit.ImageLayer, error) { return dm.client.ImageHistory(ctx, imageName) })
	if err != nil {
		return nil, err
	}
	entries := make([]ImageHistoryEntry, 0, len(layers))
	for _, layer := range layers {
		entry := ImageHistoryEntry{ID: "<missing>", CreatedBy: layer.CreatedBy, Size: layer.Size, Comment: layer.Comment}
		if layer.ID != nil {
			entry.ID = *layer.ID
		}
		if layer.Created != nil {
			entry.Created = layer.Created.Unix()
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// CheckImageUpdate reports whether there is something to pull: the registry has another image, or the image is not local. False without an error
// means that the registry said so; everything that is not known is an error.
func (dm *DockerManager) CheckImageUpdate(imageName string) (bool, error) {
	checks, err := dm.CheckImageUpdates([]string{imageName})
	return checks[imageName], err
}

// CheckImageUpdates checks many images at once. One that could not be checked is not in the map, and its sentence is in the error.
func (dm *DockerManager) CheckImageUpdates(images []string) (map[string]bool, error) {
	updates := map[string]bool{}
	if len(images) == 0 {
		return updates, nil
	}
	checks, err := answer(dm, callLimit, func(ctx context.Context) ([]refit.Check, error) {
		return dm.client.CheckUpdates(ctx, images, refit.CheckOptions{})
	})
	errs := []error{err}
	for _, check := range checks {
		switch {
		case check.HasUpdate != nil:
			updates[check.Image] = *check.HasUpdate
		case dm.isLocal(check):
			// Where the whole call was cut short, its own error says so once.
			if err == nil || check.State != "cancelled" {
				errs = append(errs, unknown(check))
			}
		default:
			updates[check.Image] = true
		}
	}
	return updates, several(errs...)
}

// isLocal is true in doubt: then the check's own error is said.
func (dm *DockerManager) isLocal(check refit.Check) bool {
	if check.Local != nil || check.State == "invalid_reference" || check.State == "engine_error" || check.State == "cancelled" {
		return true
	}
	exists, err := dm.ImageExists(check.Image)
	return exists || err != nil
}

// unknown is why a check has no verdict.
func unknown(check refit.Check) error {
	if check.Error != nil {
		return check.Error
	}
	why := map[string]string{
		"platform_gone":   "the registry has no image of this tag for this platform any more",
		"tag_gone":        "the registry has this tag no more",
		"local_only":      "it was built here, and the registry does not have it",
		"not_in_registry": "the registry does not have it",
		"pinned":          "it is pinned by its digest, and its tag names another image now",
	}[check.State]
	if why == "" {
		why = check.State
	}
	return &refit.Error{Code: refit.CodeNotFound, Op: "img_check_update", Image: check.Image,
		Message: fmt.Sprintf("whether there is an update of %s is not known: %s", check.Image, why)}
}

// ValidateRequiredImages gives those images of the profile that are not local, in its order; nil when all are. Nothing is pulled.
func (dm *DockerManager) ValidateRequiredImages() ([]string, error) {
	found, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ImageMissing, error) {
		return dm.client.ImageMissing(ctx, dm.profile.RequiredImages)
	})
	if err != nil || len(found.Missing) == 0 {
		return nil, err
	}
	return found.Missing, nil
}

// EnsureRequiredImages is refit.ErrImageMissing with the names of those that are not local. Nothing is pulled.
func (dm *DockerManager) EnsureRequiredImages() error {
	missing, err := dm.ValidateRequiredImages()
	if err != nil || missing == nil {
		return err
	}
	return &refit.Error{Code: refit.CodeImageMissing, Op: "img_missing", Missing: missing,
		Message: "these images have to be pulled first: " + strings.Join(missing, ", ")}
}

// RemoveOldImage removes the images of this repository that have lost their tag and that no container uses; with keepLatest false the current one
// too. Never by force: refit.ErrConflict when the current one was to go and stays, with the containers that use it.
func (dm *DockerManager) RemoveOldImage(imageName string, keepLatest bool) error {
	result, err := answer(dm, pullLimit, func(ctx context.Context) (*refit.RemoveOldResult, error) {
		return dm.client.RemoveOld(ctx, imageName, refit.RemoveOldOptions{KeepLatest: &keepLatest})
	})
	if err != nil || keepLatest {
		return err
	}
	var stays []string
	for _, kept := range result.Kept {
		stays = append(stays, kept.Why)
	}
	if stays == nil {
		return nil
	}
	return &refit.Error{Code: refit.CodeConflict, Op: "img_remove_old", Image: imageName,
		Message: fmt.Sprintf("%s was not removed whole: %s", imageName, strings.Join(stays, "; "))}
}

// GetContainersByImage lists the containers, running or not, that were created from this reference, also when the tag has moved since, and those
// whose image it names now.
func (dm *DockerManager) GetContainersByImage(imageName string) ([]ContainerInfo, error) {
	containers, err := answer(dm, callLimit, func(ctx context.Context) ([]refit.Container, error) { return dm.client.Containers(ctx, imageName) })
	if err != nil {
		return nil, err
	}
	list := make([]ContainerInfo, 0, len(containers))
	for _, c := range containers {
		list = append(list, ContainerInfo{ID: c.ID, Name: c.Name, Image: c.Image, Status: c.Status, State: c.State})
	}
	return list, nil
}

// asError is the refit.Error in err, or nil.
func asError(err error) *refit.Error {
	var e *refit.Error
	errors.As(err, &e)
	return e
}
