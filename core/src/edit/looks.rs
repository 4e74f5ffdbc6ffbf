//! Looks: edits saved under a name, one small TOML file each.
//!
//! ```toml
//! version = 1
//! title = "Friendly: a light smile"
//! edits = ["smile=1.2sigma", "yaw=5deg"]
//! ```

use super::direction::Edit;
use super::sliders::slider;
use crate::util::files::write_whole;
use crate::{Error, Result};
use gani_onnx::file::read_regular;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Version of the format.
const VERSION: u32 = 1;
/// Maximum size of a file in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// Maximum number of edits.
const MAX_EDITS: usize = 100;
/// Maximum length of a name in bytes, and of a title.
const MAX_NAME: usize = 64;
const MAX_TITLE: usize = 200;

/// The looks that come with gani: name and file.
const INCLUDED: [(&str, &str); 7] = [
    ("friendly", include_str!("../../looks/friendly.toml")),
    ("laughing", include_str!("../../looks/laughing.toml")),
    ("older", include_str!("../../looks/older.toml")),
    ("serious", include_str!("../../looks/serious.toml")),
    ("surprised", include_str!("../../looks/surprised.toml")),
    ("turned", include_str!("../../looks/turned.toml")),
    ("younger", include_str!("../../looks/younger.toml")),
];

/// A list of edits with a title.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// For display, one line; may be empty.
    pub title: String,
    /// The edits.
    pub edits: Vec<Edit>,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    title: String,
    edits: Vec<String>,
}

impl Look {
    /// A look. An edit without a unit gets that of its slider, so that the look means the same with every model, or is refused.
    ///
    /// # Errors
    /// [`Error::Input`] without edits or with more than 100, for a direction that occurs twice, and for a title of several lines or more
    /// than 200 bytes.
    pub fn new(title: &str, edits: Vec<Edit>) -> Result<Look> {
        let bad = |text: String| Err(Error::Input(text));
        if title.len() > MAX_TITLE || title.contains(char::is_control) {
            return bad(format!("the title of a look is one line of at most {MAX_TITLE} bytes"));
        }
        if edits.is_empty() || edits.len() > MAX_EDITS {
            return bad(format!("a look has 1 to {MAX_EDITS} edits, not {}", edits.len()));
        }
        if let Some(twice) =
            edits.iter().enumerate().find(|(i, e)| edits[..*i].iter().any(|d| d.direction == e.direction))
        {
            return bad(format!(
                "a look has one strength for `{}`, not two",
                twice.1.direction.escape_debug()
            ));
        }
        let with_unit =
            |edit: Edit| Edit { unit: edit.unit.or_else(|| Some(slider(&edit.direction)?.unit)), ..edit };
        Ok(Look { title: title.into(), edits: edits.into_iter().map(with_unit).collect() })
    }

    /// The look's edits, of which `edits` replace those along the same directions, and to which they add the others.
    pub fn with(mut self, edits: Vec<Edit>) -> Vec<Edit> {
        self.edits.retain(|edit| edits.iter().all(|other| other.direction != edit.direction));
        self.edits.extend(edits);
        self.edits
    }

    /// Parses the text of a file. `name` appears in messages.
    ///
    /// # Errors
    /// [`Error::Input`] for text that is not a look; [`Error::Unsupported`] for another version of the format.
    pub fn parse(text: &str, name: &str) -> Result<Look> {
        let file: File =
            toml::from_str(text).map_err(|e| Error::Input(format!("{name}: not a look: {e}")))?;
        if file.version != VERSION {
            return Err(Error::Unsupported(format!(
                "{name}: version {} of the format of looks, but this program reads version {VERSION}; install a newer gani",
                file.version
            )));
        }
        let edits = file.edits.iter().map(|edit| edit.parse()).collect::<Result<_>>();
        edits
            .and_then(|edits| Look::new(&file.title, edits))
            .map_err(|e| Error::Input(format!("{name}: {e}")))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// [`Error::Input`] if it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        let edits = self.edits.iter().map(ToString::to_string).collect();
        let file = File { version: VERSION, title: self.title.clone(), edits };
        toml::to_string(&file).map_err(|e| Error::Input(format!("the look cannot be written as TOML: {e}")))
    }
}

/// A look by its name.
#[derive(Debug)]
pub struct NamedLook {
    /// The name.
    pub name: String,
    /// The user's file; `None` for a look that comes with gani.
    pub file: Option<PathBuf>,
    /// The look, or why its file cannot be used.
    pub look: Result<Look>,
}

/// The looks that come with gani and those of the user. A look of the user's hides an included one of the same name.
#[derive(Clone, Debug)]
pub struct Looks {
    folder: PathBuf,
}

impl Looks {
    /// With the user's folder, `gani/looks` in the user's data folder.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such folder.
    pub fn for_user() -> Result<Looks> {
        let folders = directories::BaseDirs::new().ok_or_else(|| {
            Error::Input("cannot determine the user's data folder; set HOME or XDG_DATA_HOME".into())
        })?;
        Ok(Looks::new(folders.data_dir().join("gani").join("looks")))
    }

    /// With the user's looks in `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Looks {
        Looks { folder }
    }

    /// The folder of the user's looks.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All looks, sorted by name.
    pub fn list(&self) -> Vec<NamedLook> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml"));
        let stems = files.filter_map(|p| p.file_stem()?.to_str().map(str::to_owned));
        let mut names: Vec<String> = stems.filter(|name| check_name(name).is_ok()).collect();
        names.extend(INCLUDED.iter().map(|(name, _)| name.to_string()));
        names.sort();
        names.dedup();
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    /// The look with this name.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none, with the names that there are, or if its file is not a look.
    pub fn get(&self, name: &str) -> Result<Look> {
        check_name(name)?;
        self.find(name).ok_or_else(|| self.unknown(name))?.look
    }

    /// Saves a look as `NAME.toml` in the user's folder and returns the file.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is not a file name, or if the user has a look of this name and `overwrite` is false;
    /// [`Error::Io`].
    pub fn add(&self, name: &str, look: &Look, overwrite: bool) -> Result<PathBuf> {
        check_name(name)?;
        let (path, text) = (self.path(name), look.to_toml()?);
        if path.exists() && !overwrite {
            return Err(Error::Input(format!("the look `{name}` exists already, in {}", path.display())));
        }
        fs::create_dir_all(&self.folder).map_err(Error::io("creating", &self.folder))?;
        write_whole(&path, |w| w.write_all(text.as_bytes()))?;
        Ok(path)
    }

    /// Removes a look of the user's and returns its file.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none, or if it comes with gani; [`Error::Io`].
    pub fn remove(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        let path = self.path(name);
        match path.is_file() {
            true => fs::remove_file(&path).map(|()| path.clone()).map_err(Error::io("removing", &path)),
            false if included(name).is_some() => {
                Err(Error::Input(format!("the look `{name}` comes with gani and cannot be removed")))
            }
            false => Err(self.unknown(name)),
        }
    }

    fn find(&self, name: &str) -> Option<NamedLook> {
        let path = self.path(name);
        if !path.is_file() {
            let look = Look::parse(included(name)?, name);
            return Some(NamedLook { name: name.into(), file: None, look });
        }
        let shown = path.display().to_string();
        let read = || {
            let text = String::from_utf8(read_regular(&path, MAX_BYTES)?);
            Look::parse(&text.map_err(|_| Error::Input(format!("{shown}: not a look: not UTF-8")))?, &shown)
        };
        Some(NamedLook { name: name.into(), look: read(), file: Some(path) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }

    fn unknown(&self, name: &str) -> Error {
        let names: Vec<String> = self.list().into_iter().map(|look| look.name).collect();
        Error::Input(format!("there is no look `{}`; looks: {}", name.escape_debug(), names.join(", ")))
    }
}

fn included(name: &str) -> Option<&'static str> {
    INCLUDED.iter().find(|(included, _)| *included == name).map(|(_, text)| *text)
}

/// Checks that `name` is the name of a file on every system, not hidden and not a path.
fn check_name(name: &str) -> Result<()> {
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    let good = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(forbidden);
    if good && !name.starts_with('.') && !name.ends_with('.') && name.trim() == name {
        return Ok(());
    }
    Err(Error::Input(format!(
        "`{}` cannot be the name of a look; use at most {MAX_NAME} bytes, no dot at either end, and none of / \\ : * ? \" < > |",
        name.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::Unit;

    #[test]
    fn included_looks_are_valid_and_within_the_sliders() {
        let looks = Looks::new("/nowhere".into()).list();
        assert_eq!(looks.len(), INCLUDED.len());
        for NamedLook { name, file, look } in looks {
            let look = look.unwrap();
            assert!(file.is_none() && !look.title.is_empty(), "{name}");
            for edit in look.edits {
                let slider = slider(&edit.direction).unwrap();
                assert!(
                    edit.unit == Some(slider.unit) && edit.strength.abs() <= slider.limit,
                    "{name}: {edit}"
                );
            }
        }
    }

    #[test]
    fn looks_are_saved_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let looks = Looks::new(folder.path().join("looks"));
        let edits = vec![Edit::new("yaw", 12.5), Edit::new("pca.3", -1e-3)];
        let look = Look::new("Turned", edits).unwrap();
        assert_eq!((look.edits[0].unit, look.edits[1].unit), (Some(Unit::Deg), None));
        looks.add("my look", &look, false).unwrap();
        assert_eq!(looks.get("my look").unwrap(), look);
        let again = looks.add("my look", &look, false).unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
        // The user's look hides an included one until it is removed.
        looks.add("older", &look, true).unwrap();
        assert_eq!(looks.get("older").unwrap(), look);
        assert_eq!(looks.list().len(), INCLUDED.len() + 1);
        looks.remove("older").unwrap();
        assert_eq!(looks.get("older").unwrap().edits, ["age=2sigma".parse().unwrap()]);
        for (name, reason) in
            [("older", "comes with gani"), ("nobody", "my look, older"), ("../a", "cannot be")]
        {
            let text = looks.remove(name).unwrap_err().to_string();
            assert!(text.contains(reason), "{text}");
        }
        // A file that is not a look is listed with the reason.
        fs::write(looks.folder().join("bad.toml"), "version = 1\nedits = [\"smile\"]").unwrap();
        let bad = looks.get("bad").unwrap_err().to_string();
        assert!(bad.contains("bad.toml") && bad.contains("NAME=STRENGTH"), "{bad}");
        assert!(looks.list().iter().any(|look| look.name == "bad" && look.look.is_err()));
    }

    #[test]
    fn names_and_files_are_checked() {
        for name in ["", ".", "..", ".a", "a.", "a/b", "a\\b", "c:a", " a", "a\n", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "Über uns", "look 2.1"] {
            check_name(name).unwrap();
        }
        let many = vec!["\"a=1\""; 101].join(", ");
        for text in [
            "",
            "version = 1\nedits = []",
            "version = 1\nedits = [\"a=1\", \"a=2\"]",
            "version = 1\nedits = [\"a=inf\"]",
            "version = 1\ntitle = \"a\\nb\"\nedits = [\"a=1\"]",
            "version = 2\nedits = [\"a=1\"]",
            "version = 1\nedits = [\"a=1\"]\nmore = 1",
            &format!("version = 1\nedits = [{many}]"),
        ] {
            assert!(Look::parse(text, "x").unwrap_err().to_string().starts_with("x: "), "{text}");
        }
    }
}
