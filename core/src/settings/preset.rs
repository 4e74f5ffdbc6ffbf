//! Presets: complete settings under a name. `docs/results.md` has what each of them reaches.

use super::{
    Domain, Init, LocalizationLoss, Method, ModuleSettings, Norm, ProjectorSettings, PtiSettings,
    RefineSettings, Space, TuneSettings,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// All settings of an inversion. Its result depends on them, the photo, the bundle and the seed, and on nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Latent refinement, before tuning.
    pub refine: RefineSettings,
    /// Tuning by the methods `gani` and `direct`.
    pub tune: TuneSettings,
    /// The projection of the methods `pti`, `w` and `w+`.
    #[serde(default, alias = "project")]
    pub projector: ProjectorSettings,
    /// Tuning by the method `pti`.
    #[serde(default)]
    pub pti: PtiSettings,
}

/// Parts of setting paths under their former and their current names.
const RENAMED: [(&str, &str); 21] = [
    ("refine.spread_penalty", "refine.delta_regularization"),
    ("tune.cool_down", "tune.lr_rampdown"),
    ("tune.lambda_edit", "tune.lambda_reconstruction"),
    ("tune.lambda_local", "tune.lambda_localization"),
    ("tune.localisation", "tune.localization"),
    ("tune.local_every", "tune.localization_interval"),
    ("tune.spare", "tune.fisher_power"),
    ("tune.module.before", "tune.module.pre_norm"),
    ("tune.module.inside", "tune.module.post_norm"),
    ("tune.module.start", "tune.module.init"),
    ("tune.weights", "tune.loss_weights"),
    ("pti.weights", "pti.loss_weights"),
    ("pti.lambda_local", "pti.lambda_localization"),
    ("project", "projector"),
    ("projector.exploration", "projector.initial_noise_factor"),
    ("projector.noise_regularisation", "projector.regularize_noise_weight"),
    ("loss_weights.edges", "loss_weights.gradient_difference"),
    ("loss_weights.lambda_pixel", "loss_weights.lambda.pixel"),
    ("loss_weights.lambda_lpips", "loss_weights.lambda.lpips"),
    ("loss_weights.lambda_identity", "loss_weights.lambda.identity"),
    ("loss_weights.lambda_parsing", "loss_weights.lambda.parsing"),
];

/// Today's path of a setting that may be given by a former one.
fn current_path(path: &str) -> String {
    let dotted = format!(".{path}.");
    let renamed = RENAMED
        .iter()
        .fold(dotted, |path, (old, new)| path.replace(&format!(".{old}."), &format!(".{new}.")));
    renamed.trim_matches('.').to_owned()
}

impl Settings {
    /// Sets the number of steps of `method`. Encoders have none.
    pub fn set_iterations(&mut self, method: Method, steps: usize) {
        match method {
            Method::Gani | Method::Direct => self.tune.iterations = steps,
            Method::Pti => self.pti.iterations = steps,
            Method::W | Method::WPlus => self.projector.steps = steps,
            Method::Encoder | Method::Restyle => {}
        }
    }

    /// Sets one setting by its path in the inversion file's JSON, such as `tune.module.blocks` to `2`: for ablations.
    /// Former names of settings are accepted. λ of a term that has none yet is added.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown path, listing the known names, or a value of another type or out of range.
    pub fn set(&mut self, path: &str, value: &str) -> Result<()> {
        let invalid = |e: serde_json::Error| Error::Input(format!("`{path}={value}`: {e}"));
        let mut all = serde_json::to_value(&*self).map_err(invalid)?;
        let current = current_path(path);
        // A word that is not JSON is a name: `full`, `zero`, `instance`.
        let value: serde_json::Value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        match current.rsplit_once('.') {
            Some((map, term)) if map.ends_with("loss_weights.lambda") => {
                if let Some(lambda) = find(&mut all, path, map)?.as_object_mut() {
                    lambda.insert(term.into(), value);
                }
            }
            _ => *find(&mut all, path, &current)? = value,
        }
        let changed: Settings = serde_json::from_value(all).map_err(invalid)?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Checks the ranges of the numbers that have one.
    ///
    /// # Errors
    /// [`Error::Input`] with the path of the setting and its range.
    pub fn check(&self) -> Result<()> {
        let Settings { refine, tune, projector, pti } = self;
        let any = f64::INFINITY;
        let ranges = [
            ("refine.learning_rate", f64::from(refine.learning_rate), 0.0, any),
            ("tune.learning_rate", tune.learning_rate, 0.0, any),
            ("tune.lr_rampdown", tune.lr_rampdown, 0.0, 1.0),
            ("tune.module.blocks", tune.module.blocks as f64, 1.0, any),
            (
                "tune.loss_weights.gradient_difference",
                f64::from(tune.loss_weights.gradient_difference),
                0.0,
                any,
            ),
            ("tune.lambda_reconstruction", f64::from(tune.lambda_reconstruction), 0.0, any),
            ("tune.lambda_localization", f64::from(tune.lambda_localization), 0.0, any),
            ("tune.localization_interval", tune.localization_interval as f64, 1.0, any),
            ("tune.fisher_power", f64::from(tune.fisher_power), 0.0, 1.0),
            ("projector.learning_rate", f64::from(projector.learning_rate), 0.0, any),
            ("pti.learning_rate", f64::from(pti.learning_rate), 0.0, any),
            ("pti.lambda_localization", f64::from(pti.lambda_localization), 0.0, any),
        ];
        match ranges.iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
            None => Ok(()),
            Some((path, value, low, high)) => {
                let range =
                    if *high < any { format!("between {low} and {high}") } else { format!("at least {low}") };
                Err(Error::Input(format!("the setting {path} is {value}; it must be {range}")))
            }
        }
    }
}

/// The value at the path `current`; errors call it `path`, as the user did.
fn find<'v>(all: &'v mut serde_json::Value, path: &str, current: &str) -> Result<&'v mut serde_json::Value> {
    current.split('.').try_fold(all, |at, part| {
        let names = at.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(", "));
        at.get_mut(part).ok_or_else(|| {
            let known = names.map_or("the setting before it has no parts".into(), |names| {
                format!("the known names here are {names}")
            });
            Error::Input(format!("unknown setting `{path}`: no `{part}`; {known}"))
        })
    })
}

/// Latent steps of [`Preset::Draft`] in W and in W+.
const DRAFT_LATENT_STEPS: [usize; 2] = [3, 5];
/// Tuning steps of [`Preset::Draft`].
const DRAFT_TUNING_STEPS: usize = 12;

/// A named choice of [`Settings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A tenth of the work of [`Preset::Fast`]: a first result, for edits that are pasted as a composite.
    Draft,
    /// A fifth of the tuning steps of [`Preset::Best`].
    Fast,
    /// The default of the command line and of Rust. C, GIMP and Krita default to [`Preset::Fast`].
    Best,
    /// GANI as published.
    Paper,
}

impl Preset {
    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Draft => "draft",
            Preset::Fast => "fast",
            Preset::Best => "best",
            Preset::Paper => "paper",
        }
    }

    /// The preset's default method: direct tuning, which measured better (docs/results.md), or GANI for `paper`.
    pub fn method(self) -> Method {
        match self {
            Preset::Draft | Preset::Fast | Preset::Best => Method::Direct,
            Preset::Paper => Method::Gani,
        }
    }

    /// The settings of `method` for a row of Table 1.
    pub fn settings(self, method: Method, domain: &Domain) -> Settings {
        let mut s = paper(method, domain);
        let iterations = match self {
            Preset::Paper => return s,
            Preset::Draft => DRAFT_TUNING_STEPS,
            Preset::Best => domain.iterations,
            Preset::Fast => domain.iterations / 5,
        };
        let (refine_steps, learning_rate, lr_rampdown) = match (method, self) {
            (Method::Direct, Preset::Draft | Preset::Fast) => (110, 2e-3, 0.3),
            (Method::Direct, _) => (240, 2.5e-3, 0.5),
            (_, Preset::Draft | Preset::Fast) => (110, 1.5e-2, 0.3),
            _ => (240, 6e-3, 0.5),
        };
        s.refine.set_steps(refine_steps);
        (s.refine.learning_rate, s.refine.delta_regularization) = (0.08, 0.05);
        s.tune = TuneSettings { iterations, learning_rate, lr_rampdown, localization_interval: 3, ..s.tune };
        s.tune.module.init = Init::Zero;
        s.tune.loss_weights.full_resolution = true;
        s.tune.loss_weights.gradient_difference = 1.0;
        // With the published weights the pixel error is the last to fall.
        s.tune.loss_weights.lambda.entry("pixel".into()).and_modify(|lambda| *lambda *= 4.0);
        s.tune.localization = LocalizationLoss::PixelAndLpips;
        s.tune.fisher_power = 0.75;
        if self == Preset::Draft {
            [s.refine.steps_w, s.refine.steps_w_plus] = DRAFT_LATENT_STEPS;
            s.refine.learning_rate = 0.15;
            s.tune.learning_rate *= 2.0;
            // The Fisher estimate and localization cost more than these few steps, which change the generator little.
            (s.tune.fisher_power, s.tune.lambda_localization) = (0.0, 0.0);
        }
        s
    }
}

/// The published settings.
fn paper(method: Method, domain: &Domain) -> Settings {
    Settings {
        refine: RefineSettings {
            steps_w: 0,
            steps_w_plus: 0,
            learning_rate: 0.05,
            delta_regularization: 0.0,
        },
        tune: TuneSettings {
            iterations: domain.iterations,
            learning_rate: 1e-3,
            lr_rampdown: 0.0,
            module: ModuleSettings {
                blocks: 1,
                pre_norm: Norm::Scale,
                post_norm: Norm::Scale,
                init: Init::Kaiming,
                gain: None,
            },
            loss_weights: domain.loss_weights.clone(),
            lambda_reconstruction: domain.lambda_reconstruction,
            lambda_localization: domain.lambda_localization,
            localization: LocalizationLoss::Full,
            localization_interval: 1,
            fisher_power: 0.0,
        },
        projector: match method {
            Method::Pti => ProjectorSettings::pivot(),
            Method::WPlus => ProjectorSettings::stylegan2(Space::WPlus),
            _ => ProjectorSettings::default(),
        },
        pti: PtiSettings::default(),
    }
}

impl std::str::FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Preset> {
        [Preset::Draft, Preset::Fast, Preset::Best, Preset::Paper]
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| {
                Error::Input(format!("unknown preset `{text}`; choose draft, fast, best or paper"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::domain;

    fn fast() -> Settings {
        Preset::Fast.settings(Method::Direct, &domain("celeba-hq").unwrap())
    }

    #[test]
    fn a_draft_is_a_tenth_of_the_work_of_fast() {
        let draft = Preset::Draft.settings(Method::Direct, &domain("celeba-hq").unwrap());
        let steps = |s: &Settings| s.refine.steps_w + s.refine.steps_w_plus + s.tune.iterations;
        assert!(steps(&draft) <= steps(&fast()) / 8);
        assert_eq!((draft.tune.lambda_localization, draft.tune.fisher_power), (0.0, 0.0));
        assert_eq!("draft".parse::<Preset>().unwrap(), Preset::Draft);
    }

    #[test]
    fn settings_are_set_by_path() {
        let mut s = fast();
        s.set("tune.module.blocks", "2").unwrap();
        s.set("tune.module.pre_norm", "none").unwrap();
        s.set("tune.learning_rate", "1e-3").unwrap();
        s.set("tune.loss_weights.lambda.depth", "0.5").unwrap();
        assert_eq!((s.tune.module.blocks, s.tune.module.pre_norm), (2, Norm::None));
        assert_eq!((s.tune.learning_rate, s.tune.loss_weights.lambda("depth")), (1e-3, 0.5));
        let text = |path: &str, value: &str| s.clone().set(path, value).unwrap_err().to_string();
        let error = text("tune.module.block", "2");
        assert!(error.contains("blocks, ") && error.contains("`block`"), "{error}");
        assert!(text("tune.iterations.more", "2").contains("no parts"));
        assert!(text("tune.iterations", "many").contains("many"));
        assert!(text("tune.iterations", "-1").contains("-1"));
        assert!(text("tune.fisher_power", "1.5").contains("is 1.5; it must be between 0 and 1"));
        assert!(text("tune.module.blocks", "0").contains("at least 1"));
        s.check().unwrap();
    }

    #[test]
    fn former_paths_and_names_are_accepted() {
        let mut s = fast();
        for (path, value) in [
            ("tune.spare", "0"),
            ("tune.weights.edges", "0.25"),
            ("tune.weights.lambda_lpips", "0.4"),
            ("tune.localisation", "cheap"),
            ("tune.module.start", "kaiming"),
            ("project.exploration", "0.1"),
            ("pti.weights.lambda_pixel", "2"),
        ] {
            s.set(path, value).unwrap();
        }
        assert_eq!((s.tune.fisher_power, s.tune.loss_weights.gradient_difference), (0.0, 0.25));
        assert_eq!((s.tune.loss_weights.lambda("lpips"), s.tune.module.init), (0.4, Init::Kaiming));
        assert_eq!(s.projector.initial_noise_factor, 0.1);
        assert_eq!(s.pti.loss_weights.lambda("pixel"), 2.0);
    }
}
