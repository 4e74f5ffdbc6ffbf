//! Opening the host's own libraries at run time, and tables of the functions in them.
//!
//! Nothing is linked: the executable builds without a GIMP header, starts everywhere, and can say what is missing.

use libloading::Library;
use std::path::PathBuf;

/// Opens each library, by the first of its names that works.
///
/// # Errors
/// The names tried and what the loader said.
pub fn open_all(names: &[&str]) -> Result<Vec<Library>, String> {
    names.iter().map(|name| open(name)).collect()
}

fn open(name: &str) -> Result<Library, String> {
    // SAFETY: these are libraries that the host itself runs on; their initialisers ask nothing of us.
    let first = match unsafe { Library::new(name) } {
        Ok(library) => return Ok(library),
        Err(error) => error,
    };
    // An AppImage or Flatpak may have told the loader nothing: look where the host, our parent, has its libraries from.
    for folder in host_library_folders() {
        // SAFETY: as above.
        if let Ok(library) = unsafe { Library::new(folder.join(name)) } {
            return Ok(library);
        }
    }
    Err(format!("{name} cannot be opened: {first}. gani's plug-in is for GIMP 3.0 and later"))
}

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

/// `functions! { pub struct Table { name: fn(A) -> B, … } }`: C functions by their own names, and `Table::load`.
macro_rules! functions {
    ($(#[$doc:meta])* pub struct $table:ident { $( $name:ident: $signature:ty, )* }) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "these are the host's functions, under the host's names")]
        pub struct $table { $( pub $name: $signature, )* }

        impl $table {
            /// Looks every name up in the libraries, in order.
            ///
            /// # Safety
            /// The signatures are those of the host's headers, and the libraries stay open while the table is used.
            pub unsafe fn load(libraries: &[libloading::Library]) -> Result<Self, String> {
                Ok($table { $( $name: {
                    let symbol = concat!(stringify!($name), "\0").as_bytes();
                    // SAFETY: the caller vouches for the signature.
                    let found = libraries.iter().find_map(|l| unsafe { l.get::<$signature>(symbol) }.ok());
                    *found.ok_or(concat!(
                        "this GIMP has no function ", stringify!($name),
                        "; gani's plug-in is for GIMP 3.0 and later"
                    ))?
                }, )* })
            }
        }
    };
}
pub(crate) use functions;
