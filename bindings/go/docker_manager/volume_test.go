package docker_manager

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

func TestVolumesOfAServer(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "volumes")
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	dm := managed(t, profile)
	if err := dm.RemoveVolume(1); err != nil {
		t.Errorf("missing volumes: %v", err)
	}
	adopted := name + "-data-1"
	lab.Engine(t, "POST", "/volumes/create", map[string]any{"Name": adopted, "Labels": map[string]string{"by": "hand"}}, nil)
	// A name that no engine takes makes the second fail.
	dm.profile.PluginsVolume = name + "/plugins-%d"
	if volume, err := dm.CreateVolume(1); volume != "" || err == nil {
		t.Errorf("%q, %v", volume, err)
	}
	if there, err := dm.VolumeExists(adopted); !there || err != nil {
		t.Errorf("a volume that was adopted was removed: %v, %v", there, err)
	}
	if _, err := dm.CreateVolume(2); err == nil {
		t.Error("no error")
	}
	if there, err := dm.VolumeExists(name + "-data-2"); there || err != nil {
		t.Errorf("the first volume was left: %v, %v", there, err)
	}
	dm.profile = profile.withDefaults()
	if volume, err := dm.CreateVolume(1); volume != adopted || err != nil {
		t.Errorf("%q, %v", volume, err)
	}
	dm.profile.RequiredImages = []string{name + "/none:1"}
	if _, err := dm.CreateContainerWithRollback(3, "three", 1, 2, 3, "", "", "", false); !errors.Is(err, refit.ErrImageMissing) {
		t.Error(err)
	}
	if there, err := dm.VolumeExists(name + "-plugins-3"); there || err != nil {
		t.Errorf("volumes of a container that was not created were left: %v, %v", there, err)
	}
	if err := dm.RemoveVolume(1); err != nil {
		t.Error(err)
	}
	for _, volume := range []string{adopted, name + "-plugins-1"} {
		if there, err := dm.VolumeExists(volume); there || err != nil {
			t.Errorf("%s: %v, %v", volume, there, err)
		}
	}
}

func TestFilesOfAVolume(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "files")
	image := lab.Pull(t, name, "1").Reference
	profile := profileOf(name, image)
	refused := errors.New("not this one")
	profile.BeforeWriteConfig = func(serverID uint, file, content string) (string, error) {
		if serverID != 1 || file == "Refused.ini" {
			return "", refused
		}
		return strings.ReplaceAll(content, "KEY", "secret"), nil
	}
	dm := managed(t, profile)
	volume, err := dm.CreateVolume(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := dm.WriteConfigFile(1, "Game.ini", " KEY=1\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := dm.ReadConfigFile(1, "Game.ini"); text != "secret=1" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if err := dm.WriteConfigFile(1, "Refused.ini", ""); !errors.Is(err, refused) {
		t.Error(err)
	}
	for _, wrong := range []string{"", "../x", "/etc/passwd", "a/../../b"} {
		if err := dm.WriteConfigFile(1, wrong, ""); !errors.Is(err, refit.ErrInvalidArgument) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := dm.ReadConfigFile(1, "None.ini"); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}

	files, err := dm.ListFiles(volume, "/data", "/data//Config/WindowsServer/")
	if err != nil || len(files) != 1 || files[0].Name != "Game.ini" || files[0].Mode != "644" || files[0].Size != 11 || files[0].IsDir || len(files[0].ModTime) < 10 {
		t.Errorf("%+v, %v", files, err)
	}
	if files, err := dm.ListFiles(volume, "/data", "/data"); err != nil || len(files) != 1 || !files[0].IsDir || files[0].Mode != "755" {
		t.Errorf("%+v, %v", files, err)
	}
	if files, err := dm.ListFiles(volume, "/data", "/data/none"); files != nil || err != nil {
		t.Errorf("%+v, %v", files, err)
	}
	if _, err := dm.ListFiles(name+"-none", "/data", "/data"); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}

	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	w.WriteHeader(&tar.Header{Name: ".hidden.bin", Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg})
	w.Write(content)
	w.Close()
	if err := dm.WriteFileToVolume(volume, "/data", "/data//mods/new/.hidden.bin", &archive); err != nil {
		t.Fatal(err)
	}
	read, err := dm.ReadFileFromVolume(volume, "/data", "mods/new/.hidden.bin")
	if err != nil {
		t.Fatal(err)
	}
	// The stream that is open outlives the file.
	if output, err := dm.RunCommandInVolume(volume, "/data", []string{"sh", "-c", "id -u; rm -v mods/new/.hidden.bin 2>&1; exit 4"}); err != nil || !strings.HasPrefix(output, "0\n") {
		t.Errorf("%q, %v", output, err)
	}
	entries := tar.NewReader(read)
	header, err := entries.Next()
	if err != nil || header.Name != ".hidden.bin" || header.Size != int64(len(content)) {
		t.Fatalf("%+v, %v", header, err)
	}
	if got, err := io.ReadAll(entries); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := read.Close(); err != nil {
		t.Error(err)
	}
	if _, err := dm.ReadFileFromVolume(volume, "/data", "/data/mods/new/.hidden.bin"); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}

	result, err := dm.RunCommandInVolumeResult(volume, "/data", []string{"sh", "-c", "pwd; exit 4"})
	if err != nil || result.ExitCode != 4 || result.Output != "/data" {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := dm.RunCommandInVolume(name+"-none", "/data", []string{"true"}); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}
	if containers, err := dm.client.ContainerList(context.Background(), refit.ContainerListOptions{Labels: map[string]string{commandLabel: volume}}); err != nil || len(containers) != 0 {
		t.Errorf("%+v, %v", containers, err)
	}
}

func TestABackupIsRestored(t *testing.T) {
	t.Parallel()
	name := lab.Scope(t, "backup")
	image := lab.Pull(t, name, "1").Reference
	dm := managed(t, profileOf(name, image))
	volume, err := dm.CreateVolume(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := dm.WriteConfigFile(1, "Game.ini", "before"); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := dm.BackupVolume(volume, "one.tar.gz", &archive); err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(archive.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for entries := tar.NewReader(unpacked); ; {
		header, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if !strings.HasPrefix(names[0], "./") || names[len(names)-1] != "./Config/WindowsServer/Game.ini" {
		t.Errorf("%q", names)
	}
	for file, content := range map[string]string{"Game.ini": "after", "Other.ini": "stays"} {
		if err := dm.WriteConfigFile(1, file, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := dm.RestoreVolume(volume, "one.tar.gz", bytes.NewReader(archive.Bytes())); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"Game.ini": "before", "Other.ini": "stays"} {
		if text, err := dm.ReadConfigFile(1, file); text != want || err != nil {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
	whole := archive.Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	for what, damaged := range map[string][]byte{"empty": nil, "no gzip": []byte("no archive at all"), "cut": whole[:len(whole)-20], "checksum": flipped} {
		if err := dm.RestoreVolume(volume, "one.tar.gz", bytes.NewReader(damaged)); !errors.Is(err, refit.ErrData) || !strings.Contains(err.Error(), "one.tar.gz") {
			t.Errorf("%s: %v", what, err)
		}
	}
	full := errors.New("the disk is full")
	if err := dm.BackupVolume(volume, "one.tar.gz", failing{full}); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := dm.BackupVolume(name+"-none", "one.tar.gz", io.Discard); !errors.Is(err, refit.ErrNotFound) {
		t.Error(err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
