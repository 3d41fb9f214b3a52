//go:build !refit_dynamic && !musl

package refit

// The archive is named whole, so that no librefit.so of the system is taken in its place.
// libgcc_eh is the unwinder of gcc as an archive; with its shared form, libgcc_s.so.1 would have to be there at run time.

/*
#cgo LDFLAGS: ${SRCDIR}/lib/linux_arm64/librefit.a -lgcc_eh -lgcc -lutil -lrt -lpthread -lm -ldl
#if !__has_include("lib/linux_arm64/built.h")
#error "refit: the archive bindings/go/lib/linux_arm64/librefit.a is missing. Run `GOARCH=arm64 make go` in refit's checkout, or build with -tags refit_dynamic and an installed librefit.so"
#endif
*/
import "C"

import _ "github.com/refit-rs/refit/bindings/go/lib/linux_arm64"
