//! A volume of 1 GB backed up and restored beside `tar | zstd` on the volume's folder, and a file of 4 KiB read and written beside
//! `docker run --rm -v … cat`, in turn: wall time, and the memory that refit takes at most.
//!
//! `make bench-volume`, as root: the peer reads the volume's folder. Each side is a process of its own that does it once. `docker cp` shows what the
//! engine needs by itself, without compression: refit reads and writes through it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use refit::volume::{BackupOptions, ReadFileOptions, RestoreOptions, WriteFileOptions};
use refit::{ConnectOptions, Refit};
use refit_lab::{Image, Lab, Scope};

const ROUNDS: usize = 3;
const FILES: usize = 11;
/// Of a volume, in files of [`FILE`].
const SIZE: usize = 1_000_000_000;
const FILE: usize = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    /// `tar | zstd`.
    Tar,
    /// The same, and `sync` of the file: refit waits for the disk.
    TarSynced,
    /// `tar` in a container, `zstd` outside of it: for a client that cannot read the volume's folder.
    Run,
    /// `docker cp`, without compression.
    Engine,
    Refit,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [what, volume, file] = &words[..]
        && what.starts_with("--as-")
    {
        return ask(what, volume, Path::new(file));
    }
    let lab = Lab::get();
    let scope = lab.scope("bench-volume");
    let folder = std::env::temp_dir().join(format!("{}-files", scope.name));
    std::fs::create_dir_all(&folder).unwrap();
    let image = scope.pull(&Image::new().build(), "t").reference;
    for (what, random) in [("random", true), ("text", false)] {
        let (volume, container) = (scope.volume(what), scope.name(what));
        let at = fill(&scope, &volume, random);
        let (ours, theirs) = (folder.join("refit.tar.zst"), folder.join("tar.tar.zst"));
        println!("{what}, {SIZE} bytes, {ROUNDS} rounds");
        measure(&mut shell(&format!("docker create --name {container} -v {volume}:/v {image} none")));
        compare("backup", &[Side::Tar, Side::TarSynced, Side::Run, Side::Engine, Side::Refit], ROUNDS, &|side| match side {
            Side::Engine => shell(&format!("docker cp {container}:/v/. - > /dev/null")),
            Side::Tar => shell(&format!("tar -C {at} -cf - . | zstd -q -3 -f -o {}", theirs.display())),
            Side::Run => {
                // The log would keep a copy of the archive.
                let run = format!("docker run --log-driver none --rm -v {volume}:/v {image} tar -C /v -cf - .");
                shell(&format!("{run} | zstd -q -3 -f -o {}", theirs.display()))
            }
            Side::TarSynced => shell(&format!("tar -C {at} -cf - . | zstd -q -3 -f -o {0} && sync {0}", theirs.display())),
            Side::Refit => own("--as-backup", &volume, &ours),
        });
        // A restore makes the volume again, which no container may have.
        measure(&mut shell(&format!("docker rm -f {container}")));
        let engine = format!(
            "docker create --name {container} -v {volume}:/v {image} none && zstd -q -dc {} | docker cp - {container}:/v && docker rm {container}",
            theirs.display()
        );
        compare("restore", &[Side::Tar, Side::Run, Side::Engine, Side::Refit], ROUNDS, &|side| match side {
            Side::Refit => own("--as-restore", &volume, &ours),
            Side::Engine => shell(&format!("find {at} -mindepth 1 -delete && {engine} > /dev/null")),
            Side::Run => {
                let run = format!("docker run --log-driver none -i --rm -v {volume}:/v {image} tar -C /v -xf -");
                shell(&format!("find {at} -mindepth 1 -delete && zstd -q -dc {} | {run}", theirs.display()))
            }
            _ => shell(&format!("find {at} -mindepth 1 -delete && zstd -q -dc {} | tar -C {at} -xf -", theirs.display())),
        });
        for file in [ours, theirs] {
            std::fs::remove_file(file).unwrap();
        }
    }
    let volume = scope.volume("small");
    let file = PathBuf::from("f");
    measure(&mut own("--as-write", &volume, &file));
    compare("a file of 4 KiB", &[Side::Tar, Side::Refit], FILES, &|side| match side {
        Side::Refit => own("--as-read", &volume, &file),
        _ => shell(&format!("docker run --rm -v {volume}:/v {image} cat /v/f > /dev/null")),
    });
    compare("the same, written", &[Side::Tar, Side::Refit], FILES, &|side| match side {
        Side::Refit => own("--as-write", &volume, &file),
        _ => shell(&format!("head -c 4096 /dev/zero | docker run -i --rm -v {volume}:/v {image} sh -c 'cat > /v/f'")),
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// The folder of a volume with files.
fn fill(scope: &Scope<'_>, volume: &str, random: bool) -> String {
    let at = scope.lab.engine.get(&format!("/volumes/{volume}"))["Mountpoint"].as_str().unwrap().to_owned();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..SIZE / FILE {
        let mut file =
            BufWriter::with_capacity(1 << 20, std::fs::File::create(format!("{at}/{number}")).expect("root reads the volume's folder"));
        let mut written = 0;
        while written < FILE {
            let piece = if random {
                next().to_le_bytes().to_vec()
            } else {
                format!("2026-11-29T{:02}:{:02}:00Z GET /item/{} 200 {}\n", next() % 24, next() % 60, next() % 100_000, next() % 5000)
                    .into_bytes()
            };
            file.write_all(&piece).unwrap();
            written += piece.len();
        }
    }
    at
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -o pipefail; {script}")]).env("DOCKER_HOST", Lab::get().engine.host());
    command
}

fn own(what: &str, volume: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([what, volume]).arg(file).env("DOCKER_HOST", Lab::get().engine.host());
    command
}

/// What a child does. It prints by how many KiB its memory has grown at most.
fn ask(what: &str, volume: &str, file: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let refit = Refit::connect(ConnectOptions::default()).await.expect("an engine");
        let before = memory("VmRSS");
        match what {
            "--as-backup" => drop(refit.backup_volume(volume, file, BackupOptions::default()).await.unwrap()),
            "--as-restore" => {
                let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
                drop(refit.restore_volume(volume, file, options).await.unwrap());
            }
            "--as-read" => drop(refit.read_volume_file(volume, "f", ReadFileOptions::default()).await.unwrap()),
            _ => drop(refit.write_volume_file(volume, "f", vec![0; 4096], WriteFileOptions::default()).await.unwrap()),
        }
        println!("{}", memory("VmHWM") - before);
    });
}

/// In KiB.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn compare(what: &str, sides: &[Side], rounds: usize, command: &dyn Fn(Side) -> Command) {
    let mut all = vec![Vec::new(); sides.len()];
    let mut memory = 0;
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let side = (round + turn) % sides.len();
            let (wall, grown) = measure(&mut command(sides[side]));
            all[side].push(wall);
            memory = memory.max(grown);
        }
    }
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
    };
    let base = median(&all[0]);
    for (side, values) in sides.iter().zip(&all) {
        let (least, most) = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max));
        let middle = median(values);
        println!("  {what}, {side:?}: wall median {middle:.3} s ({least:.3} to {most:.3}), {:.2} of the first", middle / base);
    }
    println!("  {what}: refit's memory grew by {memory} KiB at most");
}

/// Wall seconds of a child, and what it prints.
fn measure(command: &mut Command) -> (f64, u64) {
    let begun = Instant::now();
    let done = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().expect("the child starts");
    assert!(done.status.success(), "{command:?}");
    (begun.elapsed().as_secs_f64(), String::from_utf8_lossy(&done.stdout).trim().parse().unwrap_or(0))
}
