//! Generates `include/gani.h` from the sources of `plugin-ffi` with cbindgen.

use cbindgen::{Builder, Config, DocumentationStyle, ExportConfig, Language, Style};
use gani as abi;
use std::mem::size_of;
use xtask::steps;

/// Path of the header, relative to the repository root.
pub const PATH: &str = "include/gani.h";

/// The general rules, at the top of the header.
const CONTRACT: &str = "\
/* gani.h - invert a photographed face into a generator and edit it there.
 *
 * Generated from plugin-ffi/src by `cargo xtask regenerate`; do not edit. docs/c-api.md is an introduction.
 *
 * Errors    Functions that can fail return a gani_status. gani_last_error() returns the message of the last failure on
 *           the calling thread, with cause and fix. No call aborts or unwinds into the host. Callbacks must not unwind
 *           either: no C++ exception and no longjmp may leave them.
 * Handles   gani_model, gani_image and gani_face_session are opaque handles, not pointers to memory. Functions that
 *           create one take a pointer to where it is stored. The caller owns it and frees it with the matching _free
 *           function; the order does not matter. A freed or invalid handle gives GANI_ERROR_MISUSE.
 * NULL      A NULL pointer gives GANI_ERROR_MISUSE unless the function or field says that it may be NULL.
 * Threads   All functions may be called from any thread, also with the same handles. Calls on the same image are
 *           serialized, and so are runs of the same network. A handle may be freed while another thread uses it: the
 *           object lives until that call returns. Callbacks run on the calling thread, except for log messages.
 * Strings   are UTF-8 and end with NUL. Strings passed to a function are needed only during the call.
 * Structs   that begin with struct_size: set it to sizeof the struct. In option structs, zero selects the default for
 *           every other field, so `gani_invert_options options = {.struct_size = sizeof options};` is complete.
 * Enums     are passed as uint32_t.
 */";

/// Macros that declare an enum with underlying type `uint32_t` in C, C23 and C++. They replace the conditions that
/// cbindgen repeats for each enum.
const GUARD: &str = "\
#ifndef GANI_H
#define GANI_H

#if defined(__cplusplus)
#define GANI_U32 : uint32_t
#define GANI_ENUM(name)
#elif __STDC_VERSION__ >= 202311L
#define GANI_U32 : uint32_t
#define GANI_ENUM(name) typedef enum name name;
#else
#define GANI_U32
#define GANI_ENUM(name) typedef uint32_t name;
#endif";

/// The header's text, generated from the current sources.
pub fn text() -> Result<String, String> {
    let enums = [
        "gani_status",
        "gani_layout",
        "gani_sample",
        "gani_preset",
        "gani_keep",
        "gani_cache_mode",
        "gani_stage",
        "gani_log_level",
    ];
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        header: Some(format!("{CONTRACT}\n{GUARD}")),
        trailer: Some(format!("{}\n#endif", assertions())),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(String::from).into(),
        usize_is_size_t: true,
        style: Style::Both,
        documentation_style: DocumentationStyle::C99,
        line_length: 120,
        export: ExportConfig { include: enums.map(String::from).into(), ..ExportConfig::default() },
        ..Config::default()
    };
    let bindings = Builder::new()
        .with_crate(steps::root().join("plugin-ffi"))
        .with_config(config)
        .generate()
        .map_err(|error| format!("cannot generate the header: {error}"))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let header = String::from_utf8(bytes).map_err(|_| "the generated header is not UTF-8".to_string())?;
    Ok(enums.iter().fold(header, |text, name| with_short_enum(&text, name)))
}

/// Replaces cbindgen's conditions around the enum `name` with the macros of [`GUARD`].
fn with_short_enum(text: &str, name: &str) -> String {
    let condition = "defined(__cplusplus) || __STDC_VERSION__ >= 202311L";
    let head = format!("enum {name}\n#if {condition}\n  : uint32_t\n#endif // {condition}\n {{");
    let tail = format!(
        "#ifndef __cplusplus\n#if __STDC_VERSION__ >= 202311L\ntypedef enum {name} {name};\n#else\n\
         typedef uint32_t {name};\n#endif // __STDC_VERSION__ >= 202311L\n#endif // __cplusplus"
    );
    text.replace(&head, &format!("enum {name} GANI_U32 {{")).replace(&tail, &format!("GANI_ENUM({name})"))
}

/// Writes the header to [`PATH`].
pub fn write() -> Result<(), String> {
    let path = steps::root().join(PATH);
    std::fs::write(&path, text()?).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Static assertions that the structs have the library's sizes on 64-bit systems.
fn assertions() -> String {
    let sizes = [
        ("gani_bundle_info", size_of::<abi::gani_bundle_info>()),
        ("gani_direction", size_of::<abi::gani_direction>()),
        ("gani_model_options", size_of::<abi::gani_model_options>()),
        ("gani_model_info", size_of::<abi::gani_model_info>()),
        ("gani_image_desc", size_of::<abi::gani_image_desc>()),
        ("gani_invert_options", size_of::<abi::gani_invert_options>()),
        ("gani_progress", size_of::<abi::gani_progress>()),
        ("gani_face_session_info", size_of::<abi::gani_face_session_info>()),
        ("gani_edit", size_of::<abi::gani_edit>()),
        ("gani_look", size_of::<abi::gani_look>()),
        ("gani_paste_options", size_of::<abi::gani_paste_options>()),
        ("gani_rect", size_of::<abi::gani_rect>()),
    ];
    let line = |(name, size): (&str, usize)| {
        format!("GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof({name}) == {size}, \"{name}\");\n")
    };
    let lines: String = sizes.into_iter().map(line).collect();
    format!(
        "/* Struct sizes that the library was compiled with. */\n\
         #if defined(__cplusplus)\n\
         #define GANI_STATIC_ASSERT(condition, text) static_assert(condition, text)\n\
         #else\n\
         #define GANI_STATIC_ASSERT(condition, text) _Static_assert(condition, text)\n\
         #endif\n\
         {lines}#undef GANI_STATIC_ASSERT"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_header_is_up_to_date() {
        let committed = std::fs::read_to_string(xtask::steps::root().join(super::PATH)).unwrap_or_default();
        assert!(
            committed == super::text().unwrap(),
            "run `cargo xtask regenerate` and commit {}",
            super::PATH
        );
    }
}
