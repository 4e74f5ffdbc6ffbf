//! Face networks of a new bundle.

use super::importer::{Importer, OnFile};
use super::source::{contains, expect, is_onnx};
use crate::bundle::make::WeightPrecision;
use crate::bundle::manifest::Face;
use crate::bundle::search;
use crate::util::files::copy_whole;
use crate::{Error, Result};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, arcface};

impl Importer<'_> {
    /// Adds the face networks. They are copied from the installed models, because the new bundle can be in any folder.
    pub(super) fn add_faces(&mut self, on_file: OnFile<'_>) -> Result<()> {
        if self.options.domain != "celeba-hq" {
            return Ok(());
        }
        let evaluation = self.evaluation_network(on_file)?;
        let copy = |file: &str| {
            let Some(from) = search::shared_networks(file).into_iter().next() else { return Ok(None) };
            let to = self.folder.join(file);
            copy_whole(&from, &to)?;
            Ok::<_, Error>(Some(file.to_owned()))
        };
        let (detector, landmarks) = (copy("blazeface.onnx")?, copy("facemesh.onnx")?);
        let evaluation = match evaluation {
            Some(file) => Some(file),
            None => copy("mobileface.onnx")?,
        };
        match (detector, landmarks, evaluation) {
            (Some(detector), Some(landmarks), Some(evaluation)) => {
                self.manifest.face = Some(Face { detector, landmarks, evaluation });
            }
            _ => self.record_missing(
                "face finder",
                "the networks that come with gani are not installed; photos must be aligned crops",
            ),
        }
        Ok(())
    }

    /// Writes CurricularFace if one of the identity files contains it, and returns the name of the written file.
    fn evaluation_network(&mut self, on_file: OnFile<'_>) -> Result<Option<String>> {
        for path in &self.options.identity {
            if is_onnx(path) || !contains(path, Network::CurricularFace)? {
                continue;
            }
            on_file("evaluation", path);
            let file = Checkpoint::read(path)?;
            let found = expect(&file, "evaluation network", &[Network::CurricularFace])?;
            let graph = arcface::evaluation(&file.scoped(&found.prefix))?;
            self.record_source("evaluation", path, &found.text)?;
            let target = "evaluation.onnx";
            WeightPrecision::Full.write(&graph, &self.folder.join(target))?;
            return Ok(Some(target.into()));
        }
        Ok(None)
    }
}
