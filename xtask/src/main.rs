//! Project tasks, `cargo xtask NAME`: set up the machine, run all checks, run the demo, package a release.

mod arguments;
mod bench;
mod check_import;
mod check_onnx;
mod crash;
mod deb;
mod demo;
mod dist;
mod doors;
mod hosts;
mod install;
mod licenses;
mod memory;
mod release;
mod soak;
mod wheel;

use clap::ArgMatches;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::steps;

/// Programs that the C and C++ tests and the test of the HTML report need, each with its Debian package.
const TEST_TOOLS: [(&str, &str); 6] = [
    ("cc", "gcc"),
    ("c++", "g++"),
    ("cmake", "cmake"),
    ("pkg-config", "pkg-config"),
    ("chromium", "chromium"),
    ("strace", "strace"),
];

fn main() -> ExitCode {
    match run(arguments::command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(matches: ArgMatches) -> Result<(), String> {
    let Some((task, arguments)) = matches.subcommand() else { return Ok(()) };
    let path = |name: &str| arguments.get_one::<PathBuf>(name).cloned();
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    match task {
        "setup" => setup(),
        "test" => test(),
        "test-memory" => memory::run(text("tool").and_then(memory::Tool::from_name)),
        "test-crash" => {
            let only = arguments.get_many("only").unwrap_or_default().cloned().collect();
            let random = arguments.get_one("random").copied().unwrap_or_default();
            let seed = arguments.get_one("seed").copied();
            let gani = path("gani")
                .map(|path| std::path::absolute(&path).map_err(|e| format!("{}: {e}", path.display())));
            let gani = gani.transpose()?;
            crash::run(&crash::Plan { only, random, seed, gani, short: arguments.get_flag("short") })
        }
        "soak" => soak::run(arguments.get_one("rounds").copied().unwrap_or(200)),
        "demo" => demo::run(),
        "bench" => {
            let only: Vec<String> = arguments.get_many("only").unwrap_or_default().cloned().collect();
            let threads = arguments.get_one("threads").copied().unwrap_or(2);
            bench::run(&only, threads, text("device").unwrap_or("cpu"))
        }
        "check-cuda" => dev("check-cuda", None),
        "check-import" => check_import::run(&path("python").unwrap_or("python3".into())),
        "check-onnx" => check_onnx::run(text("only")),
        "test-hosts" => hosts::run(text("editor").and_then(hosts::Suite::from_name)),
        "install" => install::run(&path("prefix").unwrap_or_default(), path("library").as_deref()),
        "dist" => dist::run(path("built").as_deref()),
        "test-doors" => doors::run(text("door").and_then(doors::Door::from_name)),
        "deb" => {
            deb::run().map(|packages| packages.iter().for_each(|path| println!("wrote {}", path.display())))
        }
        "wheel" => wheel::run().map(|wheel| println!("wrote {}", wheel.display())),
        "release" => release::run(),
        "regenerate" => dev("regenerate", path("assets")),
        other => Err(format!("the task {other} is not implemented")),
    }
}

/// Runs a task of `xtask-dev`, the package that links gani's crates. `path` is relative to the user's current folder.
fn dev(task: &str, path: Option<PathBuf>) -> Result<(), String> {
    let path = path.map(|path| std::path::absolute(&path).map_err(|e| format!("{}: {e}", path.display())));
    let path = path.transpose()?.map(|path| path.to_string_lossy().into_owned());
    let mut arguments = vec!["run", "--quiet", "--package", "xtask-dev", "--", task];
    arguments.extend(path.as_deref());
    steps::cargo(&arguments, &[])
}

fn setup() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    if let Err(missing) = steps::need_programs(&TEST_TOOLS) {
        println!("{missing}\n  (only the tests need them)");
    }
    Ok(())
}

fn test() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&TEST_TOOLS)?;
    steps::cargo(&["fmt", "--all", "--check"], &[])?;
    steps::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    steps::cargo(&["test", "--workspace"], &[])?;
    steps::cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    crash::run(&crash::Plan::short())?;
    hosts::run_if_possible()?;
    println!("all checks passed");
    Ok(())
}
