//! The command line of `cargo xtask`.

use crate::{bench, crash, doors, hosts, memory};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;

/// The tasks and their arguments.
pub fn command() -> Command {
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The tasks of the gani project")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(checks())
        .subcommands(packaging())
        .subcommand(
            task("demo", "Invert and edit a real photo at 1024 px; writes images to out/demo"),
        )
        .subcommand(
            task(
                "bench",
                "Compare gani with PyTorch: step time, memory, time to a likeness; writes a table and a plot to out/bench \
                 (PyTorch takes 5 GB; an hour)",
            )
            .arg(
                Arg::new("only")
                    .value_name("BENCHMARK")
                    .num_args(0..)
                    .value_parser(PossibleValuesParser::new(bench::NAMES))
                    .help("Run only these benchmarks; a number is a size of StyleGAN2"),
            )
            .arg(
                option("threads", "N", "Number of threads on both sides")
                    .value_parser(value_parser!(u32).range(1..))
                    .default_value("2"),
            )
            .arg(
                option("device", "DEVICE", "Device on both sides")
                    .value_parser(["cpu", "cuda"])
                    .default_value("cpu"),
            ),
        )
        .subcommand(
            task(
                "regenerate",
                "Regenerate the committed generated files: include/gani.h, and models/ from their source networks; `git diff \
                 --stat` must show no change afterwards",
            )
            .arg(
                Arg::new("assets").value_name("FOLDER")
                    .value_parser(value_parser!(PathBuf))
                    .help("The folder with nets/; without it models/ is not changed"),
            ),
        )
}

/// Setup and checks.
fn checks() -> [Command; 10] {
    [
        task(
            "setup",
            "Install the pinned ONNX Runtime where gani finds it (through pip, verified by hash), unless it is installed",
        )
,        task("test", "Run everything that continuous integration checks: formatting, lints, tests, documentation"),
        task(
            "test-memory",
            "Test the C ABI under AddressSanitizer and valgrind (half an hour; needs valgrind)",
        )
        .arg(Arg::new("tool").value_name("TOOL").value_parser(memory::Tool::NAMES).help("Run only this tool")),
        task(
            "test-crash",
            "Kill gani at every call that changes files and at random moments, and fill its disk; the next command must succeed, with \
             the bytes of an undisturbed run (needs strace; an hour)",
        )
        .arg(
            Arg::new("only")
                .value_name("SCENARIO")
                .num_args(0..)
                .value_parser(PossibleValuesParser::new(crash::names()))
                .help("Run only these scenarios"),
        )
        .arg(
            option("random", "N", "Number of kills at random moments, in all scenarios together")
                .value_parser(value_parser!(usize))
                .default_value("60"),
        )
        .arg(
            option("seed", "N", "Seed of the random moments; without it, a new one, which is printed")
                .value_parser(value_parser!(u64)),
        )
        .arg(
            option("gani", "FILE", "Test this program instead of a new debug build")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("short")
                .long("short")
                .action(ArgAction::SetTrue)
                .help("Kill only at renames and at random moments"),
        ),
        task(
            "soak",
            "Invert and edit many times in one process, through the C ABI and on the command line; fails if memory, open files or \
             handles grow (half an hour)",
        )
        .arg(
            option("rounds", "N", "Number of inversions in each part")
                .value_parser(value_parser!(u32).range(4..=10_000))
                .default_value("200"),
        ),
        task(
            "test-hosts",
            "Test the plug-ins in real GIMP and Krita, each in its own Debian root (needs root; 2 GB under target/hosts). \
             `full-size` tests GIMP with the 1024 px model",
        )
        .arg(Arg::new("editor").value_name("EDITOR").value_parser(hosts::Suite::NAMES).help("Run only the tests of this editor")),
        task(
            "test-doors",
            "Install the Python and Debian packages in clean environments, and compare their results with the checkout's (Debian: needs \
             root; 2 GB under target/hosts)",
        )
        .arg(Arg::new("door").value_name("DOOR").value_parser(doors::Door::NAMES).help("Open only this door")),
        task(
            "check-cuda",
            "Report where ONNX Runtime's CUDA provider places each node of each graph; needs no GPU, CUDA's libraries are \
             stubbed",
        ),
        task(
            "check-import",
            "Compare imports of full-size checkpoints (random weights, written by PyTorch, 2 GB) with PyTorch",
        )
        .arg(
            option("python", "PYTHON", "A Python interpreter with torch and numpy")
                .value_parser(value_parser!(PathBuf))
                .default_value("python3"),
        ),
        task(
            "check-onnx",
            "Compare the gradients of ONNX's own node tests and of published networks with finite differences (pip fetches both; \
             half an hour)",
        )
        .arg(option("only", "PART", "Check only this part").value_parser(["nodes", "networks"])),
    ]
}

/// Installation and release.
fn packaging() -> [Command; 5] {
    [
        task(
            "install",
            "Install libgani with its headers, CMake and pkg-config files, models, and ONNX Runtime if this machine has it",
        )
        .arg(
            option("prefix", "DIR", "The folder for lib/, include/ and share/")
                .value_parser(value_parser!(PathBuf))
                .required(true),
        )
        .arg(
            option("library", "FILE", "Install this build of the library instead of a new release build")
                .value_parser(value_parser!(PathBuf)),
        ),
        task(
            "dist",
            "Package gani as one archive for users without a compiler, and the zip that Krita imports, in out/dist",
        )
        .arg(
            option("built", "DIR", "Package the builds in this folder instead of new release builds")
                .value_parser(value_parser!(PathBuf)),
        ),
        task("deb", "Build the Debian packages gani and libgani-dev in out/dist (cargo installs cargo-deb under target)"),
        task("release", "Build the archive, the Python package and the Debian packages in out/dist, with SHA256SUMS"),
        task("wheel", "Build the Python package in out/dist (needs Python 3.10 or later; pip installs maturin under target)"),
    ]
}

fn task(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
