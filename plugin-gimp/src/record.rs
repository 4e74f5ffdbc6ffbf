//! The record of an edit, which its layer carries, so that Edit Face can continue it later: after the picture was saved and opened
//! again, and on another machine.

use gani_core::edit::Edit;
use gani_core::face::Keep;
use gani_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Version of the format.
const VERSION: u32 = 1;

/// How a layer was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// Version of gani that made the layer.
    program: String,
    /// The inversion.
    #[serde(flatten)]
    pub inversion: UsedInversion,
    /// What stays of the photo.
    pub keep: String,
    edits: Vec<String>,
    /// The layer with the photo.
    pub photo: PhotoLayer,
}

/// The inversion with which a layer was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedInversion {
    /// Name or folder of the model.
    pub model: String,
    /// Name of the preset.
    pub preset: String,
    /// Number of the face, from the left, starting at 1.
    pub face: usize,
    /// Its key in the cache.
    pub key: String,
    /// Tuning steps that it took.
    pub steps: usize,
}

/// A layer of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoLayer {
    /// GIMP's number of the layer, which .xcf files keep.
    pub tattoo: u32,
    /// Its name, for messages.
    pub name: String,
}

impl Record {
    /// The record of a new edit.
    pub fn new(inversion: UsedInversion, keep: Keep, edits: &[Edit], photo: PhotoLayer) -> Record {
        Record {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            inversion,
            keep: keep.to_string(),
            edits: edits.iter().map(ToString::to_string).collect(),
            photo,
        }
    }

    /// Parses the text that a layer carries.
    ///
    /// # Errors
    /// [`Error::Input`] for text that is not a record; [`Error::Unsupported`] for another version of the format.
    pub fn parse(text: &str) -> Result<Record> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let bad = |e: serde_json::Error| Error::Input(format!("the record of the edit is damaged: {e}"));
        let Version { version } = serde_json::from_str(text).map_err(bad)?;
        if version != VERSION {
            return Err(Error::Unsupported(format!(
                "the record of the edit has version {version}, but this gani reads version {VERSION}; install a newer gani"
            )));
        }
        serde_json::from_str(text).map_err(bad)
    }

    /// The text that the layer carries.
    pub fn to_json(&self) -> String {
        // A struct of strings and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The edits.
    ///
    /// # Errors
    /// [`Error::Input`] for an invalid edit.
    pub fn edits(&self) -> Result<Vec<Edit>> {
        self.edits.iter().map(|edit| edit.parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let inversion = UsedInversion {
            model: "ffhq-64".into(),
            preset: "fast".into(),
            face: 2,
            key: "00ff".into(),
            steps: 150,
        };
        let edits: Vec<Edit> = ["smile=1.5sigma", "pca.3=-0.1"].map(|edit| edit.parse().unwrap()).into();
        let photo = PhotoLayer { tattoo: 7, name: "“photo” #1".into() };
        let record = Record::new(inversion, Keep::Background, &edits, photo);
        let text = record.to_json();
        assert_eq!(Record::parse(&text).unwrap(), record);
        assert_eq!(record.edits().unwrap(), edits);
        for (bad, reason) in [
            (text.replace("\"version\":1", "\"version\":2"), "newer gani"),
            (text.replace("\"face\":2", "\"face\":-1"), "damaged"),
            ("{}".into(), "damaged"),
        ] {
            let error = Record::parse(&bad).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
