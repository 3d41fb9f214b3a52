package manager

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// BackupFolder is where the archives of volumes are.
func (m *Manager) BackupFolder() string { return filepath.Join(m.config.DataDir, "backups") }

// backup saves the data volumes of the servers that an update would recreate, while they run. When one cannot be saved, the update does not begin.
func (m *Manager) backup(ctx context.Context, image string, set setter) *Failure {
	affected, err := m.Affected(ctx, image)
	if err != nil {
		return m.failure(err)
	}
	if err := os.MkdirAll(m.BackupFolder(), 0o700); err != nil {
		return Fail("BACKUP_FAILED", "Nothing was updated, because there is no folder for the backup: %v", err)
	}
	phase := refit.PhaseBackingUp
	for _, server := range affected {
		if server.ID == nil {
			continue
		}
		set(func(o *operation.Operation) {
			o.Phase = &phase
			part := o.ServerOf(server.Container)
			part.State, part.Phase = operation.Running, &phase
		})
		saved, err := m.backupVolume(ctx, m.volume(*server.ID))
		if ctx.Err() != nil {
			return m.failure(ctx.Err())
		}
		if err != nil {
			return Fail("BACKUP_FAILED", "Nothing was updated, because the volume of %s could not be saved: %v", server.Identifier, err)
		}
		set(func(o *operation.Operation) {
			o.Backups = append(o.Backups, saved)
			part := o.ServerOf(server.Container)
			part.State, part.Phase = operation.Waiting, nil
		})
	}
	return nil
}

// backupVolume writes to a file of another name first, so that a file with the name of a backup is a whole one.
func (m *Manager) backupVolume(ctx context.Context, volume string) (saved operation.Backup, err error) {
	name := fmt.Sprintf("%s-%s.tar.gz", volume, time.Now().UTC().Format("20060102-150405.000"))
	file := filepath.Join(m.BackupFolder(), name)
	part, err := os.OpenFile(file+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return saved, err
	}
	defer os.Remove(file + ".part")
	defer part.Close()
	if err := m.docker.BackupVolume(volume, name, cancelled{ctx, part}); err != nil {
		return saved, err
	}
	if err := part.Sync(); err != nil {
		return saved, err
	}
	info, err := part.Stat()
	if err != nil {
		return saved, err
	}
	if err := os.Rename(file+".part", file); err != nil {
		return saved, err
	}
	return operation.Backup{Volume: volume, File: file, Bytes: info.Size()}, nil
}

// cancelled refuses to write once the operation is cancelled, which ends the backup.
type cancelled struct {
	ctx context.Context
	to  io.Writer
}

func (c cancelled) Write(data []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.to.Write(data)
}
