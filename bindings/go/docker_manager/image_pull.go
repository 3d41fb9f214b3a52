package docker_manager

import (
	"context"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

// imageState is what this process does to an image, and how the last time ended.
type imageState struct {
	working  int // how many pulls and updates are between their entry and their return
	layer    string
	failure  error // of the last one, until the next begins
	failures int
	current  string // the image's id after the last pull or update of this process
	update   *update
}

// update is one that others may join.
type update struct {
	done   chan struct{}
	report *refit.UpdateReport
	err    error
}

// imageKey is one for all ways to write a reference.
func imageKey(image string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "index.docker.io/")
	name = strings.TrimPrefix(name, "library/")
	if last := name[strings.LastIndex(name, "/")+1:]; !strings.ContainsAny(last, ":@") {
		name += ":latest"
	}
	return name
}

// of is called with dm.mu locked.
func (dm *DockerManager) of(image string) *imageState {
	key := imageKey(image)
	if dm.images[key] == nil {
		dm.images[key] = &imageState{}
	}
	return dm.images[key]
}

func (dm *DockerManager) isPulling(image string) bool {
	dm.mu.Lock()
	defer dm.mu.Unlock()
	return dm.of(image).working > 0
}

func (dm *DockerManager) failures(image string) (int, error) {
	dm.mu.Lock()
	defer dm.mu.Unlock()
	state := dm.of(image)
	return state.failures, state.failure
}

func (dm *DockerManager) begin(image string) {
	dm.mu.Lock()
	defer dm.mu.Unlock()
	state := dm.of(image)
	state.working++
	state.failure, state.layer = nil, ""
}

// end is told the image's id when something was pulled, else "".
func (dm *DockerManager) end(image, id string, err error) {
	dm.mu.Lock()
	defer dm.mu.Unlock()
	state := dm.of(image)
	state.working--
	if id != "" {
		state.current = id
	}
	if err != nil {
		state.failure = err
		state.failures++
	}
}

// follow remembers the layer that moved last.
func (dm *DockerManager) follow(image string) func(refit.Progress) error {
	return func(p refit.Progress) error {
		if p.Layer != "" {
			dm.mu.Lock()
			defer dm.mu.Unlock()
			dm.of(image).layer = p.Layer
		}
		return nil
	}
}

// PullImage pulls the image and returns when that is done or has failed, also where the engine says so inside its answer. Pulls of one image share
// one download.
func (dm *DockerManager) PullImage(imageName string) error {
	dm.begin(imageName)
	result, err := answer(dm, pullLimit, func(ctx context.Context) (*refit.PullResult, error) {
		return dm.client.Pull(ctx, imageName, refit.PullOptions{OnProgress: dm.follow(imageName)})
	})
	id := ""
	if err == nil {
		id = result.After.ID
	}
	dm.end(imageName, id, err)
	return err
}

// PullImageWithProgress is PullImage: GetImageStatus shows the progress of either.
func (dm *DockerManager) PullImageWithProgress(imageName string) error {
	return dm.PullImage(imageName)
}

// UpdateImage checks and pulls the image, then recreates every container that was created from it and is outdated, with its own configuration;
// those that ran run again. What fails is rolled back, refit.ErrRolledBack, and the report comes with every error. A second call for the same image
// joins the first and gets its report. What an interrupted update has left of those containers is repaired first.
func (dm *DockerManager) UpdateImage(imageName string) (*refit.UpdateReport, error) {
	dm.mu.Lock()
	state := dm.of(imageName)
	if first := state.update; first != nil {
		dm.mu.Unlock()
		<-first.done
		return first.report, first.err
	}
	mine := &update{done: make(chan struct{})}
	state.update = mine
	dm.mu.Unlock()

	dm.begin(imageName)
	mine.report, mine.err = answer(dm, totalLimit, func(ctx context.Context) (*refit.UpdateReport, error) {
		return dm.client.Update(ctx, imageName, refit.UpdateOptions{StopTimeout: stopGrace, RecoverFirst: true, OnProgress: dm.follow(imageName)})
	})
	id := ""
	if report := mine.report; report != nil && report.Pull != nil && report.Tag != "restored" {
		id = report.Pull.After.ID
	}
	dm.end(imageName, id, mine.err)
	dm.mu.Lock()
	state.update = nil
	dm.mu.Unlock()
	close(mine.done)
	return mine.report, mine.err
}

// GetImageStatus is never nil: where the engine does not answer, Error says so.
func (dm *DockerManager) GetImageStatus(imageName string) *ImageStatus {
	status := &ImageStatus{Layers: map[string]*LayerStatus{}}
	found, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ImageStatus, error) { return dm.client.ImageStatus(ctx, imageName) })
	dm.mu.Lock()
	state := *dm.of(imageName)
	dm.mu.Unlock()
	status.Pulling = state.working > 0
	if state.failure != nil {
		status.Error = state.failure.Error()
	}
	if err != nil {
		status.Error = err.Error()
		return status
	}
	status.Exists, status.Ready = found.Exists, found.Ready
	if found.Operation != nil {
		status.CurrentLayer = state.layer
		for _, layer := range found.Operation.Layers {
			status.Layers[layer.ID] = layerStatus(layer)
		}
	}
	status.HasUpdate = dm.hasUpdate(imageName, found, state.current)
	return status
}

func layerStatus(layer refit.LayerStatus) *LayerStatus {
	status := &LayerStatus{ID: layer.ID, Progress: layer.Current, Status: layer.Status}
	if layer.Total != nil {
		status.Size = *layer.Total
	}
	return status
}

// hasUpdate is the last check's verdict. The library forgets it once the image was pulled; what this process has pulled is current.
func (dm *DockerManager) hasUpdate(image string, status *refit.ImageStatus, pulled string) *bool {
	if !status.Exists {
		return nil
	}
	if status.LastCheck != nil {
		return status.LastCheck.HasUpdate
	}
	if pulled == "" {
		return nil
	}
	info, err := answer(dm, callLimit, func(ctx context.Context) (*refit.ImageInfo, error) { return dm.client.ImageInfo(ctx, image) })
	if err != nil || info.ID != pulled {
		return nil
	}
	return new(bool)
}
