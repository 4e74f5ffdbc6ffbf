//! The steps that the tasks consist of. Each prints the command that it runs.

use gani_fetch as fetch;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root folder of the workspace. Every command runs there.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `gani` in the user's data folder, with ONNX Runtime in `lib`.
fn data_folder() -> Result<PathBuf, String> {
    let folders = directories::BaseDirs::new()
        .ok_or("cannot determine the user's data folder\n  fix: set HOME (or XDG_DATA_HOME)")?;
    Ok(folders.data_dir().join("gani"))
}

/// Installs the pinned ONNX Runtime in the user's data folder, where gani looks for it, and returns the library's path.
pub fn install_onnx_runtime() -> Result<PathBuf, String> {
    let folder = data_folder()?.join("lib");
    let version = fetch::ONNX_RUNTIME.version;
    if !folder.join("onnxruntime.stamp").exists() {
        println!("downloading ONNX Runtime {version} ({} MB) through pip", fetch::ONNX_RUNTIME.megabytes);
    }
    let library = fetch::install_onnx_runtime(&folder).map_err(|error| error.to_string())?;
    println!("ONNX Runtime {version}: {}", library.display());
    Ok(library)
}

/// The ONNX Runtime library to ship: `ORT_DYLIB_PATH`, or the one that [`install_onnx_runtime`] installed.
pub fn find_onnx_runtime() -> Result<PathBuf, String> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let library = match std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => data_folder()?.join("lib").join(format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}")),
    };
    match library.is_file() {
        true => Ok(library),
        false => Err(format!(
            "there is no ONNX Runtime at {}\n  fix: cargo xtask setup, or set ORT_DYLIB_PATH",
            library.display()
        )),
    }
}

/// The version of an ONNX Runtime library for Linux, from its symbol version `VERS_1.28.0`.
pub fn onnx_runtime_version(library: &Path) -> Option<String> {
    // The table of symbol versions is near the beginning of the file, which has 24 MB.
    const HEAD: u64 = 4 << 20;
    let mut head = Vec::new();
    std::fs::File::open(library).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let marker = b"VERS_";
    let start = head.windows(marker.len()).position(|window| window == marker)? + marker.len();
    let version: Vec<u8> = head[start..].iter().copied().take_while(|&byte| byte != 0).take(16).collect();
    String::from_utf8(version).ok()
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    // `join` with an absolute path returns that path, so CARGO_TARGET_DIR may be absolute or relative to the root.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into()))
}

/// Checks that programs are installed, each given with its Debian package. Installs missing ones if run as root on Debian.
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
        still => Err(format!(
            "missing packages: {}\n  fix: sudo apt-get install {}",
            still.join(", "),
            still.join(" ")
        )),
    }
}

/// Whether this process runs as root. False on systems other than Unix.
pub fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// Builds the `gani` program in release mode and returns its path.
pub fn build_gani() -> Result<PathBuf, String> {
    cargo(&["build", "--release", "--package", "gani", "--bin", "gani"], &[])?;
    Ok(target().join("release").join(format!("gani{}", std::env::consts::EXE_SUFFIX)))
}

/// Builds the C library in release mode and returns its path.
pub fn build_library() -> Result<PathBuf, String> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    cargo(&["build", "--release", "--package", "gani-ffi"], &[])?;
    Ok(target().join("release").join(format!("{DLL_PREFIX}gani{DLL_SUFFIX}")))
}

/// The Python of the virtual environment in `folder`, with `packages` installed by pip.
pub fn python(folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let python = folder.join("bin").join("python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    Ok(python)
}

/// Runs cargo with `arguments` and additional environment variables.
pub fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    run(Command::new(cargo).args(arguments).envs(environment.iter().copied()))
}

/// Runs a command in the root folder. Its output goes to the terminal.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = announce(command);
    let status = command.status().map_err(|error| format!("cannot run {line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// Like [`run`], but returns the command's standard output.
pub fn read(command: &mut Command) -> Result<String, String> {
    let line = announce(command.stderr(Stdio::inherit()));
    let output = command.output().map_err(|error| format!("cannot run {line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{line}: the output is not UTF-8"))
}

/// Sets the command's working directory to the root folder, prints the command line and returns it.
fn announce(command: &mut Command) -> String {
    command.current_dir(root());
    let program =
        Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let line = format!("{program} {}", arguments.join(" "));
    println!("> {line}");
    line
}
