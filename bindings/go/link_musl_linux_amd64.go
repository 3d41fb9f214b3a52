//go:build !refit_dynamic && musl

package refit

// The archive is named whole, so that no librefit.so of the system is taken in its place.

/*
#cgo LDFLAGS: ${SRCDIR}/lib/linux_amd64_musl/librefit.a
#if !__has_include("lib/linux_amd64_musl/built.h")
#error "refit: the archive bindings/go/lib/linux_amd64_musl/librefit.a is missing. Run `make go MUSL=1` in refit's checkout, or build with -tags refit_dynamic and an installed librefit.so"
#endif
*/
import "C"

import _ "github.com/refit-rs/refit/bindings/go/lib/linux_amd64_musl"
