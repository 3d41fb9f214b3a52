package manager

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// Image is a managed image as the page shows it.
type Image struct {
	ImageName       string                     `json:"image_name"`
	Required        bool                       `json:"required"`
	Exists          bool                       `json:"exists"`
	Pulling         bool                       `json:"pulling"`
	Ready           bool                       `json:"ready"`
	Error           string                     `json:"error"`
	ErrorCode       *string                    `json:"error_code"`
	CurrentLayer    string                     `json:"current_layer"`
	Layers          map[string]operation.Layer `json:"layers"`
	HasUpdate       *bool                      `json:"has_update"`
	Info            *docker_manager.ImageInfo  `json:"info"`
	LastCheck       *Check                     `json:"last_check"`
	OutdatedServers []uint                     `json:"outdated_servers"`
	CanGoBack       bool                       `json:"can_go_back"`
	OperationID     *string                    `json:"operation_id"`
}

// Status is all that the page of images shows.
type Status struct {
	Images          map[string]Image `json:"images"`
	AnyPulling      bool             `json:"any_pulling"`
	AnyNotReady     bool             `json:"any_not_ready"`
	CanCreateServer bool             `json:"can_create_server"`
	CanStartServer  bool             `json:"can_start_server"`
	OverallStatus   string           `json:"overall_status"`
	PullingCount    int              `json:"pulling_count"`
	TotalImages     int              `json:"total_images"`
	Missing         []string         `json:"missing"`
	Engine          Engine           `json:"engine"`
	Backup          BackupOffer      `json:"backup"`
}

// Status reads the engine; no registry is asked. While the engine is away that is what it says.
func (m *Manager) Status(ctx context.Context, viewer operation.Viewer) Status {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	status := Status{Images: map[string]Image{}, TotalImages: len(m.config.Images), Missing: []string{}, Engine: m.Engine(ctx), OverallStatus: "ready"}
	if status.Backup = m.offer(ctx, status.Engine); !viewer.Administrator {
		status.Backup.Folder = nil
	}
	images := make([]Image, len(m.config.Images))
	var all sync.WaitGroup
	for i, name := range m.config.Images {
		all.Add(1)
		go func() {
			defer all.Done()
			images[i] = m.image(ctx, name, status.Engine)
		}()
	}
	all.Wait()
	if status.Engine.OK {
		m.addContainers(ctx, images, viewer)
		m.addHistory(ctx, images)
	}
	failed := !status.Engine.OK
	for _, image := range images {
		status.Images[image.ImageName] = image
		failed = failed || image.Required && !image.Ready && image.Error != ""
		if image.Pulling {
			status.PullingCount++
		}
		status.AnyNotReady = status.AnyNotReady || !image.Ready
		if image.Required && !image.Ready {
			status.Missing = append(status.Missing, image.ImageName)
		}
	}
	status.AnyPulling = status.PullingCount > 0
	ready := status.Engine.OK && len(status.Missing) == 0
	status.CanCreateServer, status.CanStartServer = ready, ready
	switch {
	case status.AnyPulling:
		status.OverallStatus = "pulling"
	case failed:
		status.OverallStatus = "error"
	case !ready:
		status.OverallStatus = "missing"
	}
	if !status.Engine.OK {
		// What is not known is not missing.
		status.Missing = []string{}
	}
	return status
}

func (m *Manager) image(ctx context.Context, name string, engine Engine) Image {
	image := Image{ImageName: name, Required: slices.Contains(m.config.Required, name), Layers: map[string]operation.Layer{}, OutdatedServers: []uint{}}
	if o := m.Operations.ByKey(imageKey(name)); o != nil {
		image.OperationID, image.Pulling = &o.ID, o.State == operation.Running
		for _, layer := range o.Layers {
			image.Layers[layer.ID] = layer
			if layer.Status == refit.LayerDownloading || layer.Status == refit.LayerExtracting {
				image.CurrentLayer = layer.ID
			}
		}
	}
	m.mu.Lock()
	failed, pulled := m.failed[imageKey(name)], m.pulled[imageKey(name)]
	m.mu.Unlock()
	if failed != nil {
		image.Error, image.ErrorCode = failed.Message, &failed.Code
	}
	if !engine.OK {
		image.Error, image.ErrorCode = *engine.Error, engine.Code
		return image
	}
	found, err := m.client.ImageStatus(ctx, name)
	if err == nil {
		image.Exists, image.Ready = found.Exists, found.Ready
		// Somebody else who uses refit's state may pull it.
		image.Pulling = image.Pulling || found.Pulling
		if found.Exists {
			image.Info, err = m.docker.GetImageInfo(name)
		}
	}
	if err != nil {
		if !isMissing(err) {
			failure := m.failure(err)
			image.Error, image.ErrorCode = failure.Message, &failure.Code
		}
		return image
	}
	if found.LastCheck != nil {
		check := m.check(*found.LastCheck)
		image.LastCheck = &check
	}
	if found.Exists {
		switch {
		case found.LastCheck != nil:
			image.HasUpdate = found.LastCheck.HasUpdate
		case image.Info != nil && image.Info.ID == pulled:
			// The library forgets a check once the image was pulled; what this process has pulled is current.
			image.HasUpdate = new(bool)
		}
	}
	return image
}

// addContainers finds the servers that run an older image than their tag names.
func (m *Manager) addContainers(ctx context.Context, images []Image, viewer operation.Viewer) {
	containers, err := m.client.ContainerList(ctx, refit.ContainerListOptions{})
	if err != nil {
		return
	}
	known, err := m.serverNames()
	if err != nil {
		return
	}
	for _, container := range containers {
		server, found := known[container.Name]
		if !found || !container.Outdated || !viewer.Administrator && !viewer.Owns[server.ID] {
			continue
		}
		for i := range images {
			if sameImage(images[i].ImageName, container.Image) {
				images[i].OutdatedServers = append(images[i].OutdatedServers, server.ID)
			}
		}
	}
}

// addHistory finds out whether there is a version to go back to, by the rule of docs/history.md, section 3.
func (m *Manager) addHistory(ctx context.Context, images []Image) {
	entries, err := m.client.HistoryList(ctx, refit.HistoryOptions{Limit: 1000})
	if err != nil {
		return
	}
	for i := range images {
		image := &images[i]
		if image.Info == nil {
			continue
		}
		image.CanGoBack = slices.ContainsFunc(entries, func(e refit.HistoryEntry) bool {
			return e.Image != nil && sameImage(*e.Image, image.ImageName) && e.Result == refit.HistoryDone && e.To != nil && e.To.ID == image.Info.ID &&
				e.From != nil && e.From.ID != e.To.ID
		})
	}
}

// Check is refit's, with the page's code in its error.
type Check struct {
	refit.Check
	OwnError *operation.Error `json:"error"`
}

func (m *Manager) check(check refit.Check) Check {
	return Check{Check: check, OwnError: m.documentError(check.Error)}
}

// CheckUpdates asks the registries. What is not known within the time that a page's request has is not in the map; details say why.
func (m *Manager) CheckUpdates(ctx context.Context, images []string) (updates map[string]bool, details map[string]Check, err error) {
	const enough = 22 * time.Second
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	if engine := m.Engine(ctx); !engine.OK {
		return nil, nil, &Failure{Code: *engine.Code, Message: *engine.Error}
	}
	checks, err := m.client.CheckUpdates(ctx, images, refit.CheckOptions{})
	updates, details = map[string]bool{}, map[string]Check{}
	for _, check := range checks {
		details[check.Image] = m.check(check)
		if check.HasUpdate != nil {
			updates[check.Image] = *check.HasUpdate
		}
	}
	for _, image := range images {
		if _, found := details[image]; !found {
			failure := m.failure(err)
			if failure == nil {
				failure = Fail("TIMEOUT", "It took too long to check %s: try again.", image)
			}
			details[image] = Check{Check: refit.Check{Image: image, State: refit.CheckCancelled, CheckedAt: time.Now().UTC()}, OwnError: operationError(failure)}
		}
	}
	m.Operations.Changed(operation.TopicImages)
	return updates, details, nil
}

// Missing gives those of the images that are not local, in their order.
func (m *Manager) Missing(ctx context.Context, images []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	found, err := m.client.ImageMissing(ctx, images)
	if err != nil {
		return nil, err
	}
	return found.Missing, nil
}

// imageMissing says in one sentence what to do first.
func imageMissing(missing []string) *Failure {
	failure := Fail("IMAGE_MISSING", "The server needs %s, which is not on this machine yet: an administrator has to download it on the page of images first.",
		strings.Join(missing, " and "))
	failure.Missing = missing
	return failure
}
