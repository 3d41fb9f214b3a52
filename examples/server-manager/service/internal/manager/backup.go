package manager

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// Backup is what is asked for before containers are replaced: refit backs up all their volumes while they are stopped.
type Backup struct {
	Volumes bool
	Restore bool // from these backups, in a rollback: the data is as it was before the update
}

// Why a backup, or its restore in a rollback, is not offered.
const (
	whyEngine        = "engine"               // Podman does not show the files of volumes
	whyNoHelper      = "no_helper_image"      // the configuration names none
	whyHelperMissing = "helper_image_missing" // it is not local
	whyRefused       = "refused"              // by one of the containers
)

// BackupOffer is whether volumes can be backed up before an update, whether a rollback can restore them, and what prevents it.
type BackupOffer struct {
	Available   bool    `json:"available"`
	Restores    bool    `json:"restores"`
	Folder      *string `json:"folder"`
	HelperImage *string `json:"helper_image"`
	Why         *string `json:"why"`
	Reason      *string `json:"reason"` // refit's sentence, of a container that refuses it
}

// BackupFolder is where the backups are, of which none is ever removed.
func (m *Manager) BackupFolder() string { return filepath.Join(m.config.DataDir, "backups") }

// makeBackupFolder makes the folder, for the owner alone.
func (m *Manager) makeBackupFolder() error { return os.MkdirAll(m.BackupFolder(), 0o700) }

// offer is what the engine and the configuration allow; a container may refuse it still.
func (m *Manager) offer(ctx context.Context, engine Engine) BackupOffer {
	folder, why := m.BackupFolder(), ""
	offer := BackupOffer{Folder: &folder}
	if image := m.config.HelperImage; image != "" {
		offer.HelperImage = &image
	}
	switch missing, err := m.helperMissing(ctx); {
	case !engine.OK || *engine.Engine == "podman":
		why = whyEngine
	case m.config.HelperImage == "":
		offer.Available, why = true, whyNoHelper
	case err != nil || missing:
		offer.Available, why = true, whyHelperMissing
	default:
		offer.Available, offer.Restores = true, true
	}
	if why != "" {
		offer.Why = &why
	}
	return offer
}

func (m *Manager) helperMissing(ctx context.Context) (bool, error) {
	if m.config.HelperImage == "" {
		return false, nil
	}
	missing, err := m.Missing(ctx, []string{m.config.HelperImage})
	return len(missing) > 0, err
}

// lower takes the better half of the offer away, because of a container.
func (o *BackupOffer) lower(reason string) {
	why := whyRefused
	o.Why, o.Reason = &why, &reason
	if o.Restores {
		o.Restores = false
	} else {
		o.Available = false
	}
}

// planWithBackup plans with as much of the offer as every container allows. The offer says in the end how much that is.
func (m *Manager) planWithBackup(ctx context.Context, image string, offer *BackupOffer) (*refit.Plan, error) {
	plan := func() (*refit.Plan, error) {
		return m.client.PlanUpdate(ctx, image, m.updateOptions(Backup{Volumes: offer.Available, Restore: offer.Restores}))
	}
	best, err := plan()
	if err != nil || !offer.Available || len(refused(best)) == 0 {
		return best, err
	}
	// Some of them are refused without a backup too.
	without, err := m.client.PlanUpdate(ctx, image, m.updateOptions(Backup{}))
	if err != nil {
		return nil, err
	}
	for {
		others := refused(without)
		i := slices.IndexFunc(best.Containers, func(one refit.PlannedContainer) bool {
			return one.Action == refit.ActionRefused && !slices.Contains(others, one.Container)
		})
		if i < 0 {
			return best, nil
		}
		reason := ""
		if best.Containers[i].Reason != nil {
			reason = *best.Containers[i].Reason
		}
		if offer.lower(reason); !offer.Available {
			return without, nil
		}
		if best, err = plan(); err != nil {
			return nil, err
		}
	}
}

func refused(plan *refit.Plan) (names []string) {
	for _, one := range plan.Containers {
		if one.Action == refit.ActionRefused {
			names = append(names, one.Container)
		}
	}
	return names
}

// updateOptions are those of every update, plan and rollback of an image.
func (m *Manager) updateOptions(backup Backup) refit.UpdateOptions {
	o := m.recreateOptions(backup)
	return refit.UpdateOptions{StopTimeout: o.StopTimeout, Settle: o.Settle, BackupVolumes: o.BackupVolumes, RestoreOnRollback: o.RestoreOnRollback}
}

func (m *Manager) recreateOptions(backup Backup) refit.RecreateOptions {
	options := refit.RecreateOptions{StopTimeout: stopGrace, Settle: time.Duration(m.config.Settle)}
	if backup.Volumes {
		options.BackupVolumes, options.RestoreOnRollback = m.BackupFolder(), backup.Restore
	}
	return options
}

// backups are those of a report, with the sizes of the files.
func backups(taken []refit.Backup) []operation.Backup {
	all := []operation.Backup{}
	for _, one := range taken {
		backup := operation.Backup{Volume: one.Volume, File: one.File}
		if info, err := os.Stat(one.File); err == nil {
			backup.Bytes = info.Size()
		}
		all = append(all, backup)
	}
	return all
}

// The codes of refit's warnings about the volumes in a rollback.
const (
	volumesRestored    = "volumes_restored"
	volumesNotRestored = "volumes_not_restored"
)

// dataRestored is what a rollback has done with the volumes; nil: nothing, because there was no backup or the new container never ran.
func dataRestored(warnings []refit.Warning) *bool {
	for _, warning := range warnings {
		if restored := warning.Code == volumesRestored; restored || warning.Code == volumesNotRestored {
			return &restored
		}
	}
	return nil
}

// lastDowntimes are how long the servers were down when they were replaced last, by container. A backup took its own time.
func (m *Manager) lastDowntimes() map[string]int64 {
	last := map[string]int64{}
	for _, o := range m.Operations.List() {
		if len(o.Backups) > 0 {
			continue
		}
		for _, server := range o.Servers {
			if _, newer := last[server.Container]; !newer && server.State == refit.ResultRecreated && server.DowntimeMS != nil {
				last[server.Container] = *server.DowntimeMS
			}
		}
	}
	return last
}
