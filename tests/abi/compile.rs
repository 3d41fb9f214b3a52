//! The header compiles wherever C or C++ does.

use crate::program::{ROOT, folder, run};

/// The header alone and twice, and beside the contract, whose declarations must be compatible.
const UNITS: [&str; 2] =
    ["#include <refit.h>\n#include <refit.h>\nint refit_unit;\n", "#include <refit.h>\n#include \"prototypes.h\"\nint refit_unit;\n"];

#[test]
fn the_header_compiles_in_every_standard_without_a_warning() {
    let folder = folder("compile");
    let compilers = [("cc", "c", ["c99", "c11", "c17"]), ("c++", "cpp", ["c++11", "c++17", "c++20"])];
    for (number, unit) in UNITS.iter().enumerate() {
        for (compiler, extension, standards) in &compilers {
            let source = folder.join(format!("unit{number}.{extension}"));
            std::fs::write(&source, unit).unwrap();
            for standard in standards {
                let includes = [format!("-I{ROOT}/include"), format!("-I{ROOT}/tests/c")];
                let flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"];
                let standard = format!("-std={standard}");
                let words = [&flags[..], &[&standard, &includes[0], &includes[1], source.to_str().unwrap()]].concat();
                let done = run(compiler, &words);
                assert!(done.code == Some(0), "{compiler} {standard}: {unit}{}", done.stderr);
            }
        }
    }
}
