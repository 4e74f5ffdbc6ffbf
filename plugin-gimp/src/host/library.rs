//! Opens GIMP's libraries at run time and looks up their functions.
//!
//! The executable links none of them, so it builds without GIMP headers and can report a missing library.

use libloading::Library;
use std::path::PathBuf;

/// Opens all libraries.
///
/// # Errors
/// The first library that cannot be opened, with the loader's message.
pub fn open_all(names: &[&str]) -> Result<Vec<Library>, String> {
    names.iter().map(|name| open(name)).collect()
}

fn open(name: &str) -> Result<Library, String> {
    // SAFETY: GIMP itself has loaded these libraries; their initializers have no preconditions.
    let first = match unsafe { Library::new(name) } {
        Ok(library) => return Ok(library),
        Err(error) => error,
    };
    // In an AppImage the loader's search path may lack GIMP's libraries. Use the folders from which GIMP, the parent
    // process, loaded its own.
    for folder in host_library_folders() {
        // SAFETY: as above.
        if let Ok(library) = unsafe { Library::new(folder.join(name)) } {
            return Ok(library);
        }
    }
    Err(format!("cannot open {name}: {first}. The gani plug-in requires GIMP 3.0 or later"))
}

/// The folders of the GIMP and GTK libraries that the parent process has mapped.
#[cfg(target_os = "linux")]
fn host_library_folders() -> Vec<PathBuf> {
    const KNOWN: [&str; 4] = ["libgimpbase-", "libgegl-0.4", "libgobject-2.0", "libgtk-3"];
    let maps = format!("/proc/{}/maps", std::os::unix::process::parent_id());
    let maps = std::fs::read_to_string(maps).unwrap_or_default();
    let mut folders = Vec::new();
    for line in maps.lines() {
        let Some(path) = line.find('/').and_then(|at| line.get(at..)).map(PathBuf::from) else { continue };
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if KNOWN.iter().any(|known| name.starts_with(known))
            && let Some(folder) = path.parent().map(PathBuf::from)
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders
}

#[cfg(not(target_os = "linux"))]
fn host_library_folders() -> Vec<PathBuf> {
    Vec::new()
}

/// `functions! { pub struct Table { name: fn(A) -> B, … } }` declares a struct of C function pointers and its `load`.
macro_rules! functions {
    ($(#[$doc:meta])* pub struct $table:ident { $( $name:ident: $signature:ty, )* }) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "the fields have the names of the C functions")]
        pub struct $table { $( pub $name: $signature, )* }

        impl $table {
            /// Looks up each function in the libraries, in order.
            ///
            /// # Safety
            /// The signatures must match the C headers. The libraries must stay open while the table is used.
            pub unsafe fn load(libraries: &[libloading::Library]) -> Result<Self, String> {
                Ok($table { $( $name: {
                    let symbol = concat!(stringify!($name), "\0").as_bytes();
                    // SAFETY: the caller guarantees the signature.
                    let found = libraries.iter().find_map(|l| unsafe { l.get::<$signature>(symbol) }.ok());
                    *found.ok_or(concat!(
                        "this GIMP has no function ", stringify!($name),
                        "; the gani plug-in requires GIMP 3.0 or later"
                    ))?
                }, )* })
            }
        }
    };
}
pub(crate) use functions;
