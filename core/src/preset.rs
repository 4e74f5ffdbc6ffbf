//! Presets: complete settings under a name, measured in `docs/results.md`.

use crate::method::Method;
use crate::modules::{ModuleSettings, Norm, Start};
use crate::objective::{Pixel, Weights};
use crate::project::{ProjectSettings, Space};
use crate::pti::PtiSettings;
use crate::refine::RefineSettings;
use crate::terms::Localisation;
use crate::tune::TuneSettings;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that an inversion depends on, beside the photo, the bundle and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Latent refinement before tuning.
    pub refine: RefineSettings,
    /// Tuning.
    pub tune: TuneSettings,
    /// The projection of the methods `pti`, `w` and `w+`.
    #[serde(default)]
    pub project: ProjectSettings,
    /// Tuning of the method `pti`.
    #[serde(default)]
    pub pti: PtiSettings,
}

impl Settings {
    /// Sets how many steps `method` makes; encoders make none.
    pub fn set_iterations(&mut self, method: Method, steps: usize) {
        match method {
            Method::Gani | Method::Direct => self.tune.iterations = steps,
            Method::Pti => self.pti.iterations = steps,
            Method::W | Method::WPlus => self.project.steps = steps,
            Method::Encoder | Method::Restyle => {}
        }
    }

    /// Changes one setting by its path, as the inversion file writes it: `tune.module.blocks`, `2`. For ablations.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such setting, with those that there are, or where it takes no such value.
    pub fn set(&mut self, path: &str, value: &str) -> Result<()> {
        let no_json = |e: serde_json::Error| Error::Input(format!("`{path}={value}`: {e}"));
        let mut all = serde_json::to_value(&*self).map_err(no_json)?;
        let mut at = &mut all;
        for part in path.split('.') {
            let names = at.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(", "));
            at = at.get_mut(part).ok_or_else(|| {
                let there = names.map_or("it has no parts".into(), |names| format!("there are {names}"));
                Error::Input(format!("no setting is called `{path}`: at `{part}`, {there}"))
            })?;
        }
        // A word that is no JSON is a name: `full`, `zero`, `instance`.
        *at = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let changed: Settings = serde_json::from_value(all).map_err(no_json)?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Refuses numbers that nothing can run with.
    ///
    /// # Errors
    /// [`Error::Input`], with the setting's path and its range.
    pub fn check(&self) -> Result<()> {
        let Settings { refine, tune, project, pti } = self;
        let any = f64::INFINITY;
        let ranges = [
            ("refine.learning_rate", f64::from(refine.learning_rate), 0.0, any),
            ("tune.learning_rate", tune.learning_rate, 0.0, any),
            ("tune.cool_down", tune.cool_down, 0.0, 1.0),
            ("tune.module.blocks", tune.module.blocks as f64, 1.0, any),
            ("tune.weights.edges", f64::from(tune.weights.edges), 0.0, any),
            ("tune.lambda_edit", f64::from(tune.lambda_edit), 0.0, any),
            ("tune.lambda_local", f64::from(tune.lambda_local), 0.0, any),
            ("tune.local_every", tune.local_every as f64, 1.0, any),
            ("tune.spare", f64::from(tune.spare), 0.0, 1.0),
            ("project.learning_rate", f64::from(project.learning_rate), 0.0, any),
            ("pti.learning_rate", f64::from(pti.learning_rate), 0.0, any),
            ("pti.lambda_local", f64::from(pti.lambda_local), 0.0, any),
        ];
        match ranges.iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
            None => Ok(()),
            Some((path, value, low, high)) => {
                let most = if *high < any { format!("to {high}") } else { "upwards".into() };
                Err(Error::Input(format!("the setting {path} is {value}, and goes from {low} {most}")))
            }
        }
    }
}

/// A named choice of [`Settings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A fifth of the steps: a face in a few minutes on two cores.
    Fast,
    /// The default.
    Best,
    /// The paper's settings, literally.
    Paper,
}

impl Preset {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Fast => "fast",
            Preset::Best => "best",
            Preset::Paper => "paper",
        }
    }

    /// The method that serves best with it (docs/results.md); `paper` is GANI to the letter.
    pub fn method(self) -> Method {
        match self {
            Preset::Fast | Preset::Best => Method::Direct,
            Preset::Paper => Method::Gani,
        }
    }

    /// The settings of `method`, for the loss weights of the bundle's domain (Table 1) and the paper's `iterations` there.
    pub fn settings(self, method: Method, weights: Weights, iterations: usize) -> Settings {
        let mut s = paper(method, weights, iterations);
        // What measured best (docs/results.md): a refined latent, pixels and their edges at full resolution and of more weight,
        // a larger step that cools down, localisation in every third step; where there are modules, they start at zero.
        let steps = match self {
            Preset::Paper => return s,
            Preset::Best => iterations,
            Preset::Fast => iterations / 5,
        };
        let (refine, learning_rate, cool_down) = match (method, self) {
            (Method::Direct, Preset::Fast) => (110, 2e-3, 0.3),
            (Method::Direct, _) => (240, 2.5e-3, 0.5),
            (_, Preset::Fast) => (110, 1.5e-2, 0.3),
            _ => (240, 6e-3, 0.5),
        };
        s.refine.set_steps(refine);
        (s.refine.learning_rate, s.refine.spread_penalty) = (0.08, 0.05);
        s.tune = TuneSettings { iterations: steps, learning_rate, cool_down, local_every: 3, ..s.tune };
        s.tune.module.start = Start::Zero;
        (s.tune.weights.full_resolution, s.tune.weights.edges) = (true, 1.0);
        s.tune.weights.lambda_pixel *= 4.0; // the fit of pixels is what the paper's weights reach last
        s.tune.localisation = Localisation::Cheap;
        s.tune.spare = 0.75;
        s
    }
}

/// The published settings.
fn paper(method: Method, weights: Weights, iterations: usize) -> Settings {
    Settings {
        refine: RefineSettings { steps_w: 0, steps_w_plus: 0, learning_rate: 0.05, spread_penalty: 0.0 },
        tune: TuneSettings {
            iterations,
            learning_rate: 1e-3,
            cool_down: 0.0,
            module: ModuleSettings {
                blocks: 1,
                before: Norm::Scale,
                inside: Norm::Scale,
                start: Start::Kaiming,
                gain: None,
            },
            weights,
            lambda_edit: 1.0,
            lambda_local: 0.2,
            localisation: Localisation::Full,
            local_every: 1,
            spare: 0.0,
        },
        project: match method {
            Method::Pti => ProjectSettings::pivot(),
            Method::WPlus => ProjectSettings::stylegan2(Space::WPlus),
            _ => ProjectSettings::default(),
        },
        pti: PtiSettings::default(),
    }
}

impl std::str::FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Preset> {
        [Preset::Fast, Preset::Best, Preset::Paper].into_iter().find(|p| p.name() == text).ok_or_else(|| {
            Error::Input(format!("no preset is called `{text}`; there are fast, best and paper"))
        })
    }
}

/// λ1…λ4 of faces (Table 1, celeba-hq), for tests and as a start of one's own.
pub fn face_weights() -> Weights {
    Weights {
        pixel: Pixel::L2,
        full_resolution: false,
        edges: 0.0,
        lambda_pixel: 1.0,
        lambda_lpips: 0.8,
        lambda_identity: 0.1,
        lambda_parsing: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_changed_by_their_path() {
        let mut s = Preset::Fast.settings(Method::Direct, face_weights(), 300);
        s.set("tune.module.blocks", "2").unwrap();
        s.set("tune.module.before", "none").unwrap();
        s.set("tune.learning_rate", "1e-3").unwrap();
        assert_eq!((s.tune.module.blocks, s.tune.module.before), (2, Norm::None));
        assert_eq!(s.tune.learning_rate, 1e-3);
        let text = |path: &str, value: &str| s.clone().set(path, value).unwrap_err().to_string();
        let error = text("tune.module.block", "2");
        assert!(error.contains("blocks, ") && error.contains("`block`"), "{error}");
        assert!(text("tune.iterations.more", "2").contains("no parts"));
        assert!(text("tune.iterations", "many").contains("many"));
        assert!(text("tune.iterations", "-1").contains("-1"));
        assert!(text("tune.spare", "1.5").contains("tune.spare is 1.5, and goes from 0 to 1"));
        assert!(text("tune.module.blocks", "0").contains("goes from 1 upwards"));
        s.check().unwrap();
    }
}
