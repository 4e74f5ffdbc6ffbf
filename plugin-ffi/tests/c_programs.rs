//! Builds C and C++ programs against an installed libgani, with pkg-config and CMake as users do, and runs them.
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

/// Runs a command and returns its standard output. Panics with all output if it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e}; `cargo xtask setup` lists what the C and C++ tests need")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out
}

/// The library that cargo built beside this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let name = format!("{}gani{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    deps.join(name)
}

/// The prefix where `cargo xtask install` has installed that library; installed once for all tests of this file.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<tempfile::TempDir> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut install = Command::new(env!("CARGO"));
            install.current_dir(root()).args(["xtask", "install", "--prefix"]).arg(folder.path());
            let output = run(install.arg("--library").arg(library()));
            assert!(output.contains("with ONNX Runtime 1."), "{output}");
            folder
        })
        .path()
}

/// A command whose environment hides the user's data folder, so that it finds only the installed files.
fn isolated(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("HOME", home).env_remove("ORT_DYLIB_PATH");
    for folder in ["XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env_remove(folder);
    }
    command
}

/// pkg-config's flags for the installed library, with a run path to it.
fn pkg_config() -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")).args(["--cflags", "--libs", "gani"]);
    let mut flags: Vec<String> = run(&mut command).split_whitespace().map(String::from).collect();
    flags.push(format!("-Wl,-rpath,{}", prefix().join("lib").display()));
    flags
}

fn compile(compiler: &str, standard: &str, source: &Path, to: &Path) {
    let mut cc = Command::new(compiler);
    cc.args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread"]);
    run(cc.arg(source).arg("-o").arg(to).args(pkg_config()));
}

#[test]
fn misuse_from_c_gives_errors_and_two_threads_share_handles() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("misuse");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/misuse.c");
    compile("cc", "-std=c11", &source, &program);
    let output = run(isolated(&program, folder.path()).arg(photo()).arg(folder.path()));
    assert_eq!(output, "ok\n");
}

#[test]
fn a_log_function_may_call_gani_while_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("log_callback");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/log_callback.c");
    compile("cc", "-std=gnu11", &source, &program);
    assert_eq!(run(&mut isolated(&program, folder.path())), "ok\n");
}

#[test]
fn the_cpp_wrapper_throws_errors_and_frees_handles() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("wrapper");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/wrapper.cpp");
    compile("c++", "-std=c++17", &source, &program);
    assert_eq!(run(isolated(&program, folder.path()).arg(photo())), "ok\n");
}

#[test]
fn cmake_builds_the_examples_and_they_edit_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let build = folder.path().join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("examples")).arg("-B").arg(&build);
    configure.arg("-DCMAKE_C_FLAGS=-Wall -Wextra -Werror").arg("-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror");
    run(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display())));
    run(Command::new("cmake").arg("--build").arg(&build));

    let photo = image::open(photo()).unwrap().to_rgb8();
    for (program, source) in
        [("portrait", "inverted, "), ("portrait", "read from the cache, "), ("portrait_cpp", "")]
    {
        let out = folder.path().join(format!("{program}.png"));
        let mut command = isolated(&build.join(program), folder.path());
        let output = run(command.arg(self::photo()).arg(&out).args(["ffhq-64", "4"]));
        assert!(output.contains("wrote ") && output.contains(source), "{program}: {output}");
        let edited = image::open(&out).unwrap().to_rgb8();
        let changed = photo.pixels().zip(edited.pixels()).filter(|(a, b)| a != b).count();
        assert!((1000..180 * 180 + 10_000).contains(&changed), "{program}: {changed} pixels changed");
    }
    let strip = image::open(folder.path().join("portrait_cpp.png.strip.png")).unwrap();
    assert_eq!((strip.width(), strip.height()), (5 * 64, 64));
    // A failure prints the cause and exits with status 1.
    let output =
        isolated(&build.join("portrait"), folder.path()).args(["none.png", "x.png", "ffhq-64"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.png"));
}

#[test]
fn the_readme_example_edits_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("readme");
    compile("cc", "-std=c99", &root().join("examples/c/readme.c"), &program);
    image::open(photo()).unwrap().to_rgb8().save(folder.path().join("portrait.jpg")).unwrap();
    let mut command = isolated(&program, folder.path());
    // The program names no model. The default one takes minutes.
    let output = command.current_dir(folder.path()).env("GANI_MODEL", "ffhq-64").output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && messages.is_empty(), "{messages}");
    assert!(folder.path().join("older.jpg").exists());
}

#[test]
fn the_headers_compile_in_every_supported_standard() {
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
        std::fs::write(&source, text + "gani_status f(void);\ngani_status f(void) { return GANI_OK; }\n")
            .unwrap();
        let mut cc = Command::new(compiler);
        cc.args([standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(&source);
        run(cc.arg("-I").arg(root().join("include")));
    }
}
