//! The C and C++ code in README.md and docs/c-api.md compiles against the headers in `include/`.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The fenced code blocks of a Markdown text in one language.
fn code_blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = markdown.split(&fence).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default().to_string() + "\n").collect()
}

/// Checks the syntax and types of `code` with all warnings.
fn check_syntax(compiler: &str, standard: &str, file: &str, code: &str) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(file);
    fs::write(&source, code).unwrap();
    let mut command = Command::new(compiler);
    command
        .args([standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(root().join("include"));
    let output = command.arg(&source).output();
    let output = output.unwrap_or_else(|e| panic!("{compiler}: {e}; install a C and C++ compiler"));
    assert!(output.status.success(), "{}\n{code}", String::from_utf8_lossy(&output.stderr));
}

/// The body of `main`, without its indentation.
fn main_body(program: &str) -> String {
    let (_, rest) = program.split_once("int main(void) {\n").unwrap();
    let (body, _) = rest.rsplit_once("}\n").unwrap();
    body.lines().map(|line| line.strip_prefix("  ").unwrap_or(line).to_string() + "\n").collect()
}

#[test]
fn the_c_example_of_the_readme_is_readme_c() {
    let block = code_blocks(&read("README.md"), "c").into_iter().next().unwrap_or_default();
    let body = main_body(&read("examples/c/readme.c"));
    assert!(
        block == body,
        "the first ```c block of README.md must be the body of main in examples/c/readme.c:\n{body}"
    );
}

#[test]
fn the_code_of_the_c_documentation_compiles() {
    let page = read("docs/c-api.md");
    let (c, cpp) = (code_blocks(&page, "c"), code_blocks(&page, "cpp"));
    assert!(!c.is_empty() && !cpp.is_empty());
    for block in c {
        // Functions that the page defines for a host are static and unused here.
        let code = block.replace("static ", "static __attribute__((unused)) ");
        check_syntax("cc", "-std=c11", "block.c", &code);
    }
    for block in cpp {
        check_syntax("c++", "-std=c++17", "block.cpp", &block);
    }
}
