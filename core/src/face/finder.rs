//! Finding the faces of a photo, and choosing among them.

use super::align::Alignment;
use super::detector::{self, Detection};
use super::landmarks::{self, Landmarks};
use crate::photo::Photo;
use std::str::FromStr;

use crate::runtime::{Cancel, Runtime};
use crate::{Error, Result};

/// A face of a photo: where it is, its landmarks, and the square that the generator's faces are aligned to.
#[derive(Debug, Clone)]
pub struct Face {
    /// Box, key points and score.
    pub detection: Detection,
    /// The 468 points of the face mesh.
    pub landmarks: Landmarks,
    /// FFHQ's alignment of this face.
    pub alignment: Alignment,
}

/// Finds faces, with BlazeFace and FaceMesh.
#[derive(Debug)]
pub struct FaceFinder {
    detector: detector::Detector,
    mesh: landmarks::Mesh,
}

impl FaceFinder {
    /// Loads the two networks from their ONNX bytes.
    ///
    /// # Errors
    /// [`Error::Model`] where either is not the network it should be.
    pub fn new(runtime: &Runtime, blazeface: &[u8], facemesh: &[u8]) -> Result<FaceFinder> {
        Ok(FaceFinder {
            detector: detector::Detector::new(runtime, blazeface)?,
            mesh: landmarks::Mesh::new(runtime, facemesh)?,
        })
    }

    /// All faces of the photo, from left to right; none is not an error here.
    ///
    /// A detection counts as a face when FaceMesh sees one there too.
    pub fn faces(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Face>> {
        let mut faces: Vec<Face> = Vec::new();
        for detection in self.detector.detect(photo, cancel)? {
            let Some(landmarks) = self.mesh.landmarks(photo, &detection, cancel)? else { continue };
            let alignment = Alignment::from_landmarks(&landmarks);
            // Two detections may have been drawn to the same face: the better one came first.
            if faces.iter().all(|known| !known.alignment.is_same_face(&alignment)) {
                faces.push(Face { detection, landmarks, alignment });
            }
        }
        faces.sort_by(|a, b| a.detection.center()[0].total_cmp(&b.detection.center()[0]));
        Ok(faces)
    }
}

/// Which faces of a photo to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaceChoice {
    /// The one that takes the most room.
    #[default]
    Largest,
    /// The Nth from the left, from 1.
    Nth(usize),
    /// Every one, from left to right.
    All,
}

impl FromStr for FaceChoice {
    type Err = Error;

    /// Reads `largest`, `all` or a number from 1; anything else is [`Error::Input`].
    fn from_str(text: &str) -> Result<FaceChoice> {
        match (text, text.parse::<usize>()) {
            ("largest", _) => Ok(FaceChoice::Largest),
            ("all", _) => Ok(FaceChoice::All),
            (_, Ok(n)) if n > 0 => Ok(FaceChoice::Nth(n)),
            _ => Err(Error::Input(format!(
                "no face is called \"{text}\": use largest, all, or a number (1 is the leftmost face)"
            ))),
        }
    }
}

impl std::fmt::Display for FaceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FaceChoice::Largest => f.write_str("largest"),
            FaceChoice::Nth(n) => write!(f, "{n}"),
            FaceChoice::All => f.write_str("all"),
        }
    }
}

impl FaceChoice {
    /// The chosen ones of `faces` (all of `photo`'s, left to right), each with its number from 1.
    ///
    /// # Errors
    /// [`Error::Input`] where the photo shows no face, or fewer than the number asked for.
    pub fn pick<'f>(&self, photo: &Photo, faces: &'f [Face]) -> Result<Vec<(usize, &'f Face)>> {
        let numbered = faces.iter().enumerate().map(|(i, face)| (i + 1, face));
        let chosen: Vec<_> = match *self {
            FaceChoice::All => numbered.collect(),
            FaceChoice::Nth(n) => numbered.filter(|(number, _)| *number == n).collect(),
            FaceChoice::Largest => numbered
                .max_by(|(_, a), (_, b)| a.alignment.size().total_cmp(&b.alignment.size()))
                .into_iter()
                .collect(),
        };
        let path = photo.path.display();
        match (chosen.is_empty(), faces.len(), self) {
            (false, ..) => Ok(chosen),
            (true, 0, _) => Err(Error::Input(format!(
                "no face was found in {path}. Faces seen from the side, covered, upside down or smaller than about 40 \
                 pixels are missed: turn or crop the photo"
            ))),
            (true, 1, choice) => Err(Error::Input(format!(
                "face {choice} was asked for, but {path} shows only one face: choose 1 or largest"
            ))),
            (true, n, choice) => Err(Error::Input(format!(
                "face {choice} was asked for, but {path} shows {n} faces: choose 1 (leftmost) to {n}, largest or all"
            ))),
        }
    }
}
