//go:build !refit_dynamic

package refit

// The header and the archives are in folders of their own, which are packages so that `go mod vendor` takes them along. `make go` fills them.

/*
#cgo CFLAGS: -I${SRCDIR}/include
#if !__has_include("include/refit.h")
#error "refit: its header is missing. Run `make go` in refit's checkout, or build with -tags refit_dynamic and an installed librefit.so"
#endif
*/
import "C"

import _ "github.com/refit-rs/refit/bindings/go/include"
