//! The steps that tasks are made of; each prints the command it runs.

use gani_cli::fetch;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that holds the workspace; every command runs there.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Makes sure that the pinned ONNX Runtime lies where gani looks for it, in the user's data folder, and returns its file.
pub fn install_onnx_runtime() -> Result<PathBuf, String> {
    let folders = directories::BaseDirs::new()
        .ok_or("cannot tell where the user's data folder is\n  fix: set HOME (or XDG_DATA_HOME)")?;
    let folder = folders.data_dir().join("gani").join("lib");
    let version = fetch::ONNX_RUNTIME.version;
    if !folder.join("onnxruntime.stamp").exists() {
        println!("fetching ONNX Runtime {version} ({} MB) through pip", fetch::ONNX_RUNTIME.megabytes);
    }
    let library = fetch::install_onnx_runtime(&folder).map_err(|error| error.to_string())?;
    println!("ONNX Runtime {version}: {}", library.display());
    Ok(library)
}

/// Cargo's folder for what it builds.
pub fn target() -> PathBuf {
    // An absolute CARGO_TARGET_DIR replaces the root here; a relative one is joined to it.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into()))
}

/// Makes sure that programs are there, each with the Debian package that has it: as root on Debian they are installed.
pub fn need_programs(programs: &[(&str, &str)]) -> Result<(), String> {
    let missing = || -> Vec<&str> {
        let works =
            |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
        programs.iter().filter(|(name, _)| !works(name)).map(|(_, package)| *package).collect()
    };
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let (is_root, apt) = (is_root(), Path::new("/usr/bin/apt-get").exists());
    if is_root && apt {
        run(Command::new("apt-get").args(["update", "-q"]))?;
        run(Command::new("apt-get")
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(&packages))?;
    }
    match missing() {
        none if none.is_empty() => Ok(()),
        still => {
            Err(format!("{} are missing\n  fix: sudo apt-get install {}", still.join(", "), still.join(" ")))
        }
    }
}

/// Whether files made here belong to root; where the system does not tell, no.
pub fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// Builds the program as users run it and returns its path.
pub fn build_gani() -> Result<PathBuf, String> {
    cargo(&["build", "--release", "--package", "gani", "--bin", "gani"], &[])?;
    Ok(target().join("release").join(format!("gani{}", std::env::consts::EXE_SUFFIX)))
}

/// Builds the C library as programs use it and returns its path.
pub fn build_library() -> Result<PathBuf, String> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    cargo(&["build", "--release", "--package", "gani-ffi"], &[])?;
    Ok(target().join("release").join(format!("{DLL_PREFIX}gani{DLL_SUFFIX}")))
}

/// Fetches and converts the 1024 px face model, unless this machine has it.
pub fn fetch_face_model(gani: &Path) -> Result<(), String> {
    run(Command::new(gani).args(["models", "fetch", "ffhq-1024"]))
}

/// Runs cargo with `arguments` and further environment variables.
pub fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    run(Command::new(cargo).args(arguments).envs(environment.iter().copied()))
}

/// Runs a command in the root; its output goes straight to the terminal.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = announce(command);
    let status = command.status().map_err(|error| format!("cannot run {line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// As [`run`], but returns what the command wrote to standard output.
pub fn read(command: &mut Command) -> Result<String, String> {
    let line = announce(command.stderr(Stdio::inherit()));
    let output = command.output().map_err(|error| format!("cannot run {line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{line}: wrote something that is not UTF-8"))
}

/// Sets the folder, prints the command as one would type it, and returns that line.
fn announce(command: &mut Command) -> String {
    command.current_dir(root());
    let program =
        Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let line = format!("{program} {}", arguments.join(" "));
    println!("> {line}");
    line
}
