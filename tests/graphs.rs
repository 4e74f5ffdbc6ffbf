//! `report::graphs` lists exactly the graphs that inversions run, so `cargo xtask check-cuda` covers all of them.
#![allow(missing_docs)]

use gani_core::bundle::Bundle;
use gani_core::edit::Generator;
use gani_core::inversion::CropSource;
use gani_core::invert::{InvertOptions, invert};
use gani_core::photo::resize;
use gani_core::report::graphs;
use gani_core::runtime::{Cancel, Device, DeviceChoice};
use gani_core::settings::Method;
use gani_core::{Model, Preset};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Names of the sessions that were created, from the runtime's log: `loss gradient: session of 123 bytes …`.
static CREATED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, record: &log::Metadata<'_>) -> bool {
        record.target() == "gani_core::runtime"
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if let Some((name, _)) = text.split_once(": session of ").filter(|_| self.enabled(record.metadata()))
        {
            CREATED.lock().unwrap().insert(name.to_owned());
        }
    }

    fn flush(&self) {}
}

#[test]
fn listed_graphs_are_those_that_inversions_run() {
    let model = Model::builder().device(DeviceChoice::Cpu).open("ffhq-64").unwrap();
    log::set_logger(&Listener).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let cancel = Cancel::new();
    let ws = model.sample(5, 0.7, &cancel).unwrap();
    let face = Generator::untuned(&model).unwrap().image(ws.view(), &cancel).unwrap();
    let crop = resize(face.view(), 256, 256);
    let mut last = None;
    for method in [Method::Gani, Method::Direct, Method::Pti, Method::WPlus] {
        let mut options = InvertOptions::new(&model, Preset::Best).unwrap();
        options.method = method;
        let settings = &mut options.settings;
        (settings.refine.steps_w, settings.refine.steps_w_plus) = (1, 0);
        (settings.tune.iterations, settings.pti.iterations, settings.projector.steps) = (1, 1, 1);
        last = Some(invert(&model, crop.view(), CropSource::default(), &options, &cancel, |_| {}).unwrap());
    }
    let result = last.unwrap();
    Generator::tuned(&model, &result.inversion).unwrap();
    model.measure_at_full_resolution(face.view(), face.view(), &cancel).unwrap();

    let listed = graphs::bundle_graphs(&Bundle::open("ffhq-64").unwrap(), Preset::Best, Device::Cpu).unwrap();
    let listed: BTreeSet<String> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(*CREATED.lock().unwrap(), listed);
}
