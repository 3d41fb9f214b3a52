package refit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// writes puts files into the consumer's folder.
func (c consumer) writes(files map[string]string) {
	c.t.Helper()
	for name, text := range files {
		file := filepath.Join(c.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
}

// makes runs make in refit's checkout, apart from the make that runs the tests.
func makes(t *testing.T, words ...string) {
	t.Helper()
	command := exec.Command("make", append([]string{"-s", "-C", lab.Root()}, words...)...)
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") })
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make %v: %s, %v", words, said, err)
	}
}

func TestAProgramLinksTheInstalledSharedLibraryThroughPkgConfig(t *testing.T) {
	prefix, built := filepath.Join(t.TempDir(), "prefix"), os.Getenv("REFIT_BUILT")
	if built == "" {
		built = "target/debug/deps"
	}
	makes(t, "install", "PREFIX="+prefix, "REFIT_BUILT="+built)
	// The module without archives and header: what is installed has to be enough.
	module := filepath.Join(t.TempDir(), "module")
	makes(t, "go-module", "OUT="+module)
	for _, made := range []string{"include/refit.h", "built.h", "lib/linux_amd64/librefit.a", "lib/linux_amd64/built.h", "lib/linux_arm64/librefit.a", "lib/linux_arm64/built.h"} {
		if err := os.Remove(filepath.Join(module, made)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	c := newConsumer(t, module)
	program := c.builds([]string{"PKG_CONFIG_PATH=" + filepath.Join(prefix, "lib/pkgconfig")}, "-tags", "refit_dynamic", ".")
	if needed := libraries(t, program); !slices.Contains(needed, "librefit.so.0") {
		t.Errorf("it needs %v, and not the shared library", needed)
	}
	t.Setenv("LD_LIBRARY_PATH", filepath.Join(prefix, "lib"))
	runs(t, program)
}

// otherRust is somebody else's library, which has Rust's standard library in it too, and unwinds.
const otherRust = `
#[no_mangle]
pub extern "C" fn other_sum(up_to: u32) -> u32 {
    let parts: Vec<_> = (0..4u32).map(|part| std::thread::spawn(move || (0..=up_to).filter(|n| n % 4 == part).sum::<u32>())).collect();
    let sum = parts.into_iter().map(|part| part.join().unwrap()).sum();
    std::panic::set_hook(Box::new(|_| ()));
    match std::panic::catch_unwind(|| if up_to > 0 { panic!("{up_to}") }) {
        Ok(()) => 0,
        Err(_) => sum,
    }
}
`

const otherGo = `// Package other is a cgo library of somebody else's: C beside a Rust archive.
package other

/*
#cgo LDFLAGS: ${SRCDIR}/libother.a -lgcc_eh -lgcc -lpthread -lm -ldl
#include <stdint.h>
uint32_t other_sum(uint32_t up_to);
int other_locked(int value);
*/
import "C"

func Sum(upTo int) int { return int(C.other_sum(C.uint32_t(upTo))) }

func Locked(value int) int { return int(C.other_locked(C.int(value))) }
`

const otherC = `#include <pthread.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int sum;
int other_locked(int value) {
  pthread_mutex_lock(&mutex);
  int now = sum += value;
  pthread_mutex_unlock(&mutex);
  return now;
}
`

const otherMain = `package main

import (
	"fmt"
	"os"

	"example.org/consumer/other"
)

func init() {
	if sum := other.Sum(100); sum != 5050 {
		fmt.Println("Rust's sum is", sum)
		os.Exit(1)
	}
	other.Locked(3)
	if sum := other.Locked(4); sum != 7 {
		fmt.Println("C's sum is", sum)
		os.Exit(1)
	}
}
`

// Two archives with Rust's standard library in them would define the same names, if refit's showed its own.
func TestAProgramHasAnotherRustArchiveAndAnotherCgoLibraryInIt(t *testing.T) {
	c := newConsumer(t, filepath.Join(lab.Root(), "bindings/go"))
	c.writes(map[string]string{"other/other.rs": otherRust, "other/other.go": otherGo, "other/other.c": otherC, "before.go": otherMain})
	folder := filepath.Join(c.folder, "other")
	rustc := exec.Command("rustc", "--edition=2021", "--crate-type=staticlib", "-O", "-o", filepath.Join(folder, "libother.a"), filepath.Join(folder, "other.rs"))
	if said, err := rustc.CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", said, err)
	}
	program := c.builds(nil, ".")
	runs(t, program)
	needsOnlyLibc(t, program)
}
