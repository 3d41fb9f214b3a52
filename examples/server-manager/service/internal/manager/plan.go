package manager

import (
	"cmp"
	"context"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// AffectedServer is a container that was created from an image.
type AffectedServer struct {
	ID          *uint  `json:"id"` // null: none of the servers
	Identifier  string `json:"identifier"`
	SessionName string `json:"session_name"`
	Status      string `json:"status"`
	Container   string `json:"container"`
	Outdated    bool   `json:"outdated"`
}

// PlannedServer is what an update would do to one.
type PlannedServer struct {
	AffectedServer
	Action                        string          `json:"action"`
	Reason                        *string         `json:"reason"`
	Order                         int             `json:"order"`
	Dependents                    []string        `json:"dependents"`
	Volumes                       []PlannedVolume `json:"volumes"` // that a backup would have
	EstimatedDowntimeMS           *int64          `json:"estimated_downtime_ms"`
	EstimatedDowntimeWithBackupMS *int64          `json:"estimated_downtime_with_backup_ms"`
}

// PlannedVolume is a volume that a backup would have.
type PlannedVolume struct {
	Volume string `json:"volume"`
	Size   *int64 `json:"size"`
}

// Plan is what an update would do.
type Plan struct {
	ImageName     string              `json:"image_name"`
	Check         Check               `json:"check"`
	Pull          bool                `json:"pull"`
	ExpectDigest  *string             `json:"expect_digest"`
	DownloadBytes *int64              `json:"download_bytes"`
	Servers       []PlannedServer     `json:"servers"`
	ImageChanges  []refit.ImageChange `json:"image_changes"`
	KeepAs        *string             `json:"keep_as"`
	Warnings      []refit.Warning     `json:"warnings"`
	Backup        BackupOffer         `json:"backup"`
}

// Affected lists the containers that were created from the reference.
func (m *Manager) Affected(ctx context.Context, image string) ([]AffectedServer, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	containers, err := m.client.Containers(ctx, image)
	if err != nil {
		return nil, err
	}
	known, err := m.serverNames()
	if err != nil {
		return nil, err
	}
	affected := []AffectedServer{}
	for _, container := range containers {
		if container.Match == refit.MatchSameImage {
			continue
		}
		one := AffectedServer{Identifier: container.Name, Container: container.Name, Status: statusOf(container.State), Outdated: container.Outdated}
		if server, found := known[container.Name]; found {
			id := server.ID
			one.ID, one.Identifier, one.SessionName = &id, server.Identifier, server.SessionName
		}
		affected = append(affected, one)
	}
	return affected, nil
}

// Parts are those of an operation on these servers, before it begins.
func Parts(affected []AffectedServer) []operation.Server {
	parts := []operation.Server{}
	for _, server := range affected {
		parts = append(parts, operation.Server{ID: server.ID, Identifier: server.Identifier, SessionName: server.SessionName, Container: server.Container, State: operation.Waiting})
	}
	return parts
}

// Plan asks the registry what an update would do. Nothing is changed.
func (m *Manager) Plan(ctx context.Context, image string) (*Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	offer := m.offer(ctx, m.Engine(ctx))
	plan, err := m.planWithBackup(ctx, image, &offer)
	if err != nil {
		return nil, err
	}
	known, err := m.serverNames()
	if err != nil {
		return nil, err
	}
	last := m.lastDowntimes()
	result := &Plan{ImageName: image, Check: m.check(plan.Check), Pull: plan.Pull, ExpectDigest: plan.ExpectDigest, DownloadBytes: plan.DownloadBytes,
		Servers: []PlannedServer{}, ImageChanges: plan.ImageChanges, KeepAs: plan.KeepAs, Warnings: plan.Warnings, Backup: offer}
	if result.ImageChanges == nil {
		result.ImageChanges = []refit.ImageChange{}
	}
	if result.Warnings == nil {
		result.Warnings = []refit.Warning{}
	}
	for _, container := range plan.Containers {
		one := PlannedServer{AffectedServer: AffectedServer{Identifier: container.Container, Container: container.Container, Status: statusOf(container.State), Outdated: container.Outdated},
			Action: container.Action, Reason: container.Reason, Order: container.Order, Dependents: container.Dependents, Volumes: []PlannedVolume{}}
		for _, volume := range container.Volumes {
			one.Volumes = append(one.Volumes, PlannedVolume(volume))
		}
		if container.Action == refit.ActionRecreateAndStart {
			one.estimate(last, container.EstimatedDowntimeMS)
		}
		if one.Dependents == nil {
			one.Dependents = []string{}
		}
		if server, found := known[container.Container]; found {
			id := server.ID
			one.ID, one.Identifier, one.SessionName = &id, server.Identifier, server.SessionName
		}
		result.Servers = append(result.Servers, one)
	}
	return result, nil
}

// restOfRecreation is in refit's estimate, beside the time of the backups.
const restOfRecreation = 1000

// estimate is how long the server was down when it was replaced last, and how much longer a backup takes by refit's estimate, which is of the
// backup and a second: how long a game takes to stop only its last time tells.
func (s *PlannedServer) estimate(last map[string]int64, withBackup *int64) {
	before, known := last[s.Container]
	if known {
		s.EstimatedDowntimeMS = &before
	}
	if withBackup != nil {
		whole := *withBackup - restOfRecreation + cmp.Or(before, restOfRecreation)
		s.EstimatedDowntimeWithBackupMS = &whole
	}
}

// statusOf is the word that the existing service has for a container's state.
func statusOf(state refit.ContainerState) string {
	switch state {
	case refit.StateRunning, refit.StateRestarting, refit.StatePaused:
		return "running"
	case refit.StateCreated, refit.StateExited:
		return "stopped"
	}
	return "unknown"
}
