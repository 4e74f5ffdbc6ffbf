//! Installation through symbolic links: nothing behind them is written or removed.

use super::hosts::{Host, Part, Place};
use super::{install, uninstall};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The Krita plug-in without its library, which this package does not build.
const HOST: Host = Host {
    name: "krita",
    title: "Krita",
    find_places: |_| Vec::new(),
    parts: &[
        Part { source: "pykrita/gani.desktop", target: "gani.desktop" },
        Part { source: "pykrita/gani", target: "gani" },
        Part { source: "pykrita/gani.desktop", target: "gani/library" },
    ],
    own_folder: "gani",
    next_steps: "",
};

fn place(folder: &Path) -> Place {
    Place { what: "test".into(), folder: folder.into(), sandboxed: true }
}

/// Names and contents below a folder. Links are names only.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !path.is_symlink() {
            all.extend(content(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            all.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    all
}

#[test]
fn what_is_installed_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("other.desktop"), "mine").unwrap();
    let before = content(folder.path());
    install(&HOST, &place(folder.path())).unwrap();
    assert!(content(folder.path()).contains_key("gani/__init__.py"));
    install(&HOST, &place(folder.path())).unwrap();
    uninstall(&HOST, &place(folder.path())).unwrap();
    assert_eq!(content(folder.path()), before);
}

#[test]
fn nothing_is_written_or_removed_through_a_link() {
    // A developer's checkout, to which the plug-in folder links in one way or another.
    let checkout = tempfile::tempdir().unwrap();
    for name in ["gani.desktop", "gani/__init__.py", "gani/library"] {
        let path = checkout.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    let before = content(checkout.path());
    for (link, target) in
        [("gani", "gani"), ("gani.desktop", "gani.desktop"), ("gani/library", "gani/library")]
    {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join(link);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(checkout.path().join(target), &at).unwrap();
        let found = content(folder.path());
        let text = install(&HOST, &place(folder.path())).unwrap_err().to_string();
        assert!(text.contains("symbolic link") && text.contains(link), "{text}");
        assert_eq!((content(folder.path()), content(checkout.path())), (found, before.clone()), "{link}");
        uninstall(&HOST, &place(folder.path())).unwrap();
        assert_eq!(
            (content(folder.path()), content(checkout.path())),
            (BTreeMap::new(), before.clone()),
            "{link}"
        );
    }

    // A link inside the plug-in's own folder is replaced by a file.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("gani")).unwrap();
    symlink(checkout.path().join("gani/__init__.py"), folder.path().join("gani/__init__.py")).unwrap();
    install(&HOST, &place(folder.path())).unwrap();
    assert!(!folder.path().join("gani/__init__.py").is_symlink());
    assert_eq!(content(checkout.path()), before);

    // The plug-in folder itself may be a link: users keep their settings elsewhere.
    let (home, real) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(real.path(), home.path().join("pykrita")).unwrap();
    install(&HOST, &place(&home.path().join("pykrita"))).unwrap();
    assert!(real.path().join("gani/__init__.py").exists());
}
