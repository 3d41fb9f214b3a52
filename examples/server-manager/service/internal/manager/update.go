package manager

import (
	"context"
	"slices"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// limit is how long a pull or an update may take.
const limit = 2 * time.Hour

// UpdateRequest is what an update is asked for with.
type UpdateRequest struct {
	Image        string
	ImageOnly    bool   // only pull; the containers stay as they are, outdated
	ExpectDigest string // the confirmed plan's; "" takes what the registry has
	Backup       Backup
}

// Pull begins a pull, or joins the pull or update of that image.
func (m *Manager) Pull(image, actor string) (operation.Operation, bool, error) {
	o := operation.Operation{Kind: operation.Pull, ImageName: &image, Actor: &actor}
	return m.Operations.Start(o, []string{imageKey(image)}, func(other *operation.Operation) bool { return other.Kind != operation.Rollback },
		m.worker(image, func(ctx context.Context, set setter) *Failure {
			result, err := m.client.Pull(ctx, image, refit.PullOptions{Actor: actor, OnProgress: newFollower(set, image).follow})
			if err != nil {
				return m.failure(err)
			}
			m.pulledNow(image, result.After.ID)
			version := m.version(ctx, result.After.ID)
			set(func(o *operation.Operation) {
				pulled(o, result)
				o.To.Version = version
			})
			return nil
		}))
}

// Update begins an update, or joins that of the image.
func (m *Manager) Update(request UpdateRequest, actor string, affected []operation.Server) (operation.Operation, bool, error) {
	o := operation.Operation{Kind: operation.Update, ImageName: &request.Image, Actor: &actor, Servers: affected}
	return m.Operations.Start(o, []string{imageKey(request.Image)}, isKind(operation.Update), m.update(request, actor))
}

// UpdateAll begins an update of each image, one after another. Images on which something is in progress are left out.
func (m *Manager) UpdateAll(requests []UpdateRequest, batch, actor string, affected map[string][]operation.Server) []operation.Operation {
	var all []operation.Operation
	var keys [][]string
	byImage := map[string]UpdateRequest{}
	for _, request := range requests {
		image := request.Image
		byImage[image] = request
		all = append(all, operation.Operation{Kind: operation.Update, ImageName: &image, BatchID: &batch, Actor: &actor, Servers: affected[image]})
		keys = append(keys, []string{imageKey(image)})
	}
	return m.Operations.StartBatch(all, keys, func(o operation.Operation) operation.Work { return m.update(byImage[*o.ImageName], actor) })
}

func (m *Manager) update(request UpdateRequest, actor string) operation.Work {
	return m.worker(request.Image, func(ctx context.Context, set setter) *Failure {
		f := newFollower(set, request.Image)
		options := m.updateOptions(request.Backup)
		options.ExpectDigest, options.Actor, options.OnProgress = request.ExpectDigest, actor, f.follow
		if request.ImageOnly {
			options.Containers = []string{}
		}
		report, err := m.client.Update(ctx, request.Image, options)
		return m.report(f, report, err)
	})
}

// Rollback begins to go back to the image before, or to the one with the id to; or joins that of the image.
func (m *Manager) Rollback(image, to string, backup Backup, actor string, affected []operation.Server) (operation.Operation, bool, error) {
	o := operation.Operation{Kind: operation.Rollback, ImageName: &image, Actor: &actor, Servers: affected}
	return m.Operations.Start(o, []string{imageKey(image)}, isKind(operation.Rollback), m.worker(image, func(ctx context.Context, set setter) *Failure {
		f := newFollower(set, image)
		options := refit.RollbackOptions{To: to, RecreateOptions: m.recreateOptions(backup)}
		options.Actor, options.OnProgress = actor, f.follow
		if before, err := m.client.ImageInfo(ctx, image); err == nil {
			set(func(o *operation.Operation) {
				o.From = &refit.HistorySide{ID: before.ID, Digest: digest(before.Digests), Version: before.Version}
			})
		}
		report, err := m.client.Rollback(ctx, image, options)
		if report == nil {
			return m.failure(err)
		}
		set(func(o *operation.Operation) { o.To = report.To })
		return m.report(f, &report.UpdateReport, err)
	}))
}

// report writes what an update or a rollback has done. A report comes with most errors.
func (m *Manager) report(f *follower, report *refit.UpdateReport, err error) *Failure {
	failure := m.failure(err)
	if report == nil {
		return failure
	}
	done := operation.Operation{}
	for _, recreation := range report.Containers {
		m.recreation(&done, f, recreation)
	}
	failure = f.backupFailure(failure, &done)
	known, _ := m.serverNames()
	f.set(func(o *operation.Operation) {
		o.Backups = backups(report.Backups)
		for _, server := range done.Servers {
			*o.ServerOf(server.Container) = server
		}
		if failure == nil {
			// What is not in the report was current already, and was left alone.
			o.Servers = slices.DeleteFunc(o.Servers, func(server operation.Server) bool { return server.State == operation.Waiting })
		}
		withServers(o.Servers, known)
		o.Warnings = append(append(o.Warnings, done.Warnings...), report.Warnings...)
		tag, changed := report.Tag, report.Tag == refit.TagMoved
		o.Changed = &changed
		if tag != "" {
			o.Tag = &tag
		}
		if report.Pull != nil {
			pulled(o, report.Pull)
			o.Changed = &changed
		}
		if report.Check != nil {
			sides(o, report.Check)
		}
	})
	if report.Pull != nil && report.Tag != refit.TagRestored {
		m.pulledNow(f.image, report.Pull.After.ID)
	}
	return failure
}

// sides are the versions before and after, as the check has found them.
func sides(o *operation.Operation, check *refit.Check) {
	if local := check.Local; local != nil {
		o.From = &refit.HistorySide{ID: local.ID, Version: local.Version, Digest: digest(local.Digests)}
		if o.To == nil && check.HasUpdate != nil && !*check.HasUpdate {
			o.To = o.From
			return
		}
	}
	if remote := check.Remote; remote != nil {
		after := refit.HistorySide{Digest: &remote.Digest, Version: remote.Version}
		if o.To != nil {
			after.ID = o.To.ID
		}
		o.To = &after
	}
}

func pulled(o *operation.Operation, result *refit.PullResult) {
	changed, bytes := result.Changed, result.BytesDownloaded
	o.Changed, o.BytesDownloaded = &changed, &bytes
	o.To = &refit.HistorySide{ID: result.After.ID, Digest: result.Digest}
	if result.Before != nil {
		o.From = &refit.HistorySide{ID: result.Before.ID, Digest: digest(result.Before.Digests)}
	}
	o.Warnings = append(o.Warnings, result.Warnings...)
	for i := range o.Layers {
		o.Layers[i].Status = refit.LayerComplete
		o.Layers[i].Progress = max(o.Layers[i].Progress, o.Layers[i].Size)
	}
}

// digest is that of the first "repository@sha256:…".
func digest(references []string) *string {
	if len(references) == 0 {
		return nil
	}
	_, digest, _ := strings.Cut(references[0], "@")
	return &digest
}

type setter = func(func(*operation.Operation))

// worker remembers how the last work on an image ended, and bounds its time.
func (m *Manager) worker(image string, work func(context.Context, setter) *Failure) operation.Work {
	return func(ctx context.Context, set func(func(*operation.Operation))) *operation.Error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		m.ended(image, nil)
		failure := work(ctx, set)
		m.ended(image, failure)
		return operationError(failure)
	}
}

func (m *Manager) ended(image string, failure *Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed[imageKey(image)] = failure
}

func (m *Manager) pulledNow(image, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pulled[imageKey(image)] = id
}

func isKind(kind string) func(*operation.Operation) bool {
	return func(other *operation.Operation) bool { return other.Kind == kind }
}

// withServers gives the containers of an operation their servers.
func withServers(containers []operation.Server, known map[string]store.Server) {
	for i := range containers {
		if server, found := known[containers[i].Container]; found {
			id := server.ID
			containers[i].ID, containers[i].Identifier, containers[i].SessionName = &id, server.Identifier, server.SessionName
		}
	}
}
