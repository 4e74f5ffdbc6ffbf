//! Finding the faces of a photo, and selecting among them.

use ndarray::ArrayView4;
use std::path::Path;
use std::str::FromStr;

use super::align::Alignment;
use super::detector::{Detection, Detector, MAX_OVERLAP};
use super::landmarks::{FaceMesh, Landmarks};
use crate::photo::{Photo, image_from_crop};
use crate::runtime::{Cancel, Runtime};
use crate::{Error, Result};

/// FaceMesh's presence above which no other orientation is tried. Upside-down faces reach 0.99998.
const CERTAIN: f32 = 0.999_999;

/// A face in a photo.
#[derive(Debug, Clone)]
pub struct Face {
    /// Box, key points and score.
    pub detection: Detection,
    /// The 468 points of FaceMesh.
    pub landmarks: Landmarks,
    /// FFHQ alignment.
    pub alignment: Alignment,
}

/// What a possible face turned out to be.
enum Verdict {
    Face(Detection, Landmarks),
    /// Its landmarks are not reliable in any orientation, for this reason.
    Doubtful(&'static str),
    None,
}

/// The faces of a photo from left to right, and possible faces elsewhere in it that cannot be used, with the reason.
struct Found {
    faces: Vec<Face>,
    doubtful: Vec<(Detection, &'static str)>,
}

/// Finds faces with BlazeFace and FaceMesh.
#[derive(Debug)]
pub struct FaceFinder {
    detector: Detector,
    mesh: FaceMesh,
}

impl FaceFinder {
    /// Loads the two networks from ONNX bytes.
    ///
    /// # Errors
    /// [`Error::Model`] if a network has unexpected inputs or outputs; [`Error::Runtime`] if it cannot be loaded.
    pub fn new(runtime: &Runtime, blazeface: &[u8], facemesh: &[u8]) -> Result<FaceFinder> {
        Ok(FaceFinder {
            detector: Detector::new(runtime, blazeface)?,
            mesh: FaceMesh::new(runtime, facemesh)?,
        })
    }

    /// All faces of the photo, from left to right. A photo without faces is not an error.
    ///
    /// A detection is a face only if FaceMesh confirms it, and if its landmarks agree with each other.
    ///
    /// # Errors
    /// [`Error::Runtime`] if a run fails; [`Error::Cancelled`].
    pub fn faces(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Face>> {
        Ok(self.find(photo, cancel)?.faces)
    }

    /// As [`FaceFinder::faces`]. Says which possible faces are left out, and why.
    ///
    /// # Errors
    /// [`Error::Input`] with the reason, if there are only such faces; and those of [`FaceFinder::faces`].
    pub fn usable_faces(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Face>> {
        let Found { faces, doubtful } = self.find(photo, cancel)?;
        let path = photo.path.display();
        for (detection, reason) in &doubtful {
            let [x, y] = detection.box_center();
            let text = format!("the possible face at {x:.0}, {y:.0} is not used, because {reason}");
            if faces.is_empty() {
                return Err(Error::Input(format!(
                    "{path}: {text}; use another photo, or crop and align the face yourself"
                )));
            }
            log::warn!("{path}: {text}");
        }
        Ok(faces)
    }

    fn find(&self, photo: &Photo, cancel: &Cancel) -> Result<Found> {
        let (mut faces, mut doubtful) = (Vec::<Face>::new(), Vec::<(Detection, _)>::new());
        for level in self.detector.levels(photo, cancel) {
            for possible in level? {
                let (detection, landmarks) = match self.confirm(photo, &possible, cancel)? {
                    Verdict::Face(detection, landmarks) => (detection, landmarks),
                    Verdict::Doubtful(reason) => {
                        doubtful.push((possible, reason));
                        continue;
                    }
                    Verdict::None => continue,
                };
                let alignment = Alignment::from_landmarks(&landmarks);
                // The landmarks of two detections may converge to the same face. The one with the higher score comes first.
                if faces.iter().all(|known| !known.alignment.is_duplicate_of(&alignment)) {
                    faces.push(Face { detection, landmarks, alignment });
                }
            }
            if !faces.is_empty() {
                break;
            }
        }
        // Another level may have found the same place, and a face there.
        let mut places: Vec<Detection> = faces.iter().map(|face| face.detection.clone()).collect();
        doubtful.retain(|(possible, _)| {
            let is_new = places.iter().all(|known| known.overlap(possible) < MAX_OVERLAP);
            places.push(possible.clone());
            is_new
        });
        faces.sort_by(|a, b| a.detection.box_center()[0].total_cmp(&b.detection.box_center()[0]));
        Ok(Found { faces, doubtful })
    }

    /// The landmarks of a possible face in the orientation in which FaceMesh is most certain.
    fn confirm(&self, photo: &Photo, possible: &Detection, cancel: &Cancel) -> Result<Verdict> {
        let (mut best, mut doubt) = (None::<(Detection, Landmarks)>, None);
        for turn in [0, 2, 1, 3] {
            let Some(detection) = self.detector.again(photo, possible, turn, cancel)? else { continue };
            let Some(landmarks) = self.mesh.landmarks(photo, &detection, cancel)? else { continue };
            if let Some(reason) = landmarks.doubt(&detection) {
                doubt = Some(reason);
                continue;
            }
            let certain = landmarks.presence >= CERTAIN;
            if best.as_ref().is_none_or(|(_, known)| landmarks.presence > known.presence) {
                best = Some((detection, landmarks));
            }
            if certain {
                break;
            }
        }
        Ok(match (best, doubt) {
            (Some((detection, landmarks)), _) => Verdict::Face(detection, landmarks),
            (None, Some(reason)) => Verdict::Doubtful(reason),
            (None, None) => Verdict::None,
        })
    }

    /// The landmarks of the face in an aligned image `[1,3,R,R]` in `[-1,1]`, in its pixels; `None` if it shows no face.
    pub fn aligned_landmarks(
        &self,
        image: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Option<Landmarks>> {
        let photo = Photo::from_pixels(Path::new("a face"), image_from_crop(image).into());
        self.mesh.aligned_landmarks(&photo, cancel)
    }
}

/// Which faces of a photo to invert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaceChoice {
    /// The largest face.
    #[default]
    Largest,
    /// The Nth face from the left, starting at 1.
    Nth(usize),
    /// All faces, from left to right.
    All,
}

impl FromStr for FaceChoice {
    type Err = Error;

    /// Parses `largest`, `all` or a number from 1; anything else is [`Error::Input`].
    fn from_str(text: &str) -> Result<FaceChoice> {
        match (text, text.parse::<usize>()) {
            ("largest", _) => Ok(FaceChoice::Largest),
            ("all", _) => Ok(FaceChoice::All),
            (_, Ok(n)) if n > 0 => Ok(FaceChoice::Nth(n)),
            _ => Err(Error::Input(format!(
                "\"{text}\" does not select a face; use largest, all, or a number (1 is the leftmost face)"
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
    /// The selected faces, each with its number from 1. `faces` are all faces of `photo`, from left to right.
    ///
    /// # Errors
    /// [`Error::Input`] if there are no faces, or fewer than the selected number.
    pub fn select<'f>(&self, photo: &Photo, faces: &'f [Face]) -> Result<Vec<(usize, &'f Face)>> {
        let numbered = faces.iter().enumerate().map(|(i, face)| (i + 1, face));
        let selected: Vec<_> = match *self {
            FaceChoice::All => numbered.collect(),
            FaceChoice::Nth(n) => numbered.filter(|(number, _)| *number == n).collect(),
            FaceChoice::Largest => numbered
                .max_by(|(_, a), (_, b)| a.alignment.side_length().total_cmp(&b.alignment.side_length()))
                .into_iter()
                .collect(),
        };
        let path = photo.path.display();
        match (selected.is_empty(), faces.len(), self) {
            (false, ..) => Ok(selected),
            (true, 0, _) => Err(Error::Input(format!(
                "no face was found in {path}. Faces in profile, covered or smaller than about 40 pixels are not detected; crop \
                 the photo, or rotate it if the face is tilted by 30° to 60°"
            ))),
            (true, 1, choice) => Err(Error::Input(format!(
                "face {choice} was requested, but {path} shows only one face; choose 1 or largest"
            ))),
            (true, n, choice) => Err(Error::Input(format!(
                "face {choice} was requested, but {path} shows {n} faces; choose 1 (leftmost) to {n}, largest or all"
            ))),
        }
    }
}
