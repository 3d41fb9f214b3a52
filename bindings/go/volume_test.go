package refit

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

func TestAVolumeAndItsFilesFromCreationToRemoval(t *testing.T) {
	ctx, c := context.Background(), open(t)
	volume := scope(t, "volume")
	t.Cleanup(func() { c.VolumeRemove(ctx, volume, VolumeRemoveOptions{}) })

	created, err := c.VolumeCreate(ctx, volume, VolumeCreateOptions{Labels: map[string]string{"k": volume}, Actor: "the test"})
	if err != nil || !created.Changed || created.Volume != volume {
		t.Fatalf("%+v, %v", created, err)
	}
	if _, err := c.VolumeCreate(ctx, volume, VolumeCreateOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("other labels: %v", err)
	}
	if exists, err := c.VolumeExists(ctx, volume); err != nil || !exists {
		t.Errorf("%v, %v", exists, err)
	}
	volumes, err := c.Volumes(ctx, VolumesOptions{Labels: map[string]string{"k": volume}})
	if err != nil || len(volumes) != 1 || volumes[0].Name != volume || volumes[0].Driver != "local" || len(volumes[0].Containers) != 0 {
		t.Errorf("%+v, %v", volumes, err)
	}

	mode, uid := uint32(0o4640), uint32(1000)
	modified := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	content := []byte("a\x00b\xff\n")
	written, err := c.VolumeWriteFile(ctx, volume, "d/f", content, VolumeWriteFileOptions{Mode: &mode, UID: &uid, Modified: modified, Actor: "the test"})
	if err != nil || written.Bytes == nil || *written.Bytes != 5 || !written.Changed {
		t.Fatalf("%+v, %v", written, err)
	}
	if _, err := c.VolumeWriteFile(ctx, volume, "empty", nil, VolumeWriteFileOptions{}); err != nil {
		t.Error(err)
	}
	for path, want := range map[string][]byte{"d/f": content, "/empty": {}} {
		if read, err := c.VolumeReadFile(ctx, volume, path, VolumeReadFileOptions{}); err != nil || !bytes.Equal(read, want) {
			t.Errorf("%s: %q, %v", path, read, err)
		}
	}
	if _, err := c.VolumeReadFile(ctx, volume, "d/f", VolumeReadFileOptions{MaxBytes: 4}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a larger file: %v", err)
	}
	files, err := c.VolumeListFiles(ctx, volume, "/", VolumeListFilesOptions{Recursive: true})
	if err != nil || len(files) != 3 {
		t.Fatalf("%+v, %v", files, err)
	}
	f := files[1]
	if f.Path != "d/f" || f.Name != "f" || f.Type != "file" || f.Size != 5 || f.Mode != mode || f.UID != 1000 || !f.Modified.Equal(modified) {
		t.Errorf("%+v", f)
	}
	var archive bytes.Buffer
	exported, err := c.VolumeExport(ctx, volume, "d", &archive, VolumeExportOptions{})
	if err != nil || exported.Bytes != uint64(archive.Len()) || exported.Entries != 2 {
		t.Fatalf("%+v, %v", exported, err)
	}
	imported, err := c.VolumeImport(ctx, volume, "new/folder", iotest.OneByteReader(bytes.NewReader(archive.Bytes())), VolumeImportOptions{})
	if err != nil || !imported.Changed || imported.Path != "new/folder" {
		t.Fatalf("%+v, %v", imported, err)
	}
	if read, err := c.VolumeReadFile(ctx, volume, "new/folder/f", VolumeReadFileOptions{}); err != nil || !bytes.Equal(read, content) {
		t.Errorf("%q, %v", read, err)
	}
	broken := errors.New("broken")
	if _, err := c.VolumeImport(ctx, volume, "/", iotest.ErrReader(broken), VolumeImportOptions{}); err != broken {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := c.VolumeImport(ctx, volume, "/", bytes.NewReader(archive.Bytes()[:700]), VolumeImportOptions{}); !errors.Is(err, ErrData) {
		t.Errorf("an archive that is cut: %v", err)
	}
	if _, err := c.VolumeRemoveFile(ctx, volume, "d/f", VolumeRemoveFileOptions{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("without a helper image: %v", err)
	}
	backup := filepath.Join(t.TempDir(), "backup.tar.zst")
	var phases []string
	done, err := c.VolumeBackup(ctx, volume, backup, VolumeBackupOptions{Actor: "the test", OnProgress: func(p Progress) error {
		phases = append(phases, p.Operation+" "+p.Phase)
		return nil
	}})
	if err != nil || done.File != backup || done.Entries != 7 || done.BytesOut == 0 || len(done.SHA256) != 64 || !slices.Contains(phases, "backup done") {
		t.Fatalf("%+v, %v, %v", done, err, phases)
	}
	if _, err := c.VolumeRestore(ctx, volume, backup, VolumeRestoreOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("a volume that is not empty: %v", err)
	}
	restored, err := c.VolumeRestore(ctx, volume, backup, VolumeRestoreOptions{Overwrite: true, Actor: "the test"})
	if err != nil || !restored.Replaced || restored.Entries != done.Entries {
		t.Fatalf("%+v, %v", restored, err)
	}
	if read, err := c.VolumeReadFile(ctx, volume, "d/f", VolumeReadFileOptions{}); err != nil || !bytes.Equal(read, content) {
		t.Errorf("%q, %v", read, err)
	}
	if _, err := c.VolumeReadFile(ctx, volume, "../x", VolumeReadFileOptions{}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a path that leaves: %v", err)
	}
	if removed, err := c.VolumeRemove(ctx, volume, VolumeRemoveOptions{}); err != nil || !removed.Changed {
		t.Errorf("%+v, %v", removed, err)
	}
	if _, err := c.VolumeReadFile(ctx, volume, "d/f", VolumeReadFileOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no volume: %v", err)
	}
}
