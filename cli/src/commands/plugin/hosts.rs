//! The supported editors, their plug-in folders, and the files of each plug-in.

use gani_core::{Error, Result};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::{Path, PathBuf};

/// An editor with a plug-in.
pub struct Host {
    /// Name on the command line.
    pub name: &'static str,
    /// Name for messages.
    pub title: &'static str,
    /// Finds the plug-in folders of all installations.
    pub(super) find_places: fn(&Folders) -> Vec<Place>,
    /// Files and folders of the plug-in.
    pub parts: &'static [Part],
    /// The folder inside the plug-in folder that belongs to gani.
    pub own_folder: &'static str,
    /// Instructions to print after the installation.
    pub next_steps: &'static str,
}

/// A file or folder of a plug-in.
pub struct Part {
    /// Its name near the program. `{exe}` stands for the suffix of programs, `{lib}` for the file name of libgani.
    pub(super) source: &'static str,
    /// Its path in the plug-in folder.
    pub target: &'static str,
}

/// A plug-in folder of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The installation, for messages.
    pub what: String,
    /// The folder.
    pub folder: PathBuf,
    /// Whether the editor is sandboxed and has its own data folder.
    pub sandboxed: bool,
}

/// The user's folders.
pub struct Folders {
    home: PathBuf,
    config: PathBuf,
    data: PathBuf,
}

/// GIMP 3.
pub const GIMP: Host = Host {
    name: "gimp",
    title: "GIMP",
    find_places: |folders| {
        let flatpak = folders.home.join(".var/app/org.gimp.GIMP/config/GIMP");
        let snap = folders.home.join("snap/gimp/current/.config/GIMP");
        let all = [
            (folders.config.join("GIMP"), "", false),
            (flatpak, " (Flatpak)", true),
            (snap, " (Snap)", true),
        ];
        all.into_iter().flat_map(|(root, kind, sandboxed)| gimp_versions(&root, kind, sandboxed)).collect()
    },
    // GIMP requires the executable to be in a folder of the same name.
    parts: &[Part {
        source: "gani-gimp{exe}",
        target: if cfg!(windows) { "gani-gimp/gani-gimp.exe" } else { "gani-gimp/gani-gimp" },
    }],
    own_folder: "gani-gimp",
    next_steps: "Start or restart GIMP, then open Filters > Portrait > Edit Face.",
};

/// Krita 5.
pub const KRITA: Host = Host {
    name: "krita",
    title: "Krita",
    find_places: |folders| {
        let flatpak = folders.home.join(".var/app/org.kde.krita/data/krita");
        [(folders.data.join("krita"), "Krita", false), (flatpak, "Krita (Flatpak)", true)]
            .into_iter()
            .filter(|(root, ..)| root.is_dir())
            .map(|(root, what, sandboxed)| Place {
                what: what.into(),
                folder: root.join("pykrita"),
                sandboxed,
            })
            .collect()
    },
    parts: &[
        Part { source: "pykrita/gani.desktop", target: "gani.desktop" },
        Part { source: "pykrita/gani", target: "gani" },
        Part {
            source: "{lib}",
            target: if cfg!(windows) {
                "gani/gani.dll"
            } else if cfg!(target_os = "macos") {
                "gani/libgani.dylib"
            } else {
                "gani/libgani.so"
            },
        },
    ],
    own_folder: "gani",
    next_steps: "In Krita open Settings > Configure Krita > Python Plugin Manager, enable gani, then restart Krita.",
};

/// The plug-in folders of every GIMP 3.x version with settings in `root`.
fn gimp_versions(root: &Path, kind: &str, sandboxed: bool) -> Vec<Place> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<String> = entries
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|name| name.strip_prefix("3.").is_some_and(|minor| minor.parse::<u32>().is_ok()))
        .collect();
    versions.sort();
    let place = |version: String| Place {
        folder: root.join(&version).join("plug-ins"),
        what: format!("GIMP {version}{kind}"),
        sandboxed,
    };
    versions.into_iter().map(place).collect()
}

impl Host {
    /// The plug-in folders of each installation that this user has started.
    pub fn places(&self) -> Vec<Place> {
        Folders::of_user().map(|folders| (self.find_places)(&folders)).unwrap_or_default()
    }

    /// The folders that [`Host::places`] searches, for messages.
    pub fn searched(&self) -> Vec<String> {
        let Some(folders) = Folders::of_user() else { return vec!["no folder, HOME is not set".into()] };
        [folders.config, folders.data, folders.home.join(".var/app")]
            .iter()
            .map(|f| f.display().to_string())
            .collect()
    }
}

impl Folders {
    fn of_user() -> Option<Folders> {
        let dirs = directories::BaseDirs::new()?;
        Some(Folders {
            home: dirs.home_dir().into(),
            config: dirs.config_dir().into(),
            data: dirs.data_dir().into(),
        })
    }
}

impl Part {
    /// Locates the file or folder: beside the program, elsewhere in gani's archive, or in the checkout.
    ///
    /// # Errors
    /// [`Error::Input`] with the folders searched, if it does not exist.
    pub fn source(&self) -> Result<PathBuf> {
        let name = self
            .source
            .replace("{exe}", EXE_SUFFIX)
            .replace("{lib}", &format!("{DLL_PREFIX}gani{DLL_SUFFIX}"));
        let exe = std::env::current_exe().ok().and_then(|p| p.canonicalize().ok()).unwrap_or_default();
        let bin = exe.parent().unwrap_or(Path::new("."));
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("plugin-krita");
        let folders =
            [bin.to_owned(), bin.join("../lib"), bin.join("../lib/gani"), bin.join("../plug-ins"), checkout];
        folders.iter().map(|folder| folder.join(&name)).find(|path| path.exists()).ok_or_else(|| {
            let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
            Error::Input(format!(
                "{name} was not found in {}; it is part of gani's archive; in a checkout build it first (`cargo build --release \
                 --workspace`)",
                folders.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_gimp_3_versions_of_the_user_are_found() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_owned();
        for folder in [
            "c/GIMP/2.10",
            "c/GIMP/3.0",
            "c/GIMP/3.2",
            "c/GIMP/3.x",
            ".var/app/org.gimp.GIMP/config/GIMP/3.2",
        ] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        let folders = Folders { config: home.join("c"), data: home.join("d"), home };
        let found: Vec<_> = (GIMP.find_places)(&folders).into_iter().map(|p| (p.what, p.sandboxed)).collect();
        let expected = [("GIMP 3.0", false), ("GIMP 3.2", false), ("GIMP 3.2 (Flatpak)", true)];
        assert_eq!(found, expected.map(|(what, sandboxed)| (what.to_string(), sandboxed)));
        assert_eq!((KRITA.find_places)(&folders), []);
        std::fs::create_dir_all(folders.data.join("krita")).unwrap();
        assert_eq!((KRITA.find_places)(&folders)[0].folder, folders.data.join("krita/pykrita"));
    }
}
