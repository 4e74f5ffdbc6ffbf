//! Programs in C and C++ against an installed libgani, built as users build them: with pkg-config and with CMake.
#![cfg(unix)]
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn photo() -> PathBuf {
    root().join("tests/data/astronaut.png")
}

/// Runs a command and returns what it wrote; says all of it where it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e}; `cargo xtask setup` says what to install for the tests in C and C++")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out
}

/// The library that cargo has built beside this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let name = format!("{}gani{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    deps.join(name)
}

/// `cargo xtask install` of that library, once for all tests here.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<tempfile::TempDir> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut install = Command::new(env!("CARGO"));
            install.current_dir(root()).args(["xtask", "install", "--prefix"]).arg(folder.path());
            let said = run(install.arg("--library").arg(library()));
            assert!(said.contains("with ONNX Runtime 1."), "{said}");
            folder
        })
        .path()
}

/// Without the user's data folder and the checkout's environment: only what was installed is found.
fn alone(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("HOME", home).env_remove("ORT_DYLIB_PATH");
    for folder in ["XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env_remove(folder);
    }
    command
}

/// What pkg-config says about the installed library, with the loader told where it lies.
fn pkg_config() -> Vec<String> {
    let mut ask = Command::new("pkg-config");
    ask.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")).args(["--cflags", "--libs", "gani"]);
    let mut flags: Vec<String> = run(&mut ask).split_whitespace().map(String::from).collect();
    flags.push(format!("-Wl,-rpath,{}", prefix().join("lib").display()));
    flags
}

fn compile(compiler: &str, standard: &str, source: &Path, to: &Path) {
    let mut cc = Command::new(compiler);
    cc.args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread"]);
    run(cc.arg(source).arg("-o").arg(to).args(pkg_config()));
}

#[test]
fn misuse_from_c_is_answered_and_two_threads_share_handles() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("misuse");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/misuse.c");
    compile("cc", "-std=c11", &source, &program);
    let said = run(alone(&program, folder.path()).arg(photo()).arg(folder.path()));
    assert_eq!(said, "ok\n");
}

#[test]
fn the_wrapper_throws_what_failed_and_frees_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("wrapper");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/wrapper.cpp");
    compile("c++", "-std=c++17", &source, &program);
    assert_eq!(run(alone(&program, folder.path()).arg(photo())), "ok\n");
}

#[test]
fn the_examples_are_built_by_cmake_and_edit_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let build = folder.path().join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("examples")).arg("-B").arg(&build);
    configure.arg("-DCMAKE_C_FLAGS=-Wall -Wextra -Werror").arg("-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror");
    run(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display())));
    run(Command::new("cmake").arg("--build").arg(&build));

    let photo = image::open(photo()).unwrap().to_rgb8();
    for (program, again) in
        [("portrait", "inverted, "), ("portrait", "inverted before, "), ("portrait_cpp", "")]
    {
        let out = folder.path().join(format!("{program}.png"));
        let mut command = alone(&build.join(program), folder.path());
        let said = run(command.arg(self::photo()).arg(&out).args(["ffhq-64", "4"]));
        assert!(said.contains("wrote ") && said.contains(again), "{program}: {said}");
        let edited = image::open(&out).unwrap().to_rgb8();
        let changed = photo.pixels().zip(edited.pixels()).filter(|(a, b)| a != b).count();
        assert!((1000..180 * 180 + 10_000).contains(&changed), "{program}: {changed} pixels changed");
    }
    let strip = image::open(folder.path().join("portrait_cpp.png.strip.png")).unwrap();
    assert_eq!((strip.width(), strip.height()), (5 * 64, 64));
    // Whatever fails says so, and with the right exit code.
    let output =
        alone(&build.join("portrait"), folder.path()).args(["none.png", "x.png", "ffhq-64"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.png"));
}

#[test]
fn the_header_is_one_for_every_standard() {
    let folder = tempfile::tempdir().unwrap();
    for (compiler, standard, name) in [
        ("cc", "-std=c99", "h.c"),
        ("cc", "-std=c17", "h.c"),
        ("cc", "-std=c2x", "h.c"),
        ("c++", "-std=c++17", "h.cpp"),
        ("c++", "-std=c++20", "h.cpp"),
    ] {
        let source = folder.path().join(name);
        let headers: &[&str] = if name == "h.c" { &["gani.h", "gani.h"] } else { &["gani.h", "gani.hpp"] };
        let text: String = headers.iter().map(|h| format!("#include <{h}>\n")).collect();
        std::fs::write(&source, text + "gani_status use(void);\ngani_status use(void) { return GANI_OK; }\n")
            .unwrap();
        let mut cc = Command::new(compiler);
        cc.args([standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(&source);
        run(cc.arg("-I").arg(root().join("include")));
    }
}
