package docker_manager

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	refit "github.com/refit-rs/refit/bindings/go"
)

// BackupVolume writes the volume to w as a gzip tar archive whose names begin with ./. Nothing runs and no image has to be there. After an error
// what was written has no end, so that no program takes it for whole. filename is said in errors alone. A Write that does not return is waited for.
func (dm *DockerManager) BackupVolume(volumeName, filename string, w io.Writer) error {
	s := newStream(dm.quiet, totalLimit)
	defer s.end()
	packed := gzip.NewWriter(moved{w, s})
	if _, err := dm.client.VolumeExport(s, volumeName, "/", packed, refit.VolumeExportOptions{}); err != nil {
		return fmt.Errorf("the backup %s of the volume %s failed: %w", filename, volumeName, explained(s, err))
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("the backup %s of the volume %s failed: %w", filename, volumeName, err)
	}
	return nil
}

// RestoreVolume unpacks a gzip tar archive, also one of the package that this one replaces, into the volume. It overwrites files and leaves others.
// refit.ErrData when the archive is damaged or cut; what came before is in the volume then. After an error src may still be in a Read, which is not
// waited for.
func (dm *DockerManager) RestoreVolume(volumeName, filename string, src io.Reader) error {
	failed := func(err error) error {
		return fmt.Errorf("the restore of %s into the volume %s failed: %w", filename, volumeName, err)
	}
	s := newStream(dm.quiet, totalLimit)
	defer s.end()
	unpacked, err := gzip.NewReader(s.reads(src))
	if err != nil {
		return failed(damaged(explained(s, err)))
	}
	if _, err := dm.client.VolumeImport(s, volumeName, "/", unpacked, refit.VolumeImportOptions{}); err != nil {
		return failed(damaged(explained(s, err)))
	}
	// The archive's end mark comes before the checksum.
	if _, err := io.Copy(io.Discard, unpacked); err != nil {
		return failed(damaged(explained(s, err)))
	}
	return nil
}

// damaged makes refit.ErrData of what gzip says.
func damaged(err error) error {
	for _, theirs := range []error{gzip.ErrHeader, gzip.ErrChecksum, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, theirs) {
			return &refit.Error{Code: refit.CodeData, Op: "volume_restore", Message: "the archive is damaged or cut, or no gzip archive", Causes: []string{theirs.Error()}}
		}
	}
	return err
}
