//! `cargo xtask test-doors`: installs each package as its users do, in a virtual environment or a Debian root of its own, and compares
//! its results with those of the checkout: same seed, same threads, same bytes.

use crate::dist;
use crate::hosts::{Report, Root, Suite};
use crate::{deb, steps, wheel};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A way to install gani.
#[derive(Clone, Copy, PartialEq)]
pub enum Door {
    /// The Python package.
    Wheel,
    /// The Debian packages.
    Deb,
}

impl Door {
    /// The names on the command line.
    pub const NAMES: [&str; 2] = ["wheel", "deb"];

    /// The door with this name.
    pub fn from_name(name: &str) -> Option<Door> {
        match name {
            "wheel" => Some(Door::Wheel),
            "deb" => Some(Door::Deb),
            _ => None,
        }
    }
}

const PHOTO: &str = "tests/data/astronaut.png";
const MODEL: &str = "models/ffhq-64";

/// The time limit of a program in a root, generous enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(900);

/// Builds the packages and opens all doors, or one.
pub fn run(only: Option<Door>) -> Result<(), String> {
    let library = steps::install_onnx_runtime()?;
    let work = tempfile::Builder::new()
        .prefix("gani-doors-")
        .tempdir()
        .map_err(|e| format!("cannot create a temporary folder: {e}"))?;
    let opens = |door: Door| only.is_none_or(|only| only == door);
    if opens(Door::Wheel) {
        open_wheel(&wheel::run()?, work.path())?;
    }
    if opens(Door::Deb) {
        open_deb(&deb::run()?, &library, work.path())?;
    }
    Ok(())
}

/// Installs the wheel in a new virtual environment, and runs the program, the tests and the example there.
fn open_wheel(wheel: &Path, work: &Path) -> Result<(), String> {
    let reference = steps::build_gani()?;
    let venv = work.join("venv");
    let started = Instant::now();
    steps::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let bin = venv.join("bin");
    let python = bin.join("python");
    steps::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).arg(wheel))?;
    println!("installed in {:.0} s", started.elapsed().as_secs_f64());

    // Neither the user's ONNX Runtime nor the user's models and cache.
    let clean = |program: &Path| {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", work).env("GANI_REFERENCE", &reference);
        command
    };
    let doctor = steps::read(clean(&bin.join("gani")).arg("doctor"))?;
    println!("{doctor}");
    let of_package = |line: &str| line.contains(&*venv.to_string_lossy());
    for name in ["gani ", "ONNX Runtime ", "model ffhq-1024 "] {
        if !doctor.lines().any(|line| line.starts_with(&format!("ok   {name}")) && of_package(line)) {
            return Err(format!("gani doctor: {name}is not that of the virtual environment"));
        }
    }
    steps::run(clean(&python).args(["-m", "unittest", "discover", "plugin-python/tests"]))?;
    let example = "examples/python/portrait.py";
    steps::run(clean(&python).arg(example).arg(PHOTO).arg(work.join("example")).args([MODEL, "3"]))?;
    steps::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "mypy"]))?;
    steps::run(clean(&python).args(["-m", "mypy.stubtest", "gani"]))?;
    steps::run(clean(&python).args(["-m", "mypy", "--strict", "--cache-dir=/dev/null", example]))
}

/// Installs the packages in a Debian root, and in one with GIMP 3.
fn open_deb(packages: &[PathBuf; 2], library: &Path, work: &Path) -> Result<(), String> {
    let reference = steps::build_gani()?;
    let photo = work.join("photo.png");
    dist::copy(&steps::root().join(PHOTO), &photo)?;
    for (package, name) in packages.iter().zip(["gani.deb", "libgani-dev.deb"]) {
        dist::copy(package, &work.join(name))?;
    }
    let expected = work.join("expected");
    let gani = |arguments: &[&str], output: &Path| {
        let mut command = Command::new(&reference);
        command.args(["--model", MODEL, "--device", "cpu", "--threads", "2", "-q"]);
        steps::run(command.args(arguments).arg("-o").arg(output))
    };
    let (photo, inversion) = (text(&photo)?, expected.join("photo.safetensors"));
    let few_steps = ["--preset", "fast", "--iterations", "5", "--refine", "3", "--seed", "7"];
    gani(&[&["invert", photo][..], &few_steps].concat(), &expected)?;
    let edits = ["--set", "smile=2", "--set", "age=-1", "--paste-into", photo];
    gani(&[&["edit", text(&inversion)?][..], &edits].concat(), &expected.join("edited.png"))?;
    // The root has no /usr/share/doc, so the example comes from the checkout.
    for (from, to) in [
        (MODEL, MODEL),
        ("models/common", "models/common"),
        ("tests/doors", "doors"),
        ("examples", "examples"),
    ] {
        dist::copy(&steps::root().join(from), &work.join(to))?;
    }
    dist::copy(library, &work.join(library.file_name().unwrap_or_default()))?;
    fs::create_dir_all(work.join("home")).map_err(|e| format!("cannot create a home folder: {e}"))?;

    let mut report = Report::default();
    let roots = [
        ("packages in Debian 12", Root::bookworm()?, "/w/doors/deb.sh"),
        ("package in Debian 13 with GIMP 3", Root::trixie(Suite::Gimp)?, "/w/doors/deb_gimp.sh"),
    ];
    for (title, root, script) in roots {
        let started = Instant::now();
        let output = root.run(work, &["sh", script], LIMIT)?;
        println!("{output}");
        report.read(title, &output, started.elapsed());
    }
    report.finish()
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))
}
