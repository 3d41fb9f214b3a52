package main

import (
	"fmt"
	"io"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

const barWidth = 30

// bar draws the whole operation on one line of the terminal, again and again.
type bar struct {
	out   io.Writer
	drawn int // runes of the line that stands there
}

func newBar(out io.Writer) *bar { return &bar{out: out} }

func (b *bar) show(p refit.Progress) error {
	if p.Layer != "" {
		return nil
	}
	full := barWidth * p.Permille / 1000
	line := fmt.Sprintf("[%s%s] %3d %%  %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.Permille/10, p.Phase)
	if p.Phase == "downloading" && p.Total > 0 {
		line += fmt.Sprintf("  %s of %s", size(p.Current), size(p.Total))
		if p.BytesPerSecond > 0 {
			line += fmt.Sprintf(", %s/s", size(p.BytesPerSecond))
		}
	}
	if p.Steps > 1 {
		line += fmt.Sprintf("  (%d of %d)", p.Step, p.Steps)
	}
	b.draw(line)
	return nil
}

// draw writes over the line before.
func (b *bar) draw(line string) {
	length := len([]rune(line))
	fmt.Fprintf(b.out, "\r%s%s", line, strings.Repeat(" ", max(0, b.drawn-length)))
	b.drawn = length
}

func (b *bar) end() {
	if b.drawn > 0 {
		fmt.Fprintln(b.out)
	}
}

func size(bytes uint64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(bytes)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
