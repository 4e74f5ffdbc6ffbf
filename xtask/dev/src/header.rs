//! `include/gani.h`, made from the sources of `plugin-ffi` by cbindgen.

use cbindgen::{Builder, Config, DocumentationStyle, ExportConfig, Language, Style};
use gani as abi;
use std::mem::size_of;
use xtask::steps;

/// The file, from the root.
pub const PATH: &str = "include/gani.h";

/// What every caller reads first.
const CONTRACT: &str = "\
/* gani.h - put a photographed face inside a generator and edit it there.
 *
 * Made from plugin-ffi/src by `cargo xtask regenerate`; do not edit. A first program is in docs/c-api.md.
 *
 * Calls     Functions that can fail return a gani_status; gani_last_error() has the text, with cause and fix, for the
 *           last failure on this thread. No call aborts or unwinds into the host. Callbacks must not unwind either: no
 *           C++ exception and no longjmp may leave them.
 * Handles   gani_model, gani_inversion and gani_image are handles: never look behind them. A handle that was freed, or
 *           is none, gives GANI_ERROR_MISUSE. Every handle is freed by its _free function, in any order.
 * Threads   All functions may be called from any thread at any time, with the same handles too. Calls on one image
 *           take turns; runs of one network take turns. Freeing a handle while another thread uses it is safe: what
 *           it stands for lives until that call ends. Callbacks run on the calling thread, but for the log.
 * Strings   are UTF-8 and end with NUL. Those that are given are needed during the call only.
 * Structs   that begin with struct_size: set it to sizeof. All other bytes zero are the defaults, so that
 *           `gani_invert_options options = {.struct_size = sizeof options};` is complete.
 * Enums     are passed as uint32_t.
 */";

/// An enum whose values are `uint32_t`, in C, C23 and C++; in place of what cbindgen repeats at each.
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

/// The text of the header, as the sources would have it.
pub fn text() -> Result<String, String> {
    let enums = [
        "gani_status",
        "gani_layout",
        "gani_sample",
        "gani_preset",
        "gani_cache",
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
    let made = Builder::new()
        .with_crate(steps::root().join("plugin-ffi"))
        .with_config(config)
        .generate()
        .map_err(|error| format!("the header cannot be made: {error}"))?;
    let mut bytes = Vec::new();
    made.write(&mut bytes);
    let made = String::from_utf8(bytes).map_err(|_| "the header is no UTF-8".to_string())?;
    Ok(enums.iter().fold(made, |text, name| with_short_enum(&text, name)))
}

/// Puts [`GUARD`]'s macros where cbindgen writes conditions for each enum.
fn with_short_enum(text: &str, name: &str) -> String {
    let condition = "defined(__cplusplus) || __STDC_VERSION__ >= 202311L";
    let head = format!("enum {name}\n#if {condition}\n  : uint32_t\n#endif // {condition}\n {{");
    let tail = format!(
        "#ifndef __cplusplus\n#if __STDC_VERSION__ >= 202311L\ntypedef enum {name} {name};\n#else\n\
         typedef uint32_t {name};\n#endif // __STDC_VERSION__ >= 202311L\n#endif // __cplusplus"
    );
    text.replace(&head, &format!("enum {name} GANI_U32 {{")).replace(&tail, &format!("GANI_ENUM({name})"))
}

/// Writes it.
pub fn write() -> Result<(), String> {
    let path = steps::root().join(PATH);
    std::fs::write(&path, text()?).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The sizes that the library has compiled in, for 64-bit systems.
fn assertions() -> String {
    let sizes = [
        ("gani_bundle_info", size_of::<abi::gani_bundle_info>()),
        ("gani_direction", size_of::<abi::gani_direction>()),
        ("gani_model_options", size_of::<abi::gani_model_options>()),
        ("gani_model_info", size_of::<abi::gani_model_info>()),
        ("gani_image_desc", size_of::<abi::gani_image_desc>()),
        ("gani_invert_options", size_of::<abi::gani_invert_options>()),
        ("gani_progress", size_of::<abi::gani_progress>()),
        ("gani_inversion_info", size_of::<abi::gani_inversion_info>()),
        ("gani_edit", size_of::<abi::gani_edit>()),
        ("gani_rect", size_of::<abi::gani_rect>()),
    ];
    let line = |(name, size): (&str, usize)| {
        format!("GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof({name}) == {size}, \"{name}\");\n")
    };
    let lines: String = sizes.into_iter().map(line).collect();
    format!(
        "/* The library was compiled with these sizes. */\n\
         #if defined(__cplusplus)\n\
         #define GANI_STATIC_ASSERT(what, text) static_assert(what, text)\n\
         #else\n\
         #define GANI_STATIC_ASSERT(what, text) _Static_assert(what, text)\n\
         #endif\n\
         {lines}#undef GANI_STATIC_ASSERT"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_header_is_the_one_that_the_sources_make() {
        let committed = std::fs::read_to_string(xtask::steps::root().join(super::PATH)).unwrap_or_default();
        assert!(
            committed == super::text().unwrap(),
            "run `cargo xtask regenerate` and commit {}",
            super::PATH
        );
    }
}
