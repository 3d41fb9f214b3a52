package main

import (
	"strings"
	"testing"

	refit "github.com/refit-rs/refit/bindings/go"
)

func TestTheBarDrawsOverItself(t *testing.T) {
	var out strings.Builder
	bar := newBar(&out)
	for _, report := range []refit.Progress{
		{Phase: "downloading", Permille: 500, Current: 1_500_000, Total: 3_000_000, BytesPerSecond: 900},
		{Phase: "downloading", Layer: "abc", Permille: 500},
		{Phase: "done", Permille: 1000, Step: 2, Steps: 2},
	} {
		if err := bar.show(report); err != nil {
			t.Fatal(err)
		}
	}
	bar.end()
	first := "\r[###############...............]  50 %  downloading  1.5 MB of 3.0 MB, 0.9 kB/s"
	second := "\r[##############################] 100 %  done  (2 of 2)"
	want := first + second + strings.Repeat(" ", len(first)-len(second)) + "\n"
	if out.String() != want {
		t.Errorf("%q, wanted %q", out.String(), want)
	}
}
